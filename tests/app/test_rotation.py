"""The authority of a running server changes its issuer and its root, by command, by itself and on many nodes."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme.client import Client, registered
from tests.app.nodes import nodes
from tests.app.test_new_issuer import (
    alternates,
    chain,
    fetch,
    issued,
    key_of,
    list_url,
    path_is_valid,
    path_of,
    renewed_with,
)
from tests.postgres import Postgres
from tests.web.lab import Lab, running, settings
from zonemint.app.authority_keeper import AuthorityKeeper
from zonemint.app.rotation import Rotation
from zonemint.app.succession_watch import SuccessionWatch, due
from zonemint.config import DataDir
from zonemint.config.ca import Ca
from zonemint.core.errors import ConfigError
from zonemint.pki import authority, rotation
from zonemint.pki.authority import Authority
from zonemint.store import audit
from zonemint.store.opening import open_store
from zonemint.store.sqlite import SqliteDatabase

NAME = "a.lab.test"
DAY = 86400
YEAR = 365 * DAY


async def changing(lab: Lab) -> Rotation:
    """What a command has in its hands beside the server."""
    db = await open_store(lab.config.store.database, lab.data.database)
    return Rotation(lab.data, lab.config, db, lab.clock, "cli:test")


async def until_roots(lab: Lab, roots: list[x509.Certificate]) -> None:
    async with asyncio.timeout(15):
        while x509.load_pem_x509_certificates(await fetch(lab, "/roots.pem")) != roots:  # noqa: ASYNC110 - the other side is a server
            await asyncio.sleep(0.05)


def trust(lab: Lab, root: x509.Certificate) -> None:
    """Have clients trust another root, too, as they must before the old one is dropped."""
    lab.tls.load_verify_locations(cadata=root.public_bytes(Encoding.PEM).decode())


async def events(change: Rotation) -> list[tuple[str, str]]:
    return [(one.event, one.actor) for one in await change.db.read(audit.page(after=0, until=1000, limit=1000))]


async def test_intermediate_and_root_are_changed_under_a_running_server(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        client, change = await registered(lab), await changing(lab)
        first_url, first = await issued(client)
        made = await change.intermediate(await change.settled())
        second_url, second = await renewed_with(client, made.intermediate)
        made = await change.root(await change.settled())
        old, new = made.roots
        third_url, third = await renewed_with(client, made.intermediate)
        assert old == lab.authority.root
        await until_roots(lab, [old, new])
        for url, given in ((first_url, first), (second_url, second), (third_url, third)):
            reply = await client.post(url)
            assert x509.load_pem_x509_certificates(reply.body)[0] == given[0]
            assert path_is_valid(old, x509.load_pem_x509_certificates(reply.body), NAME)
            (other,) = alternates(reply)
            assert path_is_valid(new, await chain(client, other), NAME)
        trust(lab, new)
        # As long as certificates are valid that the new root does not know by itself, the old one stays.
        with pytest.raises(ConfigError, match=r"certificates of the old root's intermediate are valid, the last"):
            await change.finish(await change.settled())
        assert await change.finish(await change.settled(), force=True) == old
        await until_roots(lab, [new])
        for url in (first_url, second_url, third_url):
            given = await chain(client, url)
            assert path_is_valid(new, given, NAME)
        # Each issuer goes on with its list.
        for leaf, issuer in zip((first[0], second[0], third[0]), reversed(made.issuers), strict=True):
            served = x509.load_der_x509_crl(await fetch(lab, path_of(list_url(leaf))))
            key = issuer.certificate.public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey)
            assert served.is_signature_valid(key)
        with pytest.raises(ConfigError, match="no change of root is under way"):
            await change.finish(await change.settled())
        told = await events(change)
        for event in ("intermediate.rotated", "root.rotated", "root.dropped"):
            assert told.count((event, "cli:test")) == 1
        await change.db.close()
    # And it starts again.
    async with running(tmp_path / "data") as again:
        client.lab = again
        assert path_is_valid(new, await chain(client, first_url), NAME)
        fresh = await registered(again)
        assert key_of((await issued(fresh, "b.lab.test"))[1][0]) == made.current.key_id


async def test_of_two_who_change_the_intermediate_at_once_one_wins(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        one, two = await changing(lab), await changing(lab)
        found = await one.settled()
        ends = await asyncio.gather(one.intermediate(found), two.intermediate(found), return_exceptions=True)
        made = [end for end in ends if isinstance(end, Authority)]
        refused = [end for end in ends if isinstance(end, ConfigError)]
        assert (len(made), len(refused)) == (1, 1)
        assert "another intermediate took its place meanwhile" in str(refused[0])
        last = authority.load(lab.data.pki, now=lab.clock())
        assert last.current.key_id == made[0].current.key_id
        assert len(last.issuers) == 2
        await one.db.close()
        await two.db.close()


async def test_nodes_change_together(tmp_path: Path, postgres: Postgres) -> None:
    async with nodes(tmp_path, postgres.database(), keys=(True, True, False)) as all_:
        one, two, three = all_.each
        client = Client(three)
        await client.register()
        first_url, _ = await issued(client)
        mine, theirs = await changing(one), await changing(two)
        found = [await each.settled() for each in (mine, theirs)]
        ends = await asyncio.gather(mine.intermediate(found[0]), theirs.intermediate(found[1]), return_exceptions=True)
        made = [end for end in ends if isinstance(end, Authority)]
        assert len(made) == 1, ends
        await renewed_with(client, made[0].intermediate)
        turned = await mine.root(await mine.settled())
        old, new = turned.roots
        url, _ = await renewed_with(client, turned.intermediate)
        for node in all_.each:
            await until_roots(node, [old, new])
        trust(three, new)
        await mine.finish(await mine.settled(), force=True)
        for node in all_.each:
            await until_roots(node, [new])
            assert x509.load_pem_x509_certificate((node.data.pki / "root.crt").read_bytes()) == new
            assert not (node.data.pki / "roots" / f"{turned.fingerprint}.crt").exists()
        for each in (url, first_url):
            assert path_is_valid(new, await chain(client, each), NAME)
        # Keys stay where they were made.
        assert not (three.data.pki / "intermediate.key").exists()
        await mine.db.close()
        await theirs.db.close()


class Watched:
    """A folder whose clock can be set."""

    def __init__(self, folder: Path, ca: Ca | None = None) -> None:
        self.now = time.time()
        self.data = DataDir(folder)
        folder.mkdir()
        made = authority.create(self.data.pki, name="Lab", domains=["lab.test"], now=self.now)
        self.db = SqliteDatabase(self.data.database)
        config = settings(ca=ca or Ca())
        self.keeper = AuthorityKeeper(self.db, self.data.pki, made, self.clock, shared=False)
        self.change = Rotation(self.data, config, self.db, self.clock, "server")
        self.watch = SuccessionWatch(self.keeper, self.change, config)

    def clock(self) -> float:
        return self.now

    async def after(self, seconds: float) -> Authority:
        """What the watch makes of it some time later."""
        self.now += seconds
        await self.watch.look()
        return self.keeper.current()


async def test_the_intermediate_is_replaced_in_time(tmp_path: Path) -> None:
    lab = Watched(tmp_path / "data")
    first = lab.keeper.current()
    assert await lab.after(3 * YEAR) is first
    second = await lab.after(YEAR)
    assert second.current.key_id != first.current.key_id
    assert await lab.after(DAY) is second
    assert (await events(lab.change))[-1] != ("intermediate.rotated", "cli:test")
    assert ("intermediate.rotated", "server") in await events(lab.change)
    # The root ends in year ten, and the third intermediate with it: a fourth would gain nothing.
    third = await lab.after(4 * YEAR)
    assert len(third.issuers) >= 2
    assert third.current.not_after == third.root.not_valid_after_utc.timestamp()
    assert await lab.after(YEAR) is third
    await lab.db.close()


async def test_a_root_that_was_replaced_goes_before_it_ends(tmp_path: Path) -> None:
    lab = Watched(tmp_path / "data")
    old = lab.keeper.current().root
    await lab.after(4 * YEAR)
    lab.now += 2 * YEAR
    made = await lab.change.root(await lab.change.settled())
    await lab.keeper.follow()
    assert lab.keeper.current().roots == made.roots
    lab.now = old.not_valid_after_utc.timestamp() - 10 * DAY
    kept = await lab.after(0)
    assert kept.roots == made.roots
    # Another intermediate would gain nothing, since its default chain ends with the old root, too.
    assert kept.current.key_id == made.current.key_id
    assert old not in (await lab.after(9 * DAY)).roots
    assert lab.keeper.current().can_sign
    await lab.db.close()


@pytest.mark.parametrize("why", ["ca.rotate is off", "the root's key is not here"])
async def test_where_it_cannot_be_replaced_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    lab = Watched(tmp_path / "data", Ca(rotate="rotate" not in why))
    if "key" in why:
        (lab.data.pki / "root.key").unlink()
    first = lab.keeper.current()
    assert (await lab.after(4 * YEAR)).intermediate == first.intermediate
    assert (await lab.after(60)).intermediate == first.intermediate
    said = [line for line in capsys.readouterr().out.splitlines() if "should be replaced and is not" in line]
    assert len(said) == 1
    assert why in said[0]
    await lab.db.close()


def test_when_it_is_time(tmp_path: Path) -> None:
    now = time.time()
    made = authority.create(tmp_path / "pki", name="Lab", domains=["lab.test"], now=now)
    begin, end = made.current.not_before, made.current.not_after
    far = now + 20 * YEAR
    assert due(made, 90 * DAY, far, now=now).at == pytest.approx(begin + (end - begin) * 2 / 3)
    assert due(made, 3 * YEAR, far, now=now).at == end - 3 * YEAR
    # A profile that asks for more than an intermediate has does not have it replaced all the time.
    assert due(made, 5 * YEAR, far, now=now).at == pytest.approx(begin + (end - begin) / 3)
    assert due(made, 90 * DAY, far, now=now + 4 * YEAR).helps
    assert not due(made, 90 * DAY, end + DAY, now=now + 4 * YEAR).helps


async def test_an_installation_that_was_cut_off_is_ended_first(tmp_path: Path) -> None:
    lab = Watched(tmp_path / "data")
    pki = lab.data.pki
    made = rotation.prepare(pki, lab.keeper.current(), lab.change._source, lab.change.turn(), now=lab.now)
    rotation.place(pki, made)
    # As it is when the power fails after the certificate is in place: the key still waits, and the old one is here.
    shutil.move(pki / "intermediate.key", pki / "issuers" / f"{made.key_id}.key")
    (old,) = [one for one in (pki / "issuers").glob("*.key") if one.stem != made.key_id]
    shutil.copy(old, pki / "intermediate.key")
    found = await lab.change.settled()
    assert found.current.key_id == made.key_id
    last = await lab.change.intermediate(found)
    assert [one.can_sign for one in last.issuers] == [True, True, True]
    await lab.db.close()
