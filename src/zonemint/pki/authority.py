"""The authority: the roots that clients trust, the issuers under them, and the folder that holds them.

`root.crt` and `intermediate.crt` are what is in use, each with its `.key` where that is here; `intermediate.crt` goes
on with the certificates between, where the root did not sign it. `issuers/` has the issuers of before, by their key
identifier, until all that they signed has ended; `roots/` has other roots that clients should trust, and certificates
by which one CA vouches for the key of another.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.core.errors import ConfigError, EncryptedKey, KeyFileError
from zonemint.core.files import put, sync
from zonemint.pki import ca_certificate, chains
from zonemint.pki.hierarchy import make_intermediate, make_request, make_root
from zonemint.pki.issuer import Issuer, key_id_of, pem_of
from zonemint.pki.key_source import FILES, KeySource
from zonemint.pki.keys import FileSigner, PrivateKey, Signer, generate_any, load_key, spki_sha256, write_key

__all__ = ["Authority", "Plan", "adopt", "begin", "create", "is_there", "load", "place"]

_ROOT, _INTERMEDIATE = " Root CA", " Intermediate CA"
_MAX_NAME = 64 - len(_INTERMEDIATE)  # a common name has 64 characters at most
_FILES = ("root.crt", "root.key", "intermediate.crt", "intermediate.key")


@dataclass(frozen=True, slots=True, eq=False)
class Authority:
    """Issuers, of which the first one signs, and roots, of which the first one ends its preferred chain."""

    issuers: tuple[Issuer, ...]
    roots: tuple[x509.Certificate, ...]

    @property
    def current(self) -> Issuer:
        """Return the issuer that signs."""
        return self.issuers[0]

    def issuer(self, key_id: str) -> Issuer | None:
        """Find the issuer that a certificate names by its key identifier, in lower hex; an empty one is the current."""
        if not key_id:
            return self.current
        return next((one for one in self.issuers if one.key_id == key_id), None)

    def knows(self, fingerprint: str) -> bool:
        """Tell whether a root, by the lower-case hex SHA-256 of its DER, is or was one of this authority."""
        certificates = {*self.roots, *(one for issuer in self.issuers for chain in issuer.chains for one in chain)}
        return any(one.fingerprint(SHA256()).hex() == fingerprint for one in certificates)

    def with_key(self, key: Signer | None) -> Authority:
        """Return the same authority with what holds the key of the issuer that signs."""
        return replace(self, issuers=(replace(self.current, key=key), *self.issuers[1:]))

    @property
    def certificates(self) -> tuple[tuple[str, x509.Certificate], ...]:
        """Return every certificate of this authority, each once and after what it is: what is in use comes first."""
        found = {self.root: "root", self.intermediate: "intermediate"}
        for issuer in self.issuers:
            found.setdefault(issuer.certificate, "earlier intermediate")
        for root in self.roots:
            found.setdefault(root, "other root")
        for one in (one for issuer in self.issuers for chain in issuer.chains for one in chain):
            found.setdefault(one, "between")
        return tuple((what, one) for one, what in found.items())

    @property
    def root(self) -> x509.Certificate:
        """Return the preferred root."""
        return self.roots[0]

    @property
    def intermediate(self) -> x509.Certificate:
        """Return the certificate of the issuer that signs."""
        return self.current.certificate

    @property
    def can_sign(self) -> bool:
        """Whether the key of the issuer that signs is here."""
        return self.current.can_sign

    @property
    def fingerprint(self) -> str:
        """Return the lower-case hex SHA-256 of the preferred root's DER."""
        return self.root.fingerprint(SHA256()).hex()

    @property
    def fingerprints(self) -> frozenset[str]:
        """Return the lower-case hex SHA-256 of every root's DER."""
        return frozenset(one.fingerprint(SHA256()).hex() for one in self.roots)

    @property
    def roots_pem(self) -> bytes:
        """Return what clients have to trust."""
        return pem_of(self.roots)

    @property
    def intermediates_pem(self) -> bytes:
        """Return all that lies between a certificate and a root, those of the issuer that signs first."""
        return pem_of(tuple(dict.fromkeys(one for each in self.issuers for chain in each.chains for one in chain[:-1])))


@dataclass(frozen=True, slots=True)
class Plan:
    """How an authority is made: the kind of its keys, the password that encrypts them, and what is brought along.

    `root` and `root_key` are those that were brought; the key is used and, unless `keeps_root_key`, not kept.
    `key` is the intermediate's if a token has it. `constrains_root`: a root of ours is held to the domains, too.
    """

    kind: str = "p256"
    password: bytes | None = None
    root: x509.Certificate | None = None
    root_key: PrivateKey | None = None
    keeps_root_key: bool = True
    key: PrivateKey | None = None
    constrains_root: bool = False


