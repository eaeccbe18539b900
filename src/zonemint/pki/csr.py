"""Certificate signing requests: what a client may ask for at finalize."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from zonemint.core.errors import CsrError
from zonemint.pki.keys import spki_sha256
from zonemint.pki.weak_keys import weakness

__all__ = ["Csr", "check", "check_pem", "of_key"]

_CURVES = {"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"}
_HASHES = frozenset({"sha256", "sha384", "sha512"})
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Csr:
    """All that is kept of an accepted request: its key, and the hex SHA-256 of the key's SubjectPublicKeyInfo.

    `kind` is what profiles call the key, of `bits`: p256, p384, p521, ed25519 or rsa.
    """

    public_key: CertificatePublicKeyTypes
    spki_sha256: str
    kind: str
    bits: int


def check(
    der: bytes,
    *,
    names: frozenset[str],
    ips: frozenset[str],
    may_have_none: bool = False,
    forbidden_keys: Mapping[str, str] = _NONE,
    known_keys: Container[CertificatePublicKeyTypes] = (),
    of: str = "order",
) -> Csr:
    """Accept a DER PKCS #10 request that asks for exactly an order's identifiers (RFC 2986, RFC 8555 section 7.4).

    `names` are normalized, wildcards with `*.`; `ips` are in canonical text. The names are those of the
    subjectAltName with the common names, in any order and case. `forbidden_keys` maps the `spki_sha256` of keys to
    why they are refused ("is the account's own key"); `known_keys` are those that are public; `of` is what says the
    names, and a request that `may_have_none` may be without any. No extension is taken over: the profile decides.

    Raises CsrError for anything else, for a bad signature, one made with MD5 or SHA-1, for keys other than RSA of 2048
    to 4096 bits with e = 65537, P-256, P-384, P-521 and Ed25519, and for those with a `weakness`.
    """
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        algorithm = request.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CsrError("the CSR is not a DER certification request with a key that we know") from error
    kind, bits = _check_key(key)
    if algorithm is not None and algorithm.name not in _HASHES:
        raise CsrError(f"the CSR is signed with {algorithm.name}: use SHA-256, SHA-384 or SHA-512")
    if not _is_signature_valid(request):
        raise CsrError("the CSR's signature does not fit its key")
    digest = spki_sha256(key)
    if digest in forbidden_keys:
        raise CsrError(f"the CSR's key {forbidden_keys[digest]}: make a new key")
    if why := "is public, as a list of such keys has it" if key in known_keys else weakness(key):
        raise CsrError(f"the CSR's key {why}: make a new key")
    _check_names(request, names, ips, of, may_have_none=may_have_none)
    return Csr(key, digest, kind, bits)


def check_pem(
    pem: bytes,
    *,
    names: Iterable[str],
    ips: Iterable[str],
    may_have_none: bool = False,
    known_keys: Container[CertificatePublicKeyTypes] = (),
    of: str,
) -> Csr:
    """Accept a request in PEM (RFC 7468 section 7) as `check` does one in DER; raises CsrError."""
    try:
        der = x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise CsrError("the CSR is not a certification request in PEM") from None
    return check(
        der,
        names=frozenset(names),
        ips=frozenset(ips),
        may_have_none=may_have_none,
        known_keys=known_keys,
        of=of,
    )


def of_key(key: CertificatePublicKeyTypes) -> Csr:
    """Describe a key that was accepted before; raises CsrError for a kind that is certified no more."""
    kind, bits = _check_key(key)
    return Csr(key, spki_sha256(key), kind, bits)


def _check_key(key: CertificatePublicKeyTypes) -> tuple[str, int]:
    """Return the kind and the length in bits of a key that may have a certificate; raises CsrError."""
    match key:
        case rsa.RSAPublicKey():
            if not 2048 <= key.key_size <= 4096:
                raise CsrError(f"the CSR's RSA key has {key.key_size} bits: use 2048 to 4096")
            if key.public_numbers().e != 65537:
                raise CsrError("the CSR's RSA key has another public exponent than 65537")
            return "rsa", key.key_size
        case ec.EllipticCurvePublicKey():
            if key.curve.name not in _CURVES:
                raise CsrError(f"the CSR's key is on the curve {key.curve.name}: use P-256, P-384 or P-521")
            return _CURVES[key.curve.name], key.key_size
        case ed25519.Ed25519PublicKey():
            return "ed25519", 256
        case _:
            raise CsrError("the CSR's key is of a kind that we do not certify: use RSA, ECDSA or Ed25519")


def _is_signature_valid(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _check_names(
    request: x509.CertificateSigningRequest, names: frozenset[str], ips: frozenset[str], of: str, *, may_have_none: bool
) -> None:
    asked_names, asked_ips = _alternative_names(request)
    for common in _common_names(request):
        if common not in ips:
            asked_names.add(common)
    asked, ordered = asked_names | asked_ips, names | ips
    if may_have_none and not asked:
        return
    if asked_names != names or asked_ips != ips:
        differences = [
            *(f"{ascii(name)[:80]} is not in the {of}" for name in sorted(asked - ordered)),
            *(f"{ascii(name)[:80]} is in the {of} and not in the CSR" for name in sorted(ordered - asked)),
        ]
        raise CsrError(f"the CSR's names are not the {of}'s: {', '.join(differences[:5]) or 'their types differ'}")


def _common_names(request: x509.CertificateSigningRequest) -> set[str]:
    try:
        attributes = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError as error:
        raise CsrError("the CSR's subject cannot be read") from error
    return {str(attribute.value).lower() for attribute in attributes}


def _alternative_names(request: x509.CertificateSigningRequest) -> tuple[set[str], set[str]]:
    try:
        extension = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set(), set()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm) as error:
        raise CsrError("the CSR's extensions cannot be read") from error
    names: set[str] = set()
    ips: set[str] = set()
    for name in extension.value:
        match name:
            case x509.DNSName():
                names.add(name.value.lower())
            case x509.IPAddress():
                ips.add(str(name.value))
            case _:
                raise CsrError("the CSR asks for a name that is neither a DNS name nor an IP address")
    return names, ips
