"""kill -9 at every commit of an order, one after the other, however many there are: it ends, with what is recorded."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.acme.client import csr_of
from tests.crash import lives
from tests.crash.dying import Death
from tests.crash.lives import NAME, Course, Life
from tests.postgres import Postgres
from tests.thorough import FACTOR

_PATIENCE = 60.0  # seconds for a life
_COMMITS = {  # that an order has at least
    Course.PROMPT: 5,
    Course.LATE: 6,
    Course.NEVER: 4,
}
# What a death after a commit leaves in the store is what one before the next commit leaves.
WAYS = [(Course.PROMPT, True), (Course.PROMPT, False), (Course.LATE, True), (Course.NEVER, True)]
OTHER_WAYS = [(Course.LATE, False), (Course.NEVER, False)] if FACTOR > 1 else []


def named(value: object) -> str:
    return value.name.lower() if isinstance(value, Course) else "after" if value else "before"


@pytest.fixture
def life(tmp_path: Path) -> Life:
    """A client with its keys, and nothing else yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Life(tmp_path / "made" / "data", "", Course.PROMPT, False, pem, csr_of(NAME), {})


async def prepared(life: Life) -> Life:
    """Make what both lives find: the folders, the store, and an alias for the name."""
    async with lives.serving(life) as lab:
        await lab.delegate(NAME)
        return replace(life, txt=lab.txt)


async def die_everywhere(made: Life, postgres: Postgres | None, *, after: bool) -> None:
    """Let the server die at its first commit, at its second, and so on until it has no more and survives."""
    # The process that forks the others has all modules, and no threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.lives"])
    for number in count(1):
        folder = made.folder.parents[1] / f"life-{number}"
        shutil.copytree(made.folder.parent, folder)
        database = postgres.copy_of(made.database) if postgres else ""
        life = replace(made, folder=folder / "data", database=database)
        process = context.Process(target=lives.first, args=(life, Death(number, after)))
        process.start()
        process.join(_PATIENCE)
        process.kill()
        assert process.exitcode in (-signal.SIGKILL, 0), f"commit {number}: it ended by itself"
        print(
            number,
            process.exitcode,
            life.told("order"),
            len(life.told("certificate")),
            len(life.signed()) if life.signatures.exists() else None,
        )
        await lives.second(life)
        if process.exitcode == 0:
            assert number > _COMMITS[made.course], "the commits of an order were counted"
            return


@pytest.mark.parametrize(("course", "after"), [*WAYS, *OTHER_WAYS], ids=named)
async def test_on_sqlite(life: Life, course: Course, after: bool) -> None:
    await die_everywhere(await prepared(replace(life, course=course)), None, after=after)


@pytest.mark.parametrize(("course", "after"), [WAYS[0], *OTHER_WAYS], ids=named)
async def test_on_postgresql(life: Life, postgres: Postgres, course: Course, after: bool) -> None:
    made = await prepared(replace(life, course=course, database=postgres.database()))
    await die_everywhere(made, postgres, after=after)


@pytest.mark.parametrize(("course", "after"), [WAYS[0], *OTHER_WAYS], ids=named)
async def test_of_a_node_without_the_key_and_the_one_that_signs_for_it(
    life: Life, postgres: Postgres, course: Course, after: bool
) -> None:
    made = await prepared(replace(life, course=course, keyless=True, database=postgres.database()))
    await die_everywhere(made, postgres, after=after)