_PLAN = Plan()


def create(directory: Path, *, name: str, domains: Sequence[str], now: float, plan: Plan = _PLAN) -> Authority:
    """Make a root and an intermediate held to `domains` (10 and 5 years), and keep them in a new folder, 0700.

    The folder appears complete or not at all. Raises ConfigError for a name that is too long, KeyFileError when the
    folder has files in it or cannot be written.
    """
    _check_name(name)
    key = plan.key or generate_any(plan.kind)
    root, root_key = plan.root, plan.root_key or generate_any(plan.kind)
    if root is None:
        held = domains if plan.constrains_root else ()
        root = make_root(FileSigner(root_key), common_name=f"{name}{_ROOT}", now=now, domains=held)
    intermediate = make_intermediate(
        root,
        FileSigner(root_key),
        common_name=f"{name}{_INTERMEDIATE}",
        public_key=key.public_key(),
        domains=domains,
        now=now,
    )
    keys = {} if plan.key else {"intermediate.key": key}
    if plan.keeps_root_key:
        keys["root.key"] = root_key
    files = {"root.crt": pem_of((root,)), "intermediate.crt": pem_of((intermediate,))}
    _fill(directory, keys, plan.password, files)
    return Authority((Issuer(((intermediate, root),), FileSigner(key)),), (root,))


def begin(directory: Path, *, name: str, domains: Sequence[str], plan: Plan) -> None:
    """Make what comes before the signature of a root whose key is elsewhere: the intermediate's key and request.

    Raises as `create` does.
    """
    _check_name(name)
    assert plan.root is not None
    key = plan.key or generate_any(plan.kind)
    request = make_request(FileSigner(key), common_name=f"{name}{_INTERMEDIATE}", domains=domains)
    keys = {} if plan.key else {"intermediate.key": key}
    files = {"root.crt": pem_of((plan.root,)), "intermediate.csr": request.public_bytes(Encoding.PEM)}
    _fill(directory, keys, plan.password, files)


def adopt(
    directory: Path,
    chain: Sequence[x509.Certificate],
    *,
    key: PrivateKey,
    root_key: PrivateKey | None,
    password: bytes | None,
) -> None:
    """Keep an authority that was made elsewhere: the intermediate with all up to its root, which the caller checked.

    Raises as `create` does.
    """
    keys = {"intermediate.key": key} if root_key is None else {"intermediate.key": key, "root.key": root_key}
    _fill(directory, keys, password, {"root.crt": pem_of(chain[-1:]), "intermediate.crt": pem_of(chain[:-1])})


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _MAX_NAME:
        raise ConfigError(f"the name of the CA must have 1 to {_MAX_NAME} characters")


