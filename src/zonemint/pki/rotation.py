"""The successors of an intermediate and of a root: made, and put in place in steps that each leave a working authority.

While one root takes another's place both are trusted. The old one stays the preferred root: the default chain of the
new intermediate leads to it through a certificate by which it vouches for the new root, and the chain to the new root
is the alternate. The new root vouches for the old one, too, so what the old intermediate signed leads to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from zonemint.core.errors import KeyFileError
from zonemint.core.files import put
from zonemint.pki import brought, ca_certificate, chains, folder
from zonemint.pki.authority import Authority
from zonemint.pki.hierarchy import BACKDATE, cross_sign, make_intermediate, make_request, succeed
from zonemint.pki.issuer import Issuer, key_id_of
from zonemint.pki.key_source import KeySource
from zonemint.pki.keys import FileSigner, PrivateKey, generate_any, kind_of, pem_of_key, spki_sha256

__all__ = [
    "Change",
    "Prepared",
    "Turn",
    "change",
    "drop",
    "is_under",
    "place",
    "prepare",
    "prepare_root",
    "replaced",
    "request",
]

_LONGEST_NAME = 64  # RFC 5280 appendix A: ub-common-name


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be made: for the domains, with the authority's name, keys of a kind or of the same kind as before."""

    name: str
    domains: Sequence[str]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Two roots, of which `new` takes the place of `old`; `done` when clients are not to trust the old one any more.

    `by_old` is the certificate by which the old root vouches for the new one.
    """

    old: x509.Certificate
    new: x509.Certificate
    by_old: x509.Certificate
    done: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A new issuer that is not in place yet: its chain, its key as in a file, and what its root brings along."""

    chain: tuple[x509.Certificate, ...]
    key: bytes
    root: tuple[x509.Certificate, bytes] | None = None
    crossed: tuple[x509.Certificate, ...] = ()

    @property
    def key_id(self) -> str:
        """Return the key identifier of the issuer."""
        return key_id_of(self.chain[0])


def change(pki: Path, found: Authority) -> Change | None:
    """Tell which of an authority's roots takes the place of another, if one does; raises KeyFileError."""
    crossed = [one for one in _vouching(pki) if not chains.is_root(one)]
    for one in found.roots[1:]:
        for old, new in ((found.root, one), (one, found.root)):
            by_old = next((each for each in crossed if _vouches(each, old, new)), None)
            if by_old is not None and old.not_valid_before_utc < new.not_valid_before_utc:
                return Change(old, new, by_old, done=new == found.root)
    return None


def is_under(issuer: Issuer, root: x509.Certificate, other: x509.Certificate) -> bool:
    """Tell whether a root leads to an issuer by itself, and not by vouching for another root."""
    return any(chain[-1] == root and not any(_is_same(one, other) for one in chain) for chain in issuer.chains)


def prepare(pki: Path, found: Authority, source: KeySource, turn: Turn, *, now: float) -> Prepared:
    """Make the next intermediate, by the root that will be trusted longest; raises KeyFileError without its key."""
    under = change(pki, found)
    root = under.new if under else found.root
    signer = _root_signer(pki, root, source, "or have a new key signed where it is, with `rotate-intermediate --csr`")
    above = (under.by_old, under.old) if under and not under.done else (root,)
    return _intermediate(pki, found, source, turn, root, signer, above, now=now)


def prepare_root(pki: Path, found: Authority, source: KeySource, turn: Turn, *, now: float) -> Prepared:
    """Make the next root and an intermediate under it; raises KeyFileError without the key of the one in use.

    A change that was begun and has no intermediate yet goes on with its root.
    """
    if (begun := change(pki, found)) is not None:
        if begun.done or is_under(found.current, begun.new, begun.old):
            raise KeyFileError(
                "the root is being changed already: `zonemint ca rotate-root --finish` ends it", file=pki
            )
        return prepare(pki, found, source, turn, now=now)
    old = found.root
    old_signer = _root_signer(pki, old, source, "since it vouches for the new root")
    key = generate_any(turn.kind or kind_of(old.public_key()))
    taken = [old, *found.roots, *(one for each in found.issuers for one in each.chains[0])]
    # The one that begins later is the new one, even if both are made in one hour.
    begins = max(now, old.not_valid_before_utc.timestamp() + BACKDATE + 1)
    new = succeed(old, FileSigner(key), common_name=_next_name(turn.name, "Root CA", taken), now=begins)
    by_old = cross_sign(new, old, old_signer, now=begins)
    crossed = (by_old, cross_sign(old, new, FileSigner(key), now=begins))
    made = _intermediate(pki, found, source, turn, new, FileSigner(key), (by_old, old), now=begins)
    return Prepared(made.chain, made.key, (new, pem_of_key(key, source.password())), crossed)


