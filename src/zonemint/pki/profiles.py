"""Certificate profiles: how long a certificate lives, for which keys, what it says and what it is good for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["ATTRIBUTES", "BUILT_IN", "DEFAULT", "SHORTLIVED", "USAGES", "Profile"]

_HOUR = 3600
_DAY = 24 * _HOUR

USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
ATTRIBUTES: Mapping[str, x509.ObjectIdentifier] = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
}
"""The fixed attributes that a subject may have, in their order there: from the country down."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the certificates of one kind share; lifetime and backdate in seconds.

    The backdate lies inside the lifetime: it forgives clocks that run late. Only serverAuth by default, as public
    CAs now have it: control of a host name says nothing about who opens a connection as a client.

    keys: the kinds, as `csr.kind` names them; None is every kind. `rsa_bits` is the least.
    common_name: whether the first name that fits is the subject's common name, beside the fixed `subject`.
    points_to_crl, points_to_issuer, points_to_ocsp: whether a certificate says where that is, if there is a URL.
    """

    name: str
    lifetime: int
    backdate: int = _HOUR
    extended_key_usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH,)
    keys: frozenset[str] | None = None
    rsa_bits: int = 2048
    common_name: bool = True
    subject: tuple[x509.NameAttribute[str], ...] = ()
    points_to_crl: bool = True
    points_to_issuer: bool = True
    points_to_ocsp: bool = False
    said: str = ""

    @property
    def description(self) -> str:
        """One line for people, which the directory shows."""
        if self.said:
            return self.said
        what = " and ".join(
            word.removesuffix("Auth") for word, oid in USAGES.items() if oid in self.extended_key_usages
        )
        days, hours = divmod(self.lifetime // _HOUR, 24)
        length = f"{days} days" if not hours and days > 7 else f"{self.lifetime // _HOUR} hours"
        return f"{what} certificates that live {length}"

    def key_refusal(self, kind: str, bits: int) -> str | None:
        """Return the sentence why a key of a kind and length gets no certificate, or None."""
        if self.keys is not None and kind not in self.keys:
            return f"the profile '{self.name}' takes keys of the kinds {', '.join(sorted(self.keys))}, not {kind}"
        if kind == "rsa" and bits < self.rsa_bits:
            return f"the profile '{self.name}' takes RSA keys of {self.rsa_bits} bits and more, not {bits}"
        return None

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

        Times that the order asked for replace the profile's own; what begins later ends no later than what begins now.
        Nothing begins before the issuer, as it would by a clock that was set back, or outlives it.
        """
        start = int(now) - self.backdate if not_before is None else int(not_before)
        end = min(start + self.lifetime - 1, int(now) + self.lifetime) if not_after is None else int(not_after)
        start = max(start, int(issuer_not_before))
        return start, min(end, int(issuer_not_after))

    def refusal(self, *, now: float, not_before: float | None, not_after: float | None) -> str | None:
        """Return the sentence why an order's notBefore and notAfter cannot be honoured (RFC 8555 7.4), or None.

        Control that is proved today must not give certificates for years to come, each beginning when another ends.
        """
        start = now - self.backdate if not_before is None else not_before
        if start < int(now) - self.backdate:
            return f"notBefore lies more than {self.backdate} seconds in the past"
        if not_after is not None and not_after <= max(start, now):
            return "notAfter does not lie after notBefore and the present"
        if start >= now + self.lifetime:
            return f"notBefore lies {self.lifetime} seconds ahead, where certificates of now have ended"
        if not_after is not None and not_after > min(start, now) + self.lifetime:
            return (
                f"the profile '{self.name}' gives certificates of {self.lifetime} seconds, and notAfter asks for more"
            )
        return None


DEFAULT = Profile("default", 90 * _DAY)
SHORTLIVED = Profile("shortlived", 160 * _HOUR)
BUILT_IN = {profile.name: profile for profile in (DEFAULT, SHORTLIVED)}
