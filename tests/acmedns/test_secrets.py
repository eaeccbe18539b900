"""What a refusal tells by its time: an unknown user and a wrong key do the same work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from zonemint.acmedns import accounts
from zonemint.acmedns.context import AcmeDns
from zonemint.core.clock import system_clock
from zonemint.store.database import Steps
from zonemint.store.sqlite import SqliteDatabase


async def _work(acmedns: AcmeDns, user: str, key: str) -> list[str]:
    """The functions that a refusal goes through in the module of accounts, Python's and C's."""
    called: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if frame.f_code.co_filename == accounts.__file__:
            name = frame.f_code.co_name if event == "call" else getattr(argument, "__name__", "")
            if event in ("call", "c_call"):
                called.append(name)

    sys.setprofile(note)
    try:
        refused = await accounts.authenticate(acmedns, user, key, "127.0.0.1")
    finally:
        sys.setprofile(None)
    assert refused is None
    return called


async def _no_alias(domain: str, target: str, *, actor: str, also: Callable[[], Steps[None]]) -> bool:
    raise AssertionError(domain)


async def test_an_unknown_user_costs_what_a_wrong_key_costs(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "store.db")
    acmedns = AcmeDns(db, system_clock, ("auth.lab.test",), (), 10, 60.0, "https://ca.lab.test", False, _no_alias)
    known = await accounts.register(acmedns, (), "127.0.0.1")
    assert await accounts.authenticate(acmedns, known.username, known.password, "127.0.0.1") is not None
    wrong = await _work(acmedns, known.username, "A" * 40)
    assert wrong.count("hexdigest") == 1
    assert "compare_digest" in wrong
    assert await _work(acmedns, "00000000-0000-4000-8000-000000000000", "A" * 40) == wrong
    short = await _work(acmedns, known.username, "A")
    assert short == wrong
    foreign = await _work(acmedns, "no UUID", "A" * 40)
    assert foreign.count("hexdigest") == 1
    assert "compare_digest" in foreign
    await db.close()
