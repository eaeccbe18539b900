"""Keys of acme-dns: what a guess costs us, and what its refusal tells."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid

import bcrypt
import pytest

from tests.importers.acme_dns import hashed
from zonemint.acmedns import accounts, old_keys
from zonemint.acmedns.context import AcmeDns
from zonemint.acmedns.old_keys import OldKeys
from zonemint.core.errors import AcmeDnsError
from zonemint.store import txt
from zonemint.store.database import Steps
from zonemint.store.txt import TxtAccount

KEY, WRONG = "K" * 40, "W" * 40
HERE = "127.0.0.1"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each check of the library, with how many ran at that moment."""
    running: list[int] = []
    seen: list[int] = []
    real = bcrypt.checkpw

    def counted(password: bytes, key_hash: bytes) -> bool:
        assert threading.current_thread() is not threading.main_thread()
        running.append(1)
        seen.append(len(running))
        try:
            return real(password, key_hash)
        finally:
            running.pop()

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return seen


async def test_one_check_at_a_time_off_the_loop_and_the_same_key_is_checked_once(checks: list[int]) -> None:
    keys, first, second = OldKeys(), hashed(KEY), hashed(WRONG)

    found = await asyncio.gather(
        *(keys.matches(first, KEY) for _ in range(50)), keys.matches(second, KEY), keys.matches(second, WRONG)
    )

    assert found == [True] * 50 + [False, True]
    assert checks == [1, 1, 1]


async def test_guesses_beyond_the_bounds_cost_nothing(checks: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    keys, key_hash = OldKeys(), hashed(KEY)

    assert not any(await asyncio.gather(*(keys.matches(key_hash, f"{n:040}") for n in range(50))))
    assert len(checks) == 2
    for foreign in ("K" * 39, "K" * 41, "K" * 39 + "\0", "é" * 40, "K" * 100_000):
        assert not await keys.matches(key_hash, foreign)
    assert len(checks) == 2
    monkeypatch.setattr(old_keys, "_CHECKS", 0)
    assert keys.is_full
    assert not await keys.matches(key_hash, KEY)


async def test_a_client_that_goes_away_takes_no_answer_from_another(checks: list[int]) -> None:
    keys, key_hash = OldKeys(), hashed(KEY)
    gone, stays = (asyncio.create_task(keys.matches(key_hash, KEY)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()

    assert await stays
    assert len(checks) == 1


def _with_old_key(acmedns: AcmeDns) -> Steps[str]:
    username = str(uuid.uuid4())
    yield from txt.insert(TxtAccount(username, hashed(KEY), "auth.lab.test", str(uuid.uuid4()), (), 0, "import"))
    return username


async def test_no_refusal_comes_before_a_check_could_have_ended(acmedns: AcmeDns) -> None:
    old = await acmedns.db.write(_with_old_key(acmedns))
    ours = (await accounts.register(acmedns, (), HERE)).username

    for user in (old, ours, str(uuid.uuid4()), "no UUID"):
        began = time.monotonic()
        assert await accounts.authenticate(acmedns, user, WRONG, HERE) is None
        assert time.monotonic() - began > accounts._REFUSAL * 0.99


async def test_while_nobody_can_be_told_all_hear_the_same(acmedns: AcmeDns, monkeypatch: pytest.MonkeyPatch) -> None:
    old = await acmedns.db.write(_with_old_key(acmedns))
    ours = await accounts.register(acmedns, (), HERE)
    monkeypatch.setattr(old_keys, "_CHECKS", 0)

    for user, key in ((old, KEY), (ours.username, WRONG), (str(uuid.uuid4()), KEY)):
        with pytest.raises(AcmeDnsError, match="too_many_requests"):
            await accounts.authenticate(acmedns, user, key, HERE)
    assert await accounts.authenticate(acmedns, ours.username, ours.password, HERE) is not None


async def test_the_first_use_makes_the_hash_ours(acmedns: AcmeDns, checks: list[int]) -> None:
    old = await acmedns.db.write(_with_old_key(acmedns))

    for _ in range(3):
        assert await accounts.authenticate(acmedns, old, KEY, HERE) is not None
    assert await accounts.authenticate(acmedns, old, WRONG, HERE) is None
    stored = await acmedns.db.read(txt.by_username(old))
    assert stored is not None
    assert stored.key_hash.startswith("blake2b$")
    assert len(checks) == 1
