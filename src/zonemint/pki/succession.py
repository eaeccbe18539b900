"""The intermediate made anew by its root, for the key that it has: for more domains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography.x509.oid import NameOID

from zonemint.core.names import is_within
from zonemint.pki import authority as authority_
from zonemint.pki import brought, folder
from zonemint.pki.authority import Authority
from zonemint.pki.hierarchy import make_intermediate
from zonemint.pki.key_source import KeySource
from zonemint.pki.keys import FileSigner

__all__ = ["renew_for"]


def renew_for(pki: Path, found: Authority, domains: Sequence[str], source: KeySource, *, now: float) -> Authority:
    """Have the root, whose key is here, certify the intermediate's key for its domains and for more.

    What was issued goes on with the new certificate in its chain, as name and key are the same. Raises KeyFileError.
    """
    key = brought.read_root_key(pki / "root.key", found.root, source)
    old = found.intermediate
    kept = [one for one in found.current.domains if one != "localhost"]
    held = [one for one in kept if not any(one != other and is_within(one, other) for other in domains)]
    name = old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    new = make_intermediate(
        found.root,
        FileSigner(key),
        common_name=name if isinstance(name, str) else name.decode(),
        public_key=old.public_key(),
        domains=list(dict.fromkeys([*held, *domains])),
        now=now,
    )
    brought.check_chain([new], pki / "root.crt", root=found.root, domains=domains, now=now)
    folder.install(pki, (new, found.root), None)
    return authority_.load(pki, now=now, needs_key=False, source=source)
