"""The ways from a certificate up to roots, in whatever certificates there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from zonemint.pki.issuer import Chain

__all__ = ["find", "is_issued_by", "is_root"]

_LONGEST = 8  # certificates, the root among them
_MOST = 8
_NOT_ISSUED = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)


def find(
    certificate: x509.Certificate, between: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> list[Chain]:
    """Return the chains from a certificate to roots, those to the first root first and then the shorter first.

    At most 8, of at most 8 certificates each: cross-signed certificates could make more than anybody wants.
    """
    found = []
    for chain in _walk((certificate,), between, roots):
        found.append(chain)
        if len(found) == _MOST:
            break
    return sorted(found, key=lambda chain: (roots.index(chain[-1]), len(chain)))


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether a certificate's issuer has the name and the key of another certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except _NOT_ISSUED:
        return False
    return True


def is_root(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is self-signed."""
    return is_issued_by(certificate, certificate)


def _walk(chain: Chain, between: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> Iterator[Chain]:
    # Two CAs that certified each other must not send us in circles.
    names = {one.subject for one in chain}
    for root in roots:
        if root.subject not in names and is_issued_by(chain[-1], root):
            yield (*chain, root)
    if len(chain) == _LONGEST - 1:
        return
    for one in between:
        if one.subject not in names and is_issued_by(chain[-1], one):
            yield from _walk((*chain, one), between, roots)