def request(pki: Path, found: Authority, source: KeySource, turn: Turn) -> bytes:
    """Make the key of the next intermediate and a request in PEM, to be signed by a root whose key is elsewhere.

    It waits in `issuers/` for `brought.install_intermediate`; asked again, the request is the same.
    Raises KeyFileError.
    """
    folder_ = pki / "issuers"
    if waiting := sorted(folder_.glob("*.csr")):
        return waiting[0].read_bytes()
    key = _new_key(found, source, turn)
    name = _next_name(turn.name, "Intermediate CA", [one.certificate for one in found.issuers])
    made = make_request(FileSigner(key), common_name=name, domains=turn.domains)
    pem = made.public_bytes(Encoding.PEM)
    stem = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()
    try:
        folder_.mkdir(mode=0o700, exist_ok=True)
        put(folder_ / f"{stem}.key", pem_of_key(key, source.password()), private=True)
        put(folder_ / f"{stem}.csr", pem)
    except OSError as error:
        raise KeyFileError(f"the request cannot be written: {error.strerror}", file=folder_) from None
    return pem


def place(pki: Path, prepared: Prepared) -> None:
    """Let a new issuer sign from now on; raises KeyFileError."""
    # A root comes after what vouches for it: whoever sees it sees the change whole.
    for one in prepared.crossed:
        folder.add(pki, one)
    if prepared.root is not None:
        folder.add(pki, *prepared.root)
    folder.install(pki, prepared.chain, prepared.key)


def drop(pki: Path, found: Authority, root: x509.Certificate) -> None:
    """Let clients trust a root no more; raises KeyFileError when the issuer that signs leads to no other one."""
    ways = (one for one in found.current.chains if not any(_is_same(each, root) for each in one))
    chain = next(ways, None)
    if chain is None:
        raise KeyFileError("the intermediate that signs is under this root: make a new one before", file=pki)
    folder.drop(pki, root, chain)


def replaced(found: Authority, key_id: str, period: int) -> tuple[int, int] | None:
    """Return when the certificates of an issuer should be renewed since another one signs now, from and until.

    Spread over `period` seconds from when its successor was made, and never after its end; None for the issuer in use.
    """
    if key_id == found.current.key_id or (old := found.issuer(key_id)) is None:
        return None
    later = [one.not_before for one in found.issuers if one.not_before > old.not_before]
    begin = int(min(later, default=found.current.not_before)) + BACKDATE
    return begin, max(min(begin + period, int(old.not_after)), begin + 1)


def _root_signer(pki: Path, root: x509.Certificate, source: KeySource, more: str) -> FileSigner:
    file = folder.root_key_file(pki, root)
    if not file.exists():
        raise KeyFileError(f"the root's key is not here: bring it back for a moment, {more}", file=file)
    return FileSigner(brought.read_root_key(file, root, source))


def _intermediate(
    pki: Path,
    found: Authority,
    source: KeySource,
    turn: Turn,
    root: x509.Certificate,
    signer: FileSigner,
    above: tuple[x509.Certificate, ...],
    *,
    now: float,
) -> Prepared:
    key = _new_key(found, source, turn)
    certificate = make_intermediate(
        root,
        signer,
        common_name=_next_name(turn.name, "Intermediate CA", [one.certificate for one in found.issuers]),
        public_key=key.public_key(),
        domains=turn.domains,
        # Of several nodes' issuers the one that begins last signs: two of one second must not be alike.
        now=max(now, found.current.not_before + BACKDATE + 1),
    )
    brought.check_chain([certificate, *above[:-1]], pki / "root.crt", root=above[-1], domains=turn.domains, now=now)
    return Prepared((certificate, *above), pem_of_key(key, source.password()))


def _new_key(found: Authority, source: KeySource, turn: Turn) -> PrivateKey:
    if source.uri:
        raise KeyFileError(
            "the intermediate's key is in a token, where no new one is made: make one there, name it in ca.key, and "
            "have what `zonemint ca csr` prints signed by the root"
        )
    return generate_any(turn.kind or kind_of(found.intermediate.public_key()))


def _next_name(name: str, what: str, taken: Sequence[x509.Certificate]) -> str:
    """Return a common name that no certificate has yet: programs find issuers by their names."""
    names = {one.value for each in taken for one in each.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    number, chosen = 1, f"{name} {what}"
    while chosen in names:
        number += 1
        end = f" {what} {number}"
        chosen = name[: _LONGEST_NAME - len(end)].rstrip() + end
    return chosen


def _vouching(pki: Path) -> list[x509.Certificate]:
    """Return the certificates in which one CA may vouch for another's key."""
    files = [pki / "intermediate.crt", *sorted((pki / "roots").glob("[!.]*.crt"))]
    return [one for file in files for one in ca_certificate.read(file)]


def _vouches(certificate: x509.Certificate, by: x509.Certificate, root: x509.Certificate) -> bool:
    return _is_same(certificate, root) and chains.is_issued_by(certificate, by)


def _is_same(one: x509.Certificate, other: x509.Certificate) -> bool:
    """Tell whether two certificates are of one CA: of the same name and key."""
    return one.subject == other.subject and spki_sha256(one.public_key()) == spki_sha256(other.public_key())
