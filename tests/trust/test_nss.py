from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.programs import require_program
from tests.trust.authorities import Ca, pem
from zonemint.core.errors import TrustError
from zonemint.trust.machine import Home, Machine
from zonemint.trust.nss import NssDatabase
from zonemint.trust.roots import Root

LAB = Ca.named("Lab Root CA")
ROOT, OTHER, SUCCESSOR = Root(LAB.root()), Root(Ca.named("Other").root()), Root(LAB.root())


def certutil(folder: Path, *words: str, content: bytes = b"") -> str:
    program = require_program("certutil")
    done = subprocess.run([program, "-d", f"sql:{folder}", *words], input=content, capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "profile"
    made.mkdir()
    certutil(made, "-N", "--empty-password")
    return made


@pytest.fixture
def database(folder: Path) -> NssDatabase:
    return NssDatabase(Machine(), folder, Home(folder, os.geteuid(), os.getegid()))


def test_a_root_comes_and_goes_and_others_stay(database: NssDatabase, folder: Path) -> None:
    certutil(folder, "-A", "-n", "somebody's", "-t", "C,,", "-a", content=pem(OTHER.certificate))
    assert not database.has(ROOT)
    database.add(ROOT)
    database.add(ROOT)
    assert database.has(ROOT)
    assert database.has(OTHER)
    assert certutil(folder, "-L").count("C,,") == 2
    database.remove(ROOT)
    assert not database.has(ROOT)
    assert database.has(OTHER)


def test_one_that_is_there_and_not_trusted_is_trusted(database: NssDatabase, folder: Path) -> None:
    certutil(folder, "-A", "-n", "half", "-t", ",,", "-a", content=pem(ROOT.certificate))
    assert not database.has(ROOT)
    database.add(ROOT)
    assert database.has(ROOT)
    assert certutil(folder, "-L").count("half") == 1


def test_one_that_somebody_else_named_is_found_and_removed(database: NssDatabase, folder: Path) -> None:
    certutil(folder, "-A", "-n", "my lab, at home", "-t", "CT,C,C", "-a", content=pem(ROOT.certificate))
    assert database.has(ROOT)
    database.remove(ROOT)
    assert "my lab" not in certutil(folder, "-L")


def test_a_root_and_its_successor_of_one_name_are_told_apart(database: NssDatabase, folder: Path) -> None:
    database.add(ROOT)
    assert not database.has(SUCCESSOR)
    database.add(SUCCESSOR)
    database.remove(ROOT)
    assert not database.has(ROOT)
    assert database.has(SUCCESSOR)


def test_two_of_one_name_that_others_brought_are_left_alone(database: NssDatabase, folder: Path) -> None:
    for name, one in (("one", ROOT), ("two", SUCCESSOR)):
        certutil(folder, "-A", "-n", name, "-t", "C,,", "-a", content=pem(one.certificate))
    with pytest.raises(TrustError, match="cannot be told"):
        database.remove(ROOT)
    assert certutil(folder, "-L").count("C,,") == 2


def test_a_database_with_a_password_is_left_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    (tmp_path / "password").write_text("secret\n")
    certutil(folder, "-N", "-f", str(tmp_path / "password"))
    database = NssDatabase(Machine(), folder, Home(folder, os.geteuid(), os.getegid()))
    with pytest.raises(TrustError, match="browser's settings"):
        database.add(ROOT)
    assert "Lab" not in certutil(folder, "-L")
