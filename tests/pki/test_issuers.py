"""An authority with several issuers and roots, in its folder."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.pki.conftest import Ca
from zonemint.core.errors import KeyFileError
from zonemint.pki import authority, chains, folder, hierarchy, keys
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import key_id_of
from zonemint.pki.keys import FileSigner, PrivateKey

DOMAINS = ["lab.test"]


@pytest.fixture
def pki(ca: Ca, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ca.folder, tmp_path / "pki"))


def pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def intermediate_of(
    pki: Path, now: float, key: PrivateKey, *, root_key: PrivateKey | None = None, root: x509.Certificate | None = None
) -> x509.Certificate:
    """A new intermediate for a key, by the root of a folder or another one."""
    made = authority.load(pki, now=now)
    return hierarchy.make_intermediate(
        root or made.root,
        FileSigner(root_key or keys.load_key(pki / "root.key")),
        common_name="Lab Intermediate CA 2",
        public_key=key.public_key(),
        domains=DOMAINS,
        now=now,
    )


def other_root(now: float, name: str = "Other Root CA") -> tuple[PrivateKey, x509.Certificate]:
    key = keys.generate()
    return key, hierarchy.make_root(FileSigner(key), common_name=name, now=now)


def crossed(old: x509.Certificate, by: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """The same name and key as an old CA's, certified by another one."""
    builder = x509.CertificateBuilder(
        by.subject,
        old.subject,
        old.public_key(),
        7,
        old.not_valid_before_utc,
        old.not_valid_after_utc,
        [one for one in old.extensions if not isinstance(one.value, x509.AuthorityKeyIdentifier)],
    ).add_extension(x509.AuthorityKeyIdentifier(bytes.fromhex(key_id_of(by)), None, None), critical=False)
    return FileSigner(key).sign_certificate(builder)


