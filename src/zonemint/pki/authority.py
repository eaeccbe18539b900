"""The authority: a root, the intermediate that issues, and the folder that holds them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.core.clock import rfc3339
from zonemint.core.errors import ConfigError, IssuanceError, KeyFileError
from zonemint.core.files import put, sync
from zonemint.pki import constraints
from zonemint.pki.hierarchy import make_intermediate, make_root
from zonemint.pki.keys import FileSigner, Signer, generate, load_key, spki_sha256, write_key

__all__ = ["Authority", "create", "is_there", "load", "place"]

_ROOT, _INTERMEDIATE = " Root CA", " Intermediate CA"
_MAX_NAME = 64 - len(_INTERMEDIATE)  # a common name has 64 characters at most
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_NOT_ISSUED = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)
_FILES = ("root.crt", "root.key", "intermediate.crt", "intermediate.key")


@dataclass(frozen=True, slots=True)
class Authority:
    """A root certificate, the intermediate under it, and what holds the intermediate's key: None if it is elsewhere."""

    root: x509.Certificate
    intermediate: x509.Certificate
    key: Signer | None

    @property
    def can_sign(self) -> bool:
        """Whether the intermediate's key is here."""
        return self.key is not None

    @property
    def signer(self) -> Signer:
        """The intermediate's key; raises IssuanceError where it is not."""
        if self.key is None:
            raise IssuanceError("the CA's key is not on this node")
        return self.key

    @property
    def chain_pem(self) -> bytes:
        """Return what follows a leaf in its chain (RFC 8555 section 9.1): the intermediate, not the root."""
        return self.intermediate.public_bytes(Encoding.PEM)

    @property
    def roots_pem(self) -> bytes:
        """Return what clients have to trust."""
        return self.root.public_bytes(Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """Return the lower-case hex SHA-256 of the root's DER."""
        return self.root.fingerprint(SHA256()).hex()

    @property
    def domains(self) -> tuple[str, ...]:
        """Return the DNS subtrees that the intermediate may issue for; none when it is not constrained."""
        return constraints.permitted_domains(self.intermediate)

    @property
    def not_before(self) -> float:
        """Return the first second, since 1970, at which the intermediate is valid."""
        return self.intermediate.not_valid_before_utc.timestamp()

    @property
    def not_after(self) -> float:
        """Return the last second, since 1970, at which the intermediate is valid."""
        return self.intermediate.not_valid_after_utc.timestamp()


def create(directory: Path, *, name: str, domains: Sequence[str], now: float) -> Authority:
    """Make a root and an intermediate held to `domains` (P-256; 10 and 5 years), and keep them in a new folder, 0700.

    The folder appears complete or not at all. Raises ConfigError for a name that is too long, KeyFileError when the
    folder has files in it or cannot be written.
    """
    if not 0 < len(name) <= _MAX_NAME:
        raise ConfigError(f"the name of the CA must have 1 to {_MAX_NAME} characters")
    root_key, intermediate_key = generate(), generate()
    root = make_root(FileSigner(root_key), common_name=f"{name}{_ROOT}", now=now)
    intermediate = make_intermediate(
        root,
        FileSigner(root_key),
        common_name=f"{name}{_INTERMEDIATE}",
        public_key=intermediate_key.public_key(),
        domains=domains,
        now=now,
    )
    authority = Authority(root, intermediate, FileSigner(intermediate_key))
    directory = directory.resolve()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            write_key(draft / "root.key", root_key)
            write_key(draft / "intermediate.key", intermediate_key)
            _write(draft / "root.crt", authority.roots_pem)
            _write(draft / "intermediate.crt", authority.chain_pem)
            sync(draft)
            # Replaces an empty folder, and fails on one that has anything in it.
            draft.rename(directory)
            sync(directory.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise KeyFileError(_why_not_created(directory, error), file=directory) from None
    return authority


def is_there(directory: Path) -> bool:
    """Tell whether a folder has a root or a key, and not nothing or what `place` began; raises KeyFileError."""
    return _present(directory) not in ([], ["intermediate.crt"])


def place(directory: Path, *, root: str, intermediate: str) -> None:
    """Keep the certificates of an authority, in PEM, in a folder that has none; its keys are elsewhere.

    Raises KeyFileError when the folder cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The root comes last: where it is, the rest is too.
        put(directory / "intermediate.crt", intermediate.encode())
        put(directory / "root.crt", root.encode())
    except OSError as error:
        raise KeyFileError(f"the folder cannot be made: {error.strerror}", file=directory) from None


def load(directory: Path, *, now: float, needs_key: bool = True) -> Authority:
    """Read the folder that `create` made; the root's key may be kept elsewhere, and so may the intermediate's.

    Raises KeyFileError, one sentence with the file, when a file is missing or broken, a key does not fit its
    certificate, the intermediate is not the root's, or a certificate is no CA's or not valid at `now`.
    """
    present = _present(directory)
    if not present:
        raise KeyFileError("there is no CA in this folder: make one with `zonemint init`", file=directory)
    root = _load_ca(directory / "root.crt", now)
    intermediate = _load_ca(directory / "intermediate.crt", now)
    try:
        root.verify_directly_issued_by(root)
    except _NOT_ISSUED:
        raise KeyFileError(
            "this certificate is not self-signed, so it is no root", file=directory / "root.crt"
        ) from None
    try:
        intermediate.verify_directly_issued_by(root)
    except _NOT_ISSUED:
        raise KeyFileError(
            "this certificate was not issued by the root beside it: restore the pair from one backup",
            file=directory / "intermediate.crt",
        ) from None
    signer = None
    if needs_key or "intermediate.key" in present:
        signer = FileSigner(load_key(directory / "intermediate.key"))
        _check_pair(directory / "intermediate.key", signer.public_key, intermediate)
    if "root.key" in present:
        _check_pair(directory / "root.key", load_key(directory / "root.key").public_key(), root)
    return Authority(root, intermediate, signer)


def _load_ca(path: Path, now: float) -> x509.Certificate:
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
        if len(certificates) != 1:
            raise KeyFileError(f"one certificate belongs here, and there are {len(certificates)}", file=path)
        certificate = certificates[0]
        certificate.public_key()
        extensions = certificate.extensions
        is_ca = (
            extensions.get_extension_for_class(x509.BasicConstraints).value.ca
            and extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
            and extensions.get_extension_for_class(x509.SubjectKeyIdentifier) is not None
        )
    except FileNotFoundError:
        raise KeyFileError("the certificate is missing: restore the file from a backup", file=path) from None
    except OSError as error:
        raise KeyFileError(f"the certificate cannot be read: {error.strerror}", file=path) from None
    except _UNREADABLE:
        raise KeyFileError(
            "this is not a certificate in PEM that we know: restore the file from a backup", file=path
        ) from None
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        raise KeyFileError("this certificate is not a CA's: it may not sign others", file=path)
    not_before = certificate.not_valid_before_utc.timestamp()
    not_after = certificate.not_valid_after_utc.timestamp()
    if now < not_before:
        raise KeyFileError(
            f"this certificate is not valid before {rfc3339(not_before)}: is the clock right?", file=path
        )
    if now > not_after:
        raise KeyFileError(f"this certificate expired at {rfc3339(not_after)}", file=path)
    return certificate


def _check_pair(path: Path, key: CertificatePublicKeyTypes, certificate: x509.Certificate) -> None:
    if spki_sha256(key) != spki_sha256(certificate.public_key()):
        raise KeyFileError(f"this key is not that of {path.with_suffix('.crt').name} beside it", file=path)


def _present(directory: Path) -> list[str]:
    """Return which of our files a folder has; none when there is no folder."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise KeyFileError(f"the folder cannot be read: {error.strerror}", file=directory) from None
    return [file for file in _FILES if file in names]


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _why_not_created(directory: Path, error: OSError) -> str:
    present = _present(directory)
    if len(present) == len(_FILES):
        return "a CA is there already and is not replaced: move the folder away to make a new one"
    if present:
        missing = [file for file in _FILES if file not in present]
        return f"half a CA is there ({', '.join(missing)} missing): restore it from a backup, or move the folder away"
    return f"the folder cannot be made: {error.strerror}"
