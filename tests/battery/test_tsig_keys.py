"""Keys for signed DNS messages: what the store keeps of them, and what the server makes of that."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from tests.battery.conftest import Opener
from zonemint.app.tsig_keys import KeyRing, create, new, revoke
from zonemint.config import Config, Dns
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, tsig, wire
from zonemint.store import tsig_keys
from zonemint.store.opening import Store
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.tsig_keys import TsigKey

CONFIG = Config("lab.test")
LAB = wire.name_from_text("lab.test")


def key(name: str = "Host.Key.", algorithm: str = "hmac-sha256", config: Config = CONFIG) -> TsigKey:
    return new(
        name,
        algorithm,
        config,
        names=["_acme-challenge.*"],
        types=["txt", "TXT"],
        zones=["lab.test"],
        transfers=True,
        by="test",
        now=5,
    )


async def known(db: Store, name: str, *, md5: bool = False) -> tsig.Key | None:
    ring = KeyRing(db, md5=md5)
    await ring.start()
    try:
        return ring(wire.name_from_text(name))
    finally:
        await ring.close()


async def test_a_key_is_kept_whole_and_its_end_forgets_the_secret(db: Store) -> None:
    made = key()
    assert await db.write(tsig_keys.insert(made))
    assert await db.read(tsig_keys.by_name("host.key")) == made
    assert (made.name, made.types) == ("host.key", ("TXT",))
    assert not await db.write(tsig_keys.insert(key()))
    assert await db.write(tsig_keys.revoke("host.key", now=7))
    assert not await db.write(tsig_keys.revoke("host.key", now=8))
    assert await db.read(tsig_keys.listing()) == [structs.replace(made, secret="", revoked_at=7)]
    again = key()
    assert again.secret != made.secret
    assert await db.write(tsig_keys.insert(again))
    assert await db.read(tsig_keys.listing()) == [again]


async def test_of_two_who_make_one_key_one_does(another: Opener) -> None:
    nodes = [await another(), await another()]
    done = await asyncio.gather(*(node.write(tsig_keys.insert(key())) for node in nodes))
    assert sorted(done) == [False, True]


async def test_the_server_has_the_rights_that_were_given(db: Store) -> None:
    made = key()
    await db.write(create(made, actor="test", now=5))
    found = await known(db, "host.key")
    assert found is not None
    assert (found.algorithm, found.secret) == ("hmac-sha256", b64decode(made.secret))
    assert found.rights.may_update(LAB, wire.name_from_text("_acme-challenge.lab.test"), codes.TXT)
    assert not found.rights.may_update(LAB, LAB, codes.TXT)
    assert found.rights.may_transfer(LAB)
    assert "secret" not in repr(found) + repr(made)
    assert made.secret not in repr(made)
    await db.write(revoke("host.key", actor="test", now=6))
    assert await known(db, "host.key") is None
    assert await known(db, "nobody") is None


async def test_md5_is_for_those_who_say_so(db: Store) -> None:
    with pytest.raises(ConfigError, match=r"dns\.tsig_md5"):
        key(algorithm="hmac-md5")
    allowing = structs.replace(CONFIG, dns=Dns(tsig_md5=True))
    await db.write(create(key(algorithm="hmac-md5", config=allowing), actor="test", now=5))
    assert await known(db, "host.key") is None
    assert await known(db, "host.key", md5=True) is not None


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_key_that_cannot_be_read_hides_no_change_of_others(db: Store) -> None:
    """Such as one that another release wrote; and a look that fails is not the last one."""
    ring = KeyRing(db)
    await ring.start()
    host = wire.name_from_text("host.key")
    try:
        with capture_logs() as logs:
            await db.write(tsig_keys.insert(structs.replace(key("odd.key"), types=("no type",))))
            await db.write(tsig_keys.insert(key()))
            await until(lambda: ring(host) is not None)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tsig_keys, "listing", lambda: 1 / 0)
                ring._tell("tsig_keys")
                await until(lambda: isinstance(db, SqliteDatabase) or not ring._changed.is_set())
                await asyncio.sleep(0.05)
            await db.write(revoke("host.key", actor="test", now=6))
            await until(lambda: ring(host) is None)
    finally:
        await ring.close()
    if not isinstance(db, SqliteDatabase):
        told = [entry["event"] for entry in logs]
        assert told.count("a key cannot be read, and is none") == 1
        assert "the keys cannot be read, and stay as they were" in told
