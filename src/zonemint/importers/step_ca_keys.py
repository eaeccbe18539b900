"""The certificates and keys of step-ca, read and held against each other before anything of them is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography import x509

from zonemint.core.errors import ForeignDataError, KeyFileError
from zonemint.importers.findings import Refused
from zonemint.importers.step_ca import StepCa
from zonemint.pki import ca_certificate, chains
from zonemint.pki.brought import check_chain
from zonemint.pki.keys import PrivateKey, read_key, spki_sha256

__all__ = ["Hierarchy", "hierarchy"]

_LARGEST = 1 << 16  # octets of a key's file


class Hierarchy(NamedTuple):
    """`chain` leads from the intermediate to its root, that one included; `roots` are others that clients trust."""

    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]
    key: PrivateKey
    root_key: PrivateKey | None
    refused: tuple[Refused, ...]


def hierarchy(found: StepCa, password: Callable[[], bytes | None], *, domains: Sequence[str], now: float) -> Hierarchy:
    """Read everything; raises KeyFileError and ForeignDataError, one sentence with the file, OSError."""
    roots = tuple(dict.fromkeys(one for file in found.roots for one in ca_certificate.read(file)))
    if stranger := next((one for one in roots if not chains.is_root(one)), None):
        raise ForeignDataError(
            f"{found.file}: root: '{stranger.subject.rfc4514_string()}' is not self-signed: name the root itself"
        )
    chain = tuple(one for one in ca_certificate.read(found.intermediate) if one not in roots)
    if not chain:
        raise ForeignDataError(
            f"{found.file}: crt is the root itself, and a root signs nothing but intermediates here: `zonemint init "
            "--domain DOMAIN --root CERT --root-key KEY` makes an intermediate under it"
        )
    root = next((one for one in roots if chains.is_issued_by(chain[-1], one)), None)
    if root is None:
        raise KeyFileError("this certificate does not lead to a root that ca.json names", file=found.intermediate)
    check_chain(chain, found.intermediate, root=root, domains=domains, now=now)

    def secret() -> bytes | None:
        return password() or found.password.encode() or None

    with found.key.open("rb") as opened:
        key = read_key(opened.read(_LARGEST), found.key, secret)
    if spki_sha256(key.public_key()) != spki_sha256(chain[0].public_key()):
        raise KeyFileError("this key is not that of the certificate that crt names", file=found.key)
    root_key, refused = _root_key(found, secret, root)
    return Hierarchy((*chain, root), tuple(one for one in roots if one != root), key, root_key, refused)


def _root_key(
    found: StepCa, password: Callable[[], bytes | None], root: x509.Certificate
) -> tuple[PrivateKey | None, tuple[Refused, ...]]:
    """Return the root's key if it is here and can be opened; a server never needs it."""
    if not found.root_key.exists():
        return None, ()
    try:
        with found.root_key.open("rb") as opened:
            key = read_key(opened.read(_LARGEST), found.root_key, password)
    except KeyFileError as error:
        return None, (
            Refused("the root's key", f"{error}; it may stay where it is until there is to be a new intermediate"),
        )
    if spki_sha256(key.public_key()) != spki_sha256(root.public_key()):
        return None, (Refused("the root's key", f"{found.root_key}: this key is not that of the root"),)
    return key, ()
