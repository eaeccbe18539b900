"""Certificate profiles: how long a certificate lives and what it is good for."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

__all__ = ["BUILT_IN", "DEFAULT", "SHORTLIVED", "Profile"]

_HOUR = 3600
_DAY = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Profile:
    """What the certificates of one kind share; lifetime and backdate in seconds.

    The backdate lies inside the lifetime: it forgives clocks that run late. Only serverAuth by default, as public
    CAs now have it: control of a host name says nothing about who opens a connection as a client.
    """

    name: str
    lifetime: int
    backdate: int = _HOUR
    extended_key_usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH,)

    @property
    def description(self) -> str:
        """One line for people, which the directory shows."""
        days, hours = divmod(self.lifetime // _HOUR, 24)
        length = f"{days} days" if not hours and days > 7 else f"{self.lifetime // _HOUR} hours"
        return f"server certificates that live {length}"

    def validity(
        self,
        *,
        now: float,
        issuer_not_before: float,
        issuer_not_after: float,
        not_before: float | None = None,
        not_after: float | None = None,
    ) -> tuple[int, int]:
        """Return notBefore and notAfter as whole seconds since 1970; both belong to the validity (RFC 5280 4.1.2.5).

        Times that the order asked for replace the profile's own; nothing begins before the issuer, as it would by a
        clock that was set back, or outlives it.
        """
        start = int(now) - self.backdate if not_before is None else int(not_before)
        end = start + self.lifetime - 1 if not_after is None else int(not_after)
        start = max(start, int(issuer_not_before))
        return start, min(end, int(issuer_not_after))

    def refusal(self, *, now: float, not_before: float | None, not_after: float | None) -> str | None:
        """Return the sentence why an order's notBefore and notAfter cannot be honoured (RFC 8555 7.4), or None."""
        start = now - self.backdate if not_before is None else not_before
        if start < int(now) - self.backdate:
            return f"notBefore lies more than {self.backdate} seconds in the past"
        if not_after is not None and not_after <= max(start, now):
            return "notAfter does not lie after notBefore and the present"
        if not_after is not None and not_after > start + self.lifetime:
            return (
                f"the profile '{self.name}' gives certificates of {self.lifetime} seconds, and notAfter asks for more"
            )
        return None


DEFAULT = Profile("default", 90 * _DAY)
SHORTLIVED = Profile("shortlived", 160 * _HOUR)
BUILT_IN = {profile.name: profile for profile in (DEFAULT, SHORTLIVED)}
