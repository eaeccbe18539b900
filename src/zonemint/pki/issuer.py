"""An issuer: an intermediate certificate, what holds its key, and the chains that lead from it to roots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.core.errors import IssuanceError
from zonemint.pki import constraints
from zonemint.pki.keys import Signer

__all__ = ["Chain", "Issuer", "key_id_of", "pem_of"]

Chain = tuple[x509.Certificate, ...]
"""The issuer's certificate, then each one's issuer, and a root at the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """One key that issues; `chains` has the preferred one first, `key` is None where the key is elsewhere.

    A certificate of its key that was made anew, for more domains or by another root, makes no other issuer.
    `key_id` is the key identifier (RFC 5280 section 4.2.1.2) in lower hex: what certificates in the store name. It is
    what the authority key identifier of an issued certificate has, and so the first half of a certificate identifier
    of renewal information (RFC 9773 section 4.1).
    """

    chains: tuple[Chain, ...]
    key: Signer | None
    key_id: str = field(init=False)

    def __post_init__(self) -> None:
        # Asked for at each order; to read the extensions takes longer than all else there.
        object.__setattr__(self, "key_id", key_id_of(self.certificate))

    @property
    def certificate(self) -> x509.Certificate:
        """Return the certificate at the head of the preferred chain."""
        return self.chains[0][0]

    @property
    def can_sign(self) -> bool:
        """Whether the key is here."""
        return self.key is not None

    @property
    def signer(self) -> Signer:
        """Return the key; raises IssuanceError where it is not."""
        if self.key is None:
            raise IssuanceError("the CA's key is not on this node")
        return self.key

    @property
    def domains(self) -> tuple[str, ...]:
        """Return the DNS subtrees that the issuer may issue for; none when it is not constrained."""
        return constraints.permitted_domains(self.certificate)

    @property
    def not_before(self) -> float:
        """Return the first second, since 1970, at which the issuer is valid."""
        return self.certificate.not_valid_before_utc.timestamp()

    @property
    def not_after(self) -> float:
        """Return the last second, since 1970, at which the issuer and all above it in its preferred chain are valid."""
        return min(one.not_valid_after_utc.timestamp() for one in self.chains[0])

    def chain_pem(self, which: int = 0) -> bytes:
        """Return what follows a leaf in a chain (RFC 8555 section 9.1): all but the root; raises IndexError."""
        return pem_of(self.chains[which][:-1])

    def crl_url(self, base: str, begins: int = 0, ends: int = 0) -> str:
        """Return where its revocation list is, below the URL of the plain listener: for all or for a window."""
        return f"{base}/crl/{self.key_id}" + (f"/{begins}-{ends}" if ends else "")

    def certificate_url(self, base: str) -> str:
        """Return where its certificate in DER is (RFC 5280 section 4.2.2.1: caIssuers)."""
        return f"{base}/intermediate/{self.key_id}"


def key_id_of(certificate: x509.Certificate) -> str:
    """Return a CA certificate's subject key identifier in lower hex; raises x509.ExtensionNotFound."""
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


def pem_of(certificates: Sequence[x509.Certificate]) -> bytes:
    """Write certificates as PEM, one after the other."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)
