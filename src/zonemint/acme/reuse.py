"""What an account has proved, taken over by its later orders where the settings say so (RFC 8555 section 7.1.4)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from zonemint.acme import states
from zonemint.store import proofs
from zonemint.store.authorizations import Authorization
from zonemint.store.database import Steps
from zonemint.store.orders import Order

__all__ = ["as_proved", "with_proofs"]

_ASKED_ANEW = ("dns-persist-01",)  # its record says how long it may be kept, and needs nobody to be looked at again
_LEFT = 300  # seconds for which a proof must still hold


def with_proofs(wanted: Sequence[Authorization], now: int) -> Steps[list[Authorization]]:
    """Return a new order's authorizations, of which those are valid whose names the account has proved control of.

    Each is one of its own with the deciding challenge and the expiry of the one that it is made after: an order shares
    no authorization with another, so what happens to one changes no other.
    """
    held = []
    for one in wanted:
        # What was proved for a domain may have been proved by a host of that name, which says nothing of those below.
        proof = None if one.subdomains else (yield from proofs.valid(one, at=now + _LEFT))
        found = () if proof is None else proof.challenges
        decided = tuple(challenge for challenge in found if challenge.status == states.Challenge.VALID)
        # The settings may have ceased to offer by what it was proved.
        is_offered = all(one.challenge(challenge.type) is not None for challenge in decided)
        if proof is None or not is_offered or any(challenge.type in _ASKED_ANEW for challenge in decided):
            held.append(one)
            continue
        valid, ends = states.Authorization.VALID, proof.expires_at
        held.append(msgspec.structs.replace(one, status=valid, challenges=decided, expires_at=ends))
    return held


def as_proved(order: Order, held: Sequence[Authorization]) -> Order:
    """Return a new order that is ready if all its authorizations are valid, and does not outlive those that are."""
    valid = [one.expires_at for one in held if one.status == states.Authorization.VALID]
    status = states.Order.READY if len(valid) == len(held) else states.Order.PENDING
    return msgspec.structs.replace(order, status=status, expires_at=min([order.expires_at, *valid]))