def _fill(directory: Path, keys: Mapping[str, PrivateKey], password: bytes | None, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files, all at once."""
    directory = directory.resolve()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            for file, key in keys.items():
                write_key(draft / file, key, password)
            for file, content in files.items():
                _write(draft / file, content)
            sync(draft)
            # Replaces an empty folder, and fails on one that has anything in it.
            draft.rename(directory)
            sync(directory.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise KeyFileError(_why_not_created(directory, error), file=directory) from None


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


def load(directory: Path, *, now: float, needs_key: bool = True, source: KeySource = FILES) -> Authority:
    """Read the folder of an authority; the root's key may be kept elsewhere, and so may the intermediate's.

    Raises KeyFileError, one sentence with the file, when a file is missing or broken, a key does not fit its
    certificate, the intermediate leads to no root, or a certificate is no CA's or what is in use is not valid at `now`.
    """
    present = _present(directory)
    if not present:
        raise KeyFileError("there is no CA in this folder: make one with `zonemint init`", file=directory)
    if "intermediate.crt" not in present and (directory / "intermediate.csr").exists():
        raise KeyFileError(
            "the intermediate is not signed yet: have this request signed by the root, then give the certificate to "
            "`zonemint ca install-intermediate`",
            file=directory / "intermediate.csr",
        )
    root, *more = ca_certificate.read(directory / "root.crt")
    if more:
        raise KeyFileError(f"one certificate belongs here, and there are {1 + len(more)}", file=directory / "root.crt")
    ca_certificate.check_validity(root, directory / "root.crt", now)
    intermediate, *above = ca_certificate.read(directory / "intermediate.crt")
    ca_certificate.check_validity(intermediate, directory / "intermediate.crt", now)
    if not chains.is_root(root):
        raise KeyFileError("this certificate is not self-signed, so it is no root", file=directory / "root.crt")
    if any(not chains.is_issued_by(*pair) for pair in pairwise((intermediate, *above))):
        raise KeyFileError(
            "these certificates are not a chain: after each one comes the one that issued it",
            file=directory / "intermediate.crt",
        )
    others = [one for file in _certificates_in(directory / "roots") for one in ca_certificate.read(file)]
    roots = tuple(dict.fromkeys((root, *(one for one in others if chains.is_root(one) and _is_live(one, now)))))
    between = [one for one in dict.fromkeys((*above, *others)) if not chains.is_root(one)]
    if not (found := _chains(intermediate, between, roots)):
        raise KeyFileError(
            "this certificate was not issued by the root beside it: restore the pair from one backup",
            file=directory / "intermediate.crt",
        )
    current = Issuer(found, _current_key(directory, intermediate, source, needs_key=needs_key))
    if "root.key" in present:
        _check_root_key(directory / "root.key", root)
    return Authority((current, *_earlier(directory, current, between, roots, source)), roots)


def _check_root_key(path: Path, root: x509.Certificate) -> None:
    """Hold the root's key against its certificate; one that is encrypted stays so, since a server never needs it."""
    try:
        key = load_key(path)
    except EncryptedKey:
        return
    _check_pair(path, key.public_key(), root)


def _current_key(
    directory: Path, intermediate: x509.Certificate, source: KeySource, *, needs_key: bool
) -> Signer | None:
    """Return the key of the issuer in use: beside it, or where one that takes over waits (`folder.install`)."""
    if (held := source.in_token()) is not None:
        if spki_sha256(held.public_key()) != spki_sha256(intermediate.public_key()):
            raise KeyFileError(
                "the key that ca.key names is not that of this certificate", file=directory / "intermediate.crt"
            )
        return FileSigner(held)
    waiting = directory / "issuers" / f"{key_id_of(intermediate)}.key"
    for file in (directory / "intermediate.key", waiting):
        if file.exists():
            key = source.read(file)
            if spki_sha256(key.public_key()) == spki_sha256(intermediate.public_key()):
                return FileSigner(key)
    if (directory / "intermediate.key").exists():
        # An issuer that came from another node has its key there; the file here is that of the one before.
        before = directory / "issuers"
        if not needs_key and any(before.glob("*.crt")):
            return None
        raise _not_its_key(directory / "intermediate.key")
    if needs_key:
        source.read(directory / "intermediate.key")
    return None


def _earlier(
    directory: Path,
    current: Issuer,
    between: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    source: KeySource,
) -> list[Issuer]:
    """Return the issuers of before, the newest first; what they signed may last, though they sign no more."""
    found = []
    for file in _certificates_in(directory / "issuers"):
        certificate, *above = ca_certificate.read(file)
        # A root that has gone, or one that was never here, still leaves the chain that came with the issuer.
        ways = _chains(certificate, [*above, *between], roots) or ((certificate, *above, current.chains[0][-1]),)
        key = None
        if (key_file := file.with_suffix(".key")).exists():
            private = source.read(key_file)
            _check_pair(key_file, private.public_key(), certificate)
            key = FileSigner(private)
        if (issuer := Issuer(ways, key)).key_id != current.key_id:
            found.append(issuer)
    return sorted(found, key=lambda one: -one.not_before)


def _chains(
    certificate: x509.Certificate, between: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> tuple[tuple[x509.Certificate, ...], ...]:
    """Return all chains of an issuer: from its certificate, and from those that other CAs made for its key."""
    spki = spki_sha256(certificate.public_key())
    same = [
        one
        for one in between
        if one.subject == certificate.subject and one != certificate and spki_sha256(one.public_key()) == spki
    ]
    return tuple(chain for head in (certificate, *same) for chain in chains.find(head, between, roots))


def _is_live(certificate: x509.Certificate, now: float) -> bool:
    return now <= certificate.not_valid_after_utc.timestamp()


def _certificates_in(directory: Path) -> list[Path]:
    try:
        return sorted(file for file in directory.iterdir() if file.suffix == ".crt" and file.name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise KeyFileError(f"the folder cannot be read: {error.strerror}", file=directory) from None


def _check_pair(path: Path, key: CertificatePublicKeyTypes, certificate: x509.Certificate) -> None:
    if spki_sha256(key) != spki_sha256(certificate.public_key()):
        raise _not_its_key(path)


def _not_its_key(path: Path) -> KeyFileError:
    return KeyFileError(f"this key is not that of {path.with_suffix('.crt').name} beside it", file=path)


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
