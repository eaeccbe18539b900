"""The state machine of RFC 8555 section 7.1.6: every status an object can have, and every change that is legal."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Account", "Authorization", "Challenge", "Order", "after", "check"]


class Account(StrEnum):
    """The statuses of an account."""

    VALID = "valid"
    DEACTIVATED = "deactivated"
    REVOKED = "revoked"


class Order(StrEnum):
    """The statuses of an order."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class Authorization(StrEnum):
    """The statuses of an authorization."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Challenge(StrEnum):
    """The statuses of a challenge."""

    PENDING = "pending"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


# By class, for statuses of different objects that have the same word are equal.
_TRANSITIONS: dict[type[StrEnum], dict[StrEnum, frozenset[StrEnum]]] = {
    Account: {Account.VALID: frozenset({Account.DEACTIVATED, Account.REVOKED})},
    Order: {
        Order.PENDING: frozenset({Order.READY, Order.INVALID}),
        Order.READY: frozenset({Order.PROCESSING, Order.INVALID}),
        Order.PROCESSING: frozenset({Order.VALID, Order.INVALID}),
    },
    Authorization: {
        Authorization.PENDING: frozenset({Authorization.VALID, Authorization.INVALID, Authorization.DEACTIVATED}),
        Authorization.VALID: frozenset(
            {Authorization.DEACTIVATED, Authorization.EXPIRED, Authorization.REVOKED, Authorization.INVALID}
        ),
    },
    Challenge: {
        Challenge.PENDING: frozenset({Challenge.PROCESSING, Challenge.VALID, Challenge.INVALID}),
        Challenge.PROCESSING: frozenset({Challenge.VALID, Challenge.INVALID}),
    },
}
"""What may follow what; a status that is not a key is final.

Two entries go beyond the figures of the RFC: a challenge that is decided while its request is still open goes from
pending to its end in one commit, and an expired pending authorization is invalid (section 7.1.6, "MUST be moved").
"""


def after(status: StrEnum) -> frozenset[StrEnum]:
    """Return what may follow a status; nothing when it is final."""
    return _TRANSITIONS[type(status)].get(status, frozenset())


def check(old: StrEnum, new: StrEnum) -> None:
    """Refuse a change that the table does not have; raises ValueError, for it is our mistake."""
    if type(new) is not type(old) or new not in after(old):
        raise ValueError(f"{type(old).__name__.lower()} cannot go from {old} to {new}")
