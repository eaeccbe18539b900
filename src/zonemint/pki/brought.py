"""What the user brings: a root with its key or without, and an intermediate that was signed elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from zonemint.core.errors import KeyFileError
from zonemint.core.files import put, sync
from zonemint.pki import ca_certificate, chains, constraints, folder
from zonemint.pki.issuer import key_id_of, pem_of
from zonemint.pki.key_source import KeySource
from zonemint.pki.keys import PrivateKey, kind_of, spki_sha256

__all__ = ["check_chain", "install_intermediate", "read_root", "read_root_key"]

_MIN_RSA_BITS, _MIN_EC_BITS = 2048, 256
_SERVERS = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


def read_root(path: Path, *, domains: Sequence[str], now: float) -> x509.Certificate:
    """Read a root that intermediates for some domains can stand under; raises KeyFileError, one sentence."""
    root, *more = ca_certificate.read(path)
    if more:
        raise KeyFileError(f"one certificate, the root's, belongs here, and there are {1 + len(more)}", file=path)
    if not chains.is_root(root):
        raise KeyFileError(
            "this certificate is not self-signed, so it is no root: bring the root, and make the intermediate known "
            "with `zonemint ca install-intermediate`",
            file=path,
        )
    _check(root, path, below=1, domains=domains, now=now)
    return root


def read_root_key(path: Path, root: x509.Certificate, source: KeySource) -> PrivateKey:
    """Read the key of a root; raises KeyFileError, one sentence."""
    key = source.read(path)
    if spki_sha256(key.public_key()) != spki_sha256(root.public_key()):
        raise KeyFileError("this key is not that of the root's certificate", file=path)
    return key


def check_chain(
    chain: Sequence[x509.Certificate], path: Path, *, root: x509.Certificate, domains: Sequence[str], now: float
) -> None:
    """Raise KeyFileError unless certificates lead from an intermediate to the root, and may be used for the domains."""
    if any(not chains.is_issued_by(*pair) for pair in pairwise([*chain, root])):
        raise KeyFileError(
            "these certificates do not lead to the root of this folder: the file has the intermediate first, and after "
            "each certificate the one that issued it",
            file=path,
        )
    for below, one in enumerate([*chain, root]):
        _check(one, path, below=below, domains=domains, now=now)


def install_intermediate(
    pki: Path, path: Path, *, domains: Sequence[str], source: KeySource, now: float
) -> x509.Certificate:
    """Put an intermediate in place that was signed elsewhere for our key, with what is between it and the root.

    Raises KeyFileError, and changes nothing, when it is not for this folder's key, root and domains.
    """
    (root,) = ca_certificate.read(pki / "root.crt")
    chain = [one for one in ca_certificate.read(path) if one != root]
    if not chain:
        raise KeyFileError("this is the root itself: bring the intermediate that it signed", file=path)
    waiting = pki / "issuers" / f"{key_id_of(chain[0])}.key"
    is_new = waiting.with_suffix(".csr").exists()
    key = source.read(waiting) if is_new else source.in_token() or source.read(pki / "intermediate.key")
    if spki_sha256(key.public_key()) != spki_sha256(chain[0].public_key()):
        raise KeyFileError("this certificate is not for the key of this folder's intermediate", file=path)
    check_chain(chain, path, root=root, domains=domains, now=now)
    if (pki / "intermediate.crt").exists():
        folder.install(pki, [*chain, root], waiting.read_bytes() if is_new else None)
        waiting.with_suffix(".csr").unlink(missing_ok=True)
    else:
        try:
            put(pki / "intermediate.crt", pem_of(chain))
            sync(pki)
        except OSError as error:
            raise KeyFileError(f"the certificate cannot be written: {error.strerror}", file=pki) from None
    (pki / "intermediate.csr").unlink(missing_ok=True)
    return chain[0]


def _check(certificate: x509.Certificate, path: Path, *, below: int, domains: Sequence[str], now: float) -> None:
    """Hold a CA certificate against what is below it: so many other CAs, and names in the domains."""
    name = certificate.subject.rfc4514_string()
    ca_certificate.check_validity(certificate, path, now)
    length = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    usages = ca_certificate.extension(certificate, x509.ExtendedKeyUsage)
    usage = ca_certificate.extension(certificate, x509.KeyUsage)
    if length is not None and length < below:
        raise KeyFileError(f"'{name}' has the path length {length}: {below} CA below it are not permitted", file=path)
    if refused := constraints.refused(certificate, domains):
        raise KeyFileError(f"the name constraints of '{name}' do not permit {', '.join(refused)}", file=path)
    if usages is not None and not _SERVERS & set(usages):
        raise KeyFileError(f"the extended key usages of '{name}' do not permit servers (serverAuth)", file=path)
    if not below and not (usage is not None and usage.crl_sign):
        raise KeyFileError(f"'{name}' may not sign revocation lists: its key usage needs cRLSign", file=path)
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        raise KeyFileError(f"the key of '{name}' is weak ({kind_of(key)}): RSA needs {_MIN_RSA_BITS} bits", file=path)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _MIN_EC_BITS:
        raise KeyFileError(f"the key of '{name}' is weak ({kind_of(key)}): ECDSA needs {_MIN_EC_BITS} bits", file=path)
