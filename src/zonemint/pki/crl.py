"""Certificate revocation lists (RFC 5280 section 5).

They are written octet by octet: cryptography's builder takes 40 microseconds for each entry, and wants all of them as
objects.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509

from zonemint.pki.der import BITS, ENUMERATED, OCTETS, SEQUENCE, integer, time, tlv
from zonemint.pki.issuer import Issuer

__all__ = ["REASONS", "build", "entry"]

REASONS = {
    1: "keyCompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    9: "privilegeWithdrawn",
}
"""The reasons that an entry can give, by code (section 5.3.1); of 0, unspecified, it says nothing, as the RFC asks."""

_VERSION_2 = bytes.fromhex("020101")
_REASON_CODE = bytes.fromhex("0603551d15")
_REASON = {
    code: tlv(SEQUENCE, tlv(SEQUENCE, _REASON_CODE + tlv(OCTETS, tlv(ENUMERATED, bytes([code]))))) for code in REASONS
}
_CRITICAL = bytes.fromhex("0101ff")


def entry(serial: int, when: int, reason: int) -> bytes:
    """Return the entry of a revoked certificate in DER; `when` in seconds since 1970."""
    return tlv(SEQUENCE, integer(serial) + _time(when) + _REASON.get(reason, b""))


def build(issuer: Issuer, *, number: int, entries: bytes | bytearray, now: int, next_update: int, url: str) -> bytes:
    """Return the DER of a list of what an issuer revoked; times in seconds since 1970.

    `entries` are those of `entry`, one after the other. `number` grows with every list. `url` must be the one in the
    certificates: the critical issuing distribution point (section 5.2.5) tells that the list is for them.
    Raises IssuanceError where the issuer's key is not.
    """
    signer = issuer.signer
    key_id = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    extensions = b"".join(
        (
            _extension(x509.CRLNumber(number)),
            _extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)),
            _extension(
                x509.IssuingDistributionPoint(
                    full_name=[x509.UniformResourceIdentifier(url)],
                    relative_name=None,
                    only_contains_user_certs=False,
                    only_contains_ca_certs=False,
                    only_some_reasons=None,
                    indirect_crl=False,
                    only_contains_attribute_certs=False,
                ),
                critical=True,
            ),
        )
    )
    to_be_signed = tlv(
        SEQUENCE,
        _VERSION_2
        + signer.algorithm
        + issuer.certificate.subject.public_bytes()
        + time(now)
        + time(next_update)
        + (tlv(SEQUENCE, entries) if entries else b"")
        + tlv(0xA0, tlv(SEQUENCE, extensions)),
    )
    signature = signer.sign(to_be_signed)
    return tlv(SEQUENCE, to_be_signed + signer.algorithm + tlv(BITS, b"\0" + signature))


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> bytes:
    # Those of lists are all in the arc 2.5.29, as the RFC's are.
    oid = tlv(0x06, bytes((0x55, 0x1D, int(value.oid.dotted_string.removeprefix("2.5.29.")))))
    return tlv(SEQUENCE, oid + (_CRITICAL if critical else b"") + tlv(OCTETS, value.public_bytes()))


@lru_cache(maxsize=4096)
def _time(seconds: int) -> bytes:
    return time(seconds)
