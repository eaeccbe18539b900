"""A way to prove control of an identifier: what it is for, what its challenge shows, how it is checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from zonemint.core.trace import Event
from zonemint.validation.outcome import Outcome

__all__ = ["Check", "Claim", "Method", "Tell", "offered"]

Tell = Callable[[Event], None]
"""Takes each event of an attempt as it happens, so that none is lost when the attempt is cut off."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What an account says it controls; `value` is without `*.`, `token` is empty where the method has none.

    `thumbprint` is that of the account's key (RFC 7638), `account_url` its `kid`.
    """

    identifier_type: str
    value: str
    wildcard: bool
    token: str
    thumbprint: str
    account_url: str

    @property
    def key_authorization(self) -> str:
        """The token and the key that it was given to (RFC 8555 section 8.1)."""
        return f"{self.token}.{self.thumbprint}"


Check = Callable[[Claim, Tell], Awaitable[Outcome]]
"""Makes one attempt; it may be cancelled at any time."""


def _nothing(_: str) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True, slots=True)
class Method:
    """A challenge type (RFC 8555 section 8) that a provisioner may offer.

    `identifiers` are the types that it is for (`dns`, `ip`); `members` are those that its challenge object has beside
    the token, or instead of it, for an account's URL.
    """

    type: str
    identifiers: frozenset[str]
    wildcards: bool
    check: Check
    has_token: bool = True
    members: Callable[[str], Mapping[str, object]] = _nothing

    def proves(self, identifier_type: str, *, wildcard: bool) -> bool:
        """Tell whether it is a proof for such an identifier."""
        return identifier_type in self.identifiers and (self.wildcards or not wildcard)


def offered(methods: Iterable[Method], identifier_type: str, *, wildcard: bool) -> list[Method]:
    """Return those that prove an identifier, in their order."""
    return [method for method in methods if method.proves(identifier_type, wildcard=wildcard)]
