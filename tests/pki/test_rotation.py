"""Another intermediate and another root: which chains there are before, meanwhile and after, as OpenSSL sees them."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.pki.conftest import Ca
from tests.pki.test_issuers import DOMAINS, Cut, steps
from tests.programs import require_program
from zonemint.core.errors import KeyFileError
from zonemint.pki import authority, brought, folder, hierarchy, keys, rotation
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import Chain, key_id_of, pem_of
from zonemint.pki.key_source import FILES
from zonemint.pki.keys import FileSigner
from zonemint.pki.rotation import Turn

__all__ = ["steps"]

BOTH = [*DOMAINS, "example.internal"]
TURN = Turn("Lab", BOTH)
DAY = 86400


@pytest.fixture
def pki(ca: Ca, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ca.folder, tmp_path / "pki"))


def rotated(pki: Path, now: float, turn: Turn = TURN) -> Authority:
    found = authority.load(pki, now=now)
    rotation.place(pki, rotation.prepare(pki, found, FILES, turn, now=now))
    return authority.load(pki, now=now)


def turned(pki: Path, now: float, turn: Turn = TURN) -> Authority:
    """With a new root."""
    found = authority.load(pki, now=now)
    rotation.place(pki, rotation.prepare_root(pki, found, FILES, turn, now=now))
    return authority.load(pki, now=now)


def dropped(pki: Path, now: float) -> Authority:
    found = authority.load(pki, now=now)
    change = rotation.change(pki, found)
    assert change is not None
    rotation.drop(pki, found, change.old)
    return authority.load(pki, now=now)


def verifies(tmp_path: Path, chain: Chain, root: x509.Certificate, now: float) -> bool:
    """Tell whether OpenSSL takes the first of a chain, with the rest beside it, knowing only one root."""
    trusted, given = tmp_path / "trusted.pem", tmp_path / "given.pem"
    trusted.write_bytes(pem_of((root,)))
    given.write_bytes(pem_of(chain))
    words = ["verify", "-x509_strict", "-attime", str(int(now)), "-CAfile", str(trusted), "-untrusted", str(given)]
    return subprocess.run([require_program("openssl"), *words, str(given)], capture_output=True).returncode == 0


def test_a_new_intermediate_is_like_the_old_one(pki: Path, ca: Ca, tmp_path: Path) -> None:
    before = authority.load(pki, now=ca.now)
    after = rotated(pki, ca.now)
    old, new = before.intermediate, after.intermediate
    assert key_id_of(new) != key_id_of(old)
    assert new.subject.rfc4514_string() == "CN=Lab Intermediate CA 2"
    for kind in (x509.NameConstraints, x509.ExtendedKeyUsage, x509.BasicConstraints, x509.KeyUsage):
        assert new.extensions.get_extension_for_class(kind) == old.extensions.get_extension_for_class(kind)
    assert verifies(tmp_path, after.current.chains[0][:-1], before.root, ca.now)
    # Once more, in the same second: nodes agree on which of the two is newer.
    third = rotated(pki, ca.now)
    assert third.current.not_before > after.current.not_before
    assert third.intermediate.subject.rfc4514_string() == "CN=Lab Intermediate CA 3"
    assert [one.key_id for one in third.issuers] == [key_id_of(third.intermediate), key_id_of(new), key_id_of(old)]
    assert all(one.can_sign for one in third.issuers)


def test_another_kind_of_key(pki: Path, ca: Ca) -> None:
    assert keys.kind_of(rotated(pki, ca.now, Turn("Lab", DOMAINS, "p384")).intermediate.public_key()) == "p384"
    assert keys.kind_of(rotated(pki, ca.now).intermediate.public_key()) == "p384"


def test_both_roots_lead_to_all_until_the_old_one_goes(pki: Path, ca: Ca, tmp_path: Path) -> None:
    before = authority.load(pki, now=ca.now)
    after = turned(pki, ca.now)
    old, new = after.roots
    assert old == before.root
    assert new.subject.rfc4514_string() == "CN=Lab Root CA 2"
    # By default to the root that all clients know, and to the other one by the alternate.
    issuer, earlier = after.issuers
    for one in (issuer, earlier):
        assert [chain[-1] for chain in one.chains] == [old, new]
        assert verifies(tmp_path, one.chains[0][:-1], old, ca.now)
        assert verifies(tmp_path, one.chains[1][:-1], new, ca.now)
    # What comes by default with the new one is taken by those who know the new root only, too.
    assert verifies(tmp_path, issuer.chains[0][:-1], new, ca.now)
    assert not verifies(tmp_path, earlier.chains[0][:-1], new, ca.now)
    # Nothing outlives the root that its default chain leads to.
    assert issuer.not_after <= old.not_valid_after_utc.timestamp()
    assert keys.load_key(folder.root_key_file(pki, new)).public_key() == new.public_key()
    assert keys.load_key(pki / "root.key").public_key() == old.public_key()
    assert {stat.S_IMODE(one.stat().st_mode) for one in pki.rglob("*.key")} == {0o600}

    last = dropped(pki, ca.now)
    assert last.roots == (new,)
    assert last.current.chains == ((issuer.certificate, new),)
    assert [chain[-1] for chain in last.issuers[1].chains] == [new]
    assert verifies(tmp_path, last.issuers[1].chains[0][:-1], new, ca.now)
    assert keys.load_key(pki / "root.key").public_key() == new.public_key()
    assert (pki / "roots" / f"{before.fingerprint}.key").exists()
    assert last.can_sign
    # And so on.
    rotated(pki, ca.now)
    again = turned(pki, ca.now)
    assert [one.subject.rfc4514_string() for one in again.roots] == ["CN=Lab Root CA 2", "CN=Lab Root CA 3"]
    assert dropped(pki, ca.now).fingerprint == authority.load(pki, now=ca.now).fingerprint


def test_an_intermediate_during_a_change_of_root_is_under_the_new_one(pki: Path, ca: Ca) -> None:
    old, new = turned(pki, ca.now).roots
    after = rotated(pki, ca.now)
    assert [chain[-1] for chain in after.current.chains] == [old, new]
    assert after.current.chains[1] == (after.intermediate, new)
    with pytest.raises(KeyFileError, match="is being changed already"):
        turned(pki, ca.now)


def test_a_root_that_is_limited_has_a_successor_with_its_limits(tmp_path: Path, ca: Ca) -> None:
    pki = tmp_path / "pki"
    plan = authority.Plan(constrains_root=True)
    authority.create(pki, name="Lab", domains=DOMAINS, now=ca.now, plan=plan)
    after = turned(pki, ca.now, Turn("Lab", DOMAINS))
    (old, new), crossed = after.roots, after.current.chains[0][1]
    limits = [one.extensions.get_extension_for_class(x509.NameConstraints) for one in (old, new, crossed)]
    assert limits[0] == limits[1] == limits[2]
    assert verifies(tmp_path, after.current.chains[0][:-1], old, ca.now)
    assert verifies(tmp_path, after.current.chains[1][:-1], new, ca.now)


def test_a_root_without_room_vouches_for_nobody(tmp_path: Path, ca: Ca) -> None:
    key = keys.generate()
    root = FileSigner(key).sign_certificate(
        hierarchy.ca_builder(None, "Mine", key.public_key(), now=ca.now, not_after=ca.now + 3000 * DAY, path_length=1)
    )
    pki = tmp_path / "pki"
    plan = authority.Plan(root=root, root_key=key)
    authority.create(pki, name="Lab", domains=DOMAINS, now=ca.now, plan=plan)
    with pytest.raises(KeyFileError, match="has the path length 1 and cannot vouch for another root"):
        turned(pki, ca.now)
    assert rotated(pki, ca.now).issuers[1].chains[0][-1] == root


def test_a_root_whose_key_is_elsewhere_signs_a_request(pki: Path, ca: Ca) -> None:
    before = authority.load(pki, now=ca.now)
    root_key = keys.load_key(pki / "root.key")
    (pki / "root.key").unlink()
    with pytest.raises(KeyFileError, match=r"the root's key is not here.*--csr"):
        rotated(pki, ca.now)
    with pytest.raises(KeyFileError, match="the root's key is not here"):
        turned(pki, ca.now)
    pem = rotation.request(pki, before, FILES, TURN)
    assert rotation.request(pki, before, FILES, TURN) == pem
    folder.settle(pki)
    csr = x509.load_pem_x509_csr(pem)
    assert csr.is_signature_valid
    signed = hierarchy.make_intermediate(
        before.root,
        FileSigner(root_key),
        common_name="Signed elsewhere",
        public_key=csr.public_key(),
        domains=DOMAINS,
        now=ca.now,
    )
    (pki.parent / "signed.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    brought.install_intermediate(pki, pki.parent / "signed.pem", domains=DOMAINS, source=FILES, now=ca.now)
    after = authority.load(pki, now=ca.now)
    assert after.intermediate == signed
    assert [one.can_sign for one in after.issuers] == [True, True]
    assert not list((pki / "issuers").glob("*.csr"))


@pytest.mark.parametrize("turn", ["intermediate", "root", "finish"])
def test_whatever_is_cut_off_leaves_an_authority_and_is_ended_by_the_next_try(
    pki: Path, ca: Ca, tmp_path: Path, steps: list[int], turn: str
) -> None:
    if turn == "finish":
        turned(pki, ca.now)
    before = authority.load(pki, now=ca.now)
    run = {"intermediate": rotated, "root": turned, "finish": dropped}[turn]
    seen = set()
    for allowed in range(100):
        steps[0] = 1 << 30
        where = Path(shutil.copytree(pki, tmp_path / str(allowed)))
        steps[0] = allowed
        try:
            done = run(where, ca.now)
        except Cut:
            pass
        else:
            break
        steps[0] = 1 << 30
        between = authority.load(where, now=ca.now)
        assert between.can_sign
        assert between.issuer(before.current.key_id) is not None
        folder.settle(where)
        between = authority.load(where, now=ca.now)
        seen.add(
            (between.current.key_id == before.current.key_id, [*before.roots].index(between.root), len(between.roots))
        )
        change = rotation.change(where, between)
        if turn == "intermediate":
            done = between if between.current.key_id != before.current.key_id else run(where, ca.now)
        elif turn == "root":
            is_there = change is not None and rotation.is_under(between.current, change.new, change.old)
            done = between if is_there else run(where, ca.now)
            assert len(done.roots) == 2
        else:
            done = between if change is None else run(where, ca.now)
            assert len(done.roots) == 1
        assert all(one.can_sign for one in done.issuers)
        assert len(done.issuers) == 2
        assert keys.load_key(where / "root.key").public_key() == done.root.public_key()
        strays = [one for one in (where / "issuers").glob("*.key") if not one.with_suffix(".crt").exists()]
        assert not strays
    assert allowed > 5
    assert len(seen) >= (3 if turn == "root" else 2)


def test_when_certificates_of_a_replaced_issuer_are_renewed(pki: Path, ca: Ca) -> None:
    before = authority.load(pki, now=ca.now)
    assert rotation.replaced(before, before.current.key_id, DAY) is None
    assert rotation.replaced(before, "00", DAY) is None
    after = rotated(pki, ca.now + 5 * DAY)
    assert rotation.replaced(after, after.current.key_id, DAY) is None
    begin, end = rotation.replaced(after, before.current.key_id, DAY) or (0, 0)
    assert (begin, end) == (int(ca.now) + 5 * DAY, int(ca.now) + 6 * DAY)
    # The next change does not move what the first one said.
    last = rotated(pki, ca.now + 9 * DAY)
    assert rotation.replaced(last, before.current.key_id, DAY) == (begin, end)
    # Never after the old issuer's end.
    end = (rotation.replaced(last, before.current.key_id, 9000 * DAY) or (0, 0))[1]
    assert end == int(before.current.not_after)
