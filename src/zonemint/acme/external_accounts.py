"""External account binding (RFC 8555 section 7.3.4): keys are made and ended, and a binding is held against its key."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from zonemint.acme import jws as jws_
from zonemint.acme import keys, states
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.hash_chain import Detail
from zonemint.core.ids import new_id, random_text
from zonemint.core.patterns import Patterns
from zonemint.store import accounts, audit, external_keys
from zonemint.store.database import Steps
from zonemint.store.external_keys import ExternalKey

__all__ = ["ALGORITHMS", "Binding", "bind", "check", "create", "new", "refusal", "revoke", "status"]

ALGORITHMS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_SECRET_OCTETS = 64  # as many as the longest of these hashes takes without shortening
_NO_SECRET = jws_.b64url(bytes(_SECRET_OCTETS))


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding that holds: its key, and the JWS as the client sent it."""

    key: ExternalKey
    text: str


class _Protected(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    url: str
    nonce: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    jwk: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    b64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def new(
    provisioner: str,
    *,
    label: str,
    names: Sequence[str],
    uses: int,
    lifetime: float | None,
    by: str,
    now: float,
) -> ExternalKey:
    """Return a key, not yet stored; lifetime in seconds, None is for ever."""
    return ExternalKey(
        id=new_id(),
        provisioner=provisioner,
        label=label,
        secret=random_text(_SECRET_OCTETS),
        names=tuple(names),
        uses=uses,
        used=0,
        created_at=int(now),
        created_by=by,
        expires_at=None if lifetime is None else int(now + lifetime),
    )


def create(key: ExternalKey, *, actor: str) -> Steps[None]:
    """Store a key and record that it was made."""
    yield from external_keys.insert(key)
    told: Detail = {"provisioner": key.provisioner, "names": key.names, "uses": key.uses, "via": key.created_by}
    yield from audit.append(audit.Fact(audit.Kind.EAB_KEY_CREATED, actor, key.id, told), now=key.created_at)


def revoke(key_id: str, *, with_accounts: bool, actor: str, via: str, now: float) -> Steps[int | None]:
    """End a key, and the accounts that were made with it if asked to; return how many accounts that ended.

    None when there is no such key. A key that was revoked before may be asked for again, for its accounts.
    """
    key = yield from external_keys.by_id(key_id)
    if key is None:
        return None
    # First, so that an account that is being made with the key is either refused or among those below.
    is_new = yield from external_keys.revoke(key_id, now=int(now))
    ended = []
    if with_accounts:
        for account in (yield from accounts.of_external_key(key_id)):
            if account.status == states.Account.VALID:
                states.check(states.Account.VALID, states.Account.DEACTIVATED)
                if (
                    yield from accounts.update(
                        account.id,
                        was=account.status,
                        status=states.Account.DEACTIVATED,
                        contacts=account.contacts,
                    )
                ):
                    ended.append(account.id)
    facts = [audit.Fact(audit.Kind.ACCOUNT_DEACTIVATED, actor, account_id, {"via": via}) for account_id in ended]
    if is_new:
        facts.insert(0, audit.Fact(audit.Kind.EAB_KEY_REVOKED, actor, key_id, {"via": via}))
    if facts:
        yield from audit.append(*facts, now=now)
    return len(ended)


def status(key: ExternalKey, now: float) -> str:
    """Return in a word whether accounts can be made with a key: valid, or why not."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "used up" if key.uses and key.used >= key.uses else "valid"


def check(given: bytes, *, provisioner: str, url: str, jwk: keys.Jwk, now: int) -> Steps[Binding]:
    """Hold a binding, in JSON, against the request that carries it and the key that it names; raises AcmeError.

    url: that of the outer JWS; jwk: its key. Unknown key, wrong MAC and a key that is no good any more are told alike,
    but for who knows the key.
    """
    flat = jws_.flattened(given, "externalAccountBinding")
    header = jws_.from_b64url(flat.protected, "the binding's protected header")
    payload = jws_.from_b64url(flat.payload, "the binding's payload")
    try:
        protected = msgspec.json.decode(header, type=_Protected)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"its protected header is not as section 7.3.4 wants it: {error}") from error
    if protected.alg not in ALGORITHMS:
        raise AcmeError(
            AcmeErrorType.BAD_SIGNATURE_ALGORITHM,
            f"the binding's algorithm '{protected.alg[:40]}' is no MAC that is accepted: {', '.join(ALGORITHMS)}",
            fields={"algorithms": list(ALGORITHMS)},
        )
    if protected.nonce is not msgspec.UNSET:
        raise _malformed("it must not have a nonce")
    if protected.jwk is not msgspec.UNSET:
        raise _malformed("it must have no 'jwk' beside 'kid'")
    if protected.crit is not msgspec.UNSET or protected.b64 is not msgspec.UNSET:
        raise _malformed("it has 'crit' or 'b64', which ACME does not use")
    if protected.url != url:
        raise _malformed("its url is not that of the request")
    key = yield from external_keys.by_id(protected.kid)
    usable = key is not None and key.provisioner == provisioner and key.revoked_at is None
    secret = key.secret if key is not None and usable else _NO_SECRET
    expected = hmac.digest(
        jws_.from_b64url(secret, "the stored key"),
        f"{flat.protected}.{flat.payload}".encode("ascii"),
        ALGORITHMS[protected.alg],
    )
    holds = hmac.compare_digest(expected, jws_.from_b64url(flat.signature, "the binding's signature"))
    if key is None or not usable or not holds:
        raise _refused("there is no such key for external accounts here, or the MAC is not by it")
    if (word := status(key, now)) != "valid":
        raise _refused(f"the key '{key.id}' is {word}: ask for another one")
    if _payload_key(payload) != jwk.thumbprint:
        raise _malformed("its payload is not the key that signed the request")
    return Binding(key, given.decode())


def bind(binding: Binding, *, now: int) -> Steps[None]:
    """Use a binding for an account that is made in this transaction; raises AcmeError when others used the key up."""
    if not (yield from external_keys.use(binding.key.id, now=now)):
        raise _refused(f"the key '{binding.key.id}' was just used up or revoked: ask for another one")


def refusal(patterns: Sequence[str]) -> Callable[[str, str], str | None]:
    """Return what says of an identifier, by type and value, why a key with these patterns is not for it, or None."""
    if not patterns:
        return lambda type_, value: None
    scope = Patterns.read(patterns)

    def why(type_: str, value: str) -> str | None:
        if scope.hold_address(ip_address(value)) if type_ == "ip" else scope.hold(value):
            return None
        return f"'{value}' is not what this account's key for external accounts is for: {', '.join(patterns)}"

    return why


def _payload_key(payload: bytes) -> str:
    """Return the thumbprint of the key in a binding: its spelling does not count."""
    try:
        members = msgspec.json.decode(payload, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed("its payload is not a key in JSON") from error
    return keys.canonical(members).thumbprint


def _malformed(why: str) -> AcmeError:
    return AcmeError(AcmeErrorType.MALFORMED, f"the external account binding is refused: {why}")


def _refused(why: str) -> AcmeError:
    return AcmeError(AcmeErrorType.UNAUTHORIZED, f"the external account binding is refused: {why}", status=403)