def test_a_new_issuer_signs_and_the_old_one_goes_on(pki: Path, ca: Ca) -> None:
    before = authority.load(pki, now=ca.now)
    key = keys.generate()
    new = intermediate_of(pki, ca.now, key)
    stamp = folder.stamp(pki)
    folder.install(pki, (new, before.root), pem(key))
    assert folder.stamp(pki) != stamp
    after = authority.load(pki, now=ca.now)
    assert after.intermediate == new
    assert after.current.signer.public_key == key.public_key()
    assert [one.key_id for one in after.issuers] == [key_id_of(new), before.current.key_id]
    old = after.issuer(before.current.key_id)
    assert old is not None
    assert old.signer.public_key == before.current.signer.public_key
    assert old.chain_pem() == before.current.chain_pem()
    assert x509.load_pem_x509_certificates(after.intermediates_pem) == [new, before.intermediate]
    assert after.roots_pem == before.roots_pem
    assert after.issuer("") is after.current
    assert after.issuer("00") is None
    files = [file for file in pki.rglob("*") if file.suffix == ".key"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert len(files) == 3


def test_an_issuer_of_before_signs_again(pki: Path, ca: Ca) -> None:
    before = authority.load(pki, now=ca.now)
    key = keys.generate()
    folder.install(pki, (intermediate_of(pki, ca.now, key), before.root), pem(key))
    folder.install(pki, before.current.chains[0], None)
    after = authority.load(pki, now=ca.now)
    assert after.current.signer.public_key == before.current.signer.public_key
    assert len(after.issuers) == 2
    assert all(one.can_sign for one in after.issuers)


def test_a_certificate_made_anew_for_the_same_key_is_the_same_issuer(pki: Path, ca: Ca) -> None:
    before = authority.load(pki, now=ca.now)
    new = intermediate_of(pki, ca.now + 5, keys.load_key(pki / "intermediate.key"))
    folder.install(pki, (new, before.root), None)
    after = authority.load(pki, now=ca.now + 5)
    assert len(after.issuers) == 1
    assert (after.intermediate, after.current.key_id) == (new, before.current.key_id)
    assert after.can_sign


def test_another_root_is_trusted_too_and_its_chains_are_offered(pki: Path, ca: Ca) -> None:
    """The ways that a change of root needs: the new root for the old issuer, directly or through the old root."""
    before = authority.load(pki, now=ca.now)
    root_key, root = other_root(ca.now)
    folder.add(pki, root)
    assert authority.load(pki, now=ca.now).roots == (before.root, root)
    folder.add(pki, crossed(before.root, root, root_key))
    after = authority.load(pki, now=ca.now)
    assert after.roots == (before.root, root)
    assert [chain[-1] for chain in after.current.chains] == [before.root, root]
    assert x509.load_pem_x509_certificates(after.current.chain_pem(1)) == list(after.current.chains[1][:-1])
    folder.add(pki, crossed(before.intermediate, root, root_key))
    last = authority.load(pki, now=ca.now)
    assert sorted(len(chain) for chain in last.current.chains) == [2, 2, 3]
    assert last.current.key_id == before.current.key_id
    assert [chain[-1] for chain in last.current.chains].count(root) == 2


def test_a_new_issuer_under_a_new_root(pki: Path, ca: Ca) -> None:
    before = authority.load(pki, now=ca.now)
    root_key, root = other_root(ca.now)
    key = keys.generate()
    new = intermediate_of(pki, ca.now, key, root_key=root_key, root=root)
    folder.install(pki, (new, root), pem(key))
    after = authority.load(pki, now=ca.now)
    assert after.roots == (root, before.root)
    assert after.current.chains == ((new, root),)
    assert after.issuers[1].chains[0][-1] == before.root
    assert after.knows(before.fingerprint)
    assert not (pki / "root.key").exists()
    moved = pki / "roots" / f"{before.fingerprint}.key"
    assert keys.load_key(moved).public_key() == before.root.public_key()


def test_certificates_between_root_and_issuer(pki: Path, ca: Ca) -> None:
    """The user's own hierarchy may have more tiers."""
    root_key, root = other_root(ca.now)
    middle_key, key = keys.generate(), keys.generate()
    middle = FileSigner(root_key).sign_certificate(
        hierarchy.ca_builder(
            root, "Middle CA", middle_key.public_key(), now=ca.now, not_after=ca.now + 86400, path_length=1
        )
    )
    new = intermediate_of(pki, ca.now, key, root_key=middle_key, root=middle)
    folder.install(pki, (new, middle, root), pem(key))
    after = authority.load(pki, now=ca.now)
    assert after.current.chains == ((new, middle, root),)
    assert x509.load_pem_x509_certificates(after.current.chain_pem()) == [new, middle]
    # Nothing outlives any certificate of its chain.
    assert after.current.not_after == middle.not_valid_after_utc.timestamp()


def test_cas_that_certified_each_other_end_in_a_root_all_the_same(ca: Ca) -> None:
    root_key, root = other_root(ca.now)
    mine = keys.load_key(ca.folder / "root.key")
    between = [crossed(ca.authority.root, root, root_key), crossed(root, ca.authority.root, mine)]
    found = chains.find(ca.authority.intermediate, between, [ca.authority.root, root])
    assert [len(chain) for chain in found] == [2, 3]


class Cut(BaseException):
    """The power fails."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts what changes a folder, and cuts it off when it has counted down."""
    left = [1 << 30]

    def counted(module: object, name: str) -> None:
        real = getattr(module, name)

        def step(*args: object, **kwargs: object) -> object:
            if left[0] == 0:
                raise Cut
            left[0] -= 1
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, step)

    counted(Path, "replace")
    counted(Path, "unlink")
    counted(os, "link")
    return left


def test_an_installation_that_is_cut_off_leaves_a_folder_that_can_be_read(
    pki: Path, ca: Ca, tmp_path: Path, steps: list[int]
) -> None:
    before = authority.load(pki, now=ca.now)
    root_key, root = other_root(ca.now)
    key = keys.generate()
    new = intermediate_of(pki, ca.now, key, root_key=root_key, root=root)

    def install(where: Path) -> Authority:
        folder.install(where, (new, root), pem(key))
        return authority.load(where, now=ca.now)

    seen = set()
    for allowed in range(100):
        steps[0] = 1 << 30
        where = Path(shutil.copytree(pki, tmp_path / str(allowed)))
        steps[0] = allowed
        try:
            install(where)
        except Cut:
            steps[0] = 1 << 30
            between = authority.load(where, now=ca.now)
            assert between.can_sign
            seen.add(between.current.key_id)
            assert between.issuer(before.current.key_id) is not None
            done = install(where)
        else:
            break
        assert done.intermediate == new
        assert [one.can_sign for one in done.issuers] == [True, True]
        assert done.roots == (root, before.root)
    assert seen == {before.current.key_id, key_id_of(new)}
    assert allowed > 8


def test_a_key_that_is_not_an_older_issuers_is_one_line(pki: Path, ca: Ca) -> None:
    key = keys.generate()
    folder.install(pki, (intermediate_of(pki, ca.now, key), ca.authority.root), pem(key))
    (file,) = (pki / "issuers").glob("*.key")
    shutil.copy(pki / "root.key", file)
    with pytest.raises(KeyFileError, match=r"this key is not that of [0-9a-f]{40}\.crt beside it"):
        authority.load(pki, now=ca.now)
