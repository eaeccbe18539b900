"""`zonemint backup` and `zonemint restore` as a person runs them, on folders that nobody serves."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.program import ENV, ZONEMINT, run
from tests.postgres import Postgres, query
from tests.server import DOMAIN
from tests.store import filled
from zonemint.config import load, with_database
from zonemint.core.files import hold


@pytest.fixture
def data(folder: Path) -> Path:
    """A folder with a name registered in it."""
    assert run("register", f"server-1.{DOMAIN}", "--data", folder).returncode == 0
    return folder


@pytest.fixture
def backup(data: Path, tmp_path: Path) -> Path:
    file = tmp_path / "backup"
    assert run("backup", file, "--keys", "--data", data).returncode == 0
    return file


def failed(*words: str | Path) -> str:
    """The one line of a command that must fail."""
    done = run(*words)
    assert done.returncode == 1, done.stdout
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line.removeprefix("zonemint: ")


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder, without the store, which is not the same twice."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith("zonemint.db")
    }


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "zonemint.db")) as db:
        return db.execute(sql).fetchall()


def names(file: Path) -> list[str]:
    with tarfile.open(file) as tar:
        return tar.getnames()


def test_all_of_a_folder_comes_back(data: Path, backup: Path, tmp_path: Path) -> None:
    done = run("restore", backup, "--data", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "new") == files(data)
    accounts = "SELECT username, key_hash FROM txt_accounts"
    assert rows(tmp_path / "new", accounts) == rows(data, accounts) != []
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").rglob("*") if file.is_file()}
    assert modes == {0o600}
    assert sorted(os.listdir(tmp_path)) == ["backup", "data", "new"]
    assert run("db", "check", "--all", "--data", tmp_path / "new").returncode == 0


def test_files_that_the_settings_name_are_not_in_it_and_it_says_so(data: Path, tmp_path: Path) -> None:
    """What opens a key, or signs for somebody else, must not lie in the same place as the key."""
    (data / "hook.secret").write_text("0123456789abcdef\n")
    (data / "hook.secret").chmod(0o600)
    settings = data / "zonemint.toml"
    text = settings.read_text().replace("\n[ca]\n", '\n[ca]\npassword_file = "/run/password"\n')
    hook = '\n[hooks.chat]\nurl = "https://chat.lab.test/x"\nsecret_file = "hook.secret"\n'
    settings.write_text(text + hook)
    done = run("backup", tmp_path / "made", "--keys", "--data", data)
    assert done.returncode == 0, done.stderr
    for setting in ("hooks.chat.secret_file", "ca.password_file"):
        assert f"the file of {setting}" in done.stdout + done.stderr
    assert "pin_file" not in done.stdout + done.stderr
    assert run("restore", tmp_path / "made", "--data", tmp_path / "again").returncode == 0
    assert not (tmp_path / "again/hook.secret").exists()


def test_keys_are_left_out_unless_they_are_asked_for(data: Path, backup: Path, tmp_path: Path) -> None:
    done = run("backup", tmp_path / "other", "--data", data)
    assert "pki/intermediate.key, pki/root.key" in done.stdout
    assert "no private key is in it" in done.stderr
    assert not [name for name in names(tmp_path / "other") if name.endswith(".key")]
    assert b"PRIVATE KEY" not in gzip.decompress((tmp_path / "other").read_bytes())
    assert [name for name in names(backup) if name.endswith(".key")] == ["pki/intermediate.key", "pki/root.key"]
    restored = run("restore", tmp_path / "other", "--data", tmp_path / "new")
    assert "pki/intermediate.key is not in the backup" in restored.stderr
    shutil.copy(data / "pki/intermediate.key", tmp_path / "new/pki")
    assert run("certs", "list", "--data", tmp_path / "new").returncode == 0


def test_the_file_is_private_and_never_replaced_unless_that_is_said(data: Path, backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    before = backup.read_bytes()
    assert failed("backup", backup, "--data", data).startswith(f"{backup}: the file is there already")
    assert backup.read_bytes() == before
    assert run("backup", backup, "--force", "--data", data).returncode == 0
    assert backup.read_bytes() != before
    assert sorted(os.listdir(backup.parent)) == ["backup", "data"]


def test_through_a_pipe(data: Path, tmp_path: Path) -> None:
    made = subprocess.run([ZONEMINT, "backup", "-", "--data", data], capture_output=True, env=ENV, check=True)
    words = [ZONEMINT, "restore", "-", "--data", str(tmp_path / "new")]
    subprocess.run(words, input=made.stdout, capture_output=True, env=ENV, check=True)
    assert (tmp_path / "new/zonemint.db").exists()


def test_with_a_password(data: Path, tmp_path: Path) -> None:
    secret, wrong, file = tmp_path / "secret", tmp_path / "wrong", tmp_path / "backup"
    secret.write_text("geheim\n")
    wrong.write_text("gehein\n")
    assert run("backup", file, "--keys", "--password-file", secret, "--data", data).returncode == 0
    assert b"PRIVATE" not in file.read_bytes()
    assert "is encrypted: give --password-file" in failed("restore", file, "--data", tmp_path / "new")
    line = failed("restore", file, "--password-file", wrong, "--data", tmp_path / "new")
    assert line.startswith("the backup cannot be decrypted")
    assert not (tmp_path / "new").exists()
    assert run("restore", file, "--password-file", secret, "--data", tmp_path / "new").returncode == 0
    assert files(tmp_path / "new") == files(data)
    assert "no terminal to ask" in failed("backup", tmp_path / "other", "--encrypt", "--data", data)
    assert not (tmp_path / "other").exists()


def test_check_says_whether_it_is_good_and_makes_nothing(backup: Path, tmp_path: Path) -> None:
    done = run("restore", backup, "--check", "--data", tmp_path / "new")
    assert done.stdout.split()[:2] == ["backup:", "good"]
    assert not (tmp_path / "new").exists()
    whole = backup.read_bytes()
    backup.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in failed("restore", backup, "--check")


def test_what_is_there_is_left_or_moved_aside(data: Path, backup: Path) -> None:
    before = files(data)
    assert "the folder is not empty" in failed("restore", backup, "--data", data)
    assert files(data) == before
    (data / "mine").write_text("kept")
    done = run("restore", backup, "--force", "--data", data)
    assert done.returncode == 0
    (aside,) = data.parent.glob("data.before-restore-*")
    assert str(aside) in done.stderr
    assert files(aside) == {**before, "mine": b"kept"}
    assert files(data) == before


def test_a_folder_that_is_served_is_not_touched(data: Path, backup: Path) -> None:
    held = hold(data / "pki")
    try:
        assert "a server runs on this folder" in failed("restore", backup, "--force", "--data", data)
    finally:
        os.close(held)


def test_one_backup_at_a_time_and_one_that_was_killed_is_cleared_away(data: Path, tmp_path: Path) -> None:
    room = data / ".backup"
    room.mkdir()
    (room / "zonemint.db").write_text("half")
    held = hold(room)
    try:
        assert "another backup is being made" in failed("backup", tmp_path / "b", "--data", data)
    finally:
        os.close(held)
    assert run("backup", tmp_path / "b", "--data", data).returncode == 0
    assert not room.exists()


def test_a_store_that_is_damaged_is_not_backed_up(data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data / "zonemint.db")) as db, db:
        db.execute("INSERT INTO txt_values VALUES ('of nobody', 'x', 1, 1, '', NULL)")
    line = failed("backup", tmp_path / "b", "--data", data)
    assert "txt_values refers to one of txt_accounts that is not there" in line
    assert "zonemint db check" in line
    assert not (tmp_path / "b").exists()


Repack = tuple[Path, Path]


@pytest.fixture
def repack(backup: Path, tmp_path: Path) -> Iterator[Repack]:
    """A folder with the files of a backup, and where to look for what must not be made of them."""
    parts = tmp_path / "parts"
    with tarfile.open(backup) as tar:
        tar.extractall(parts, filter="data")
    yield parts, tmp_path / "new"
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".*"))


def refused(parts: Path) -> str:
    """Pack a folder as somebody would who has nothing against us but a damaged disk, or everything; see it refused."""
    import msgspec

    from zonemint.backup import archive, manifest

    about = manifest.decode((parts / manifest.NAME).read_bytes())
    contents: dict[str, archive.Content] = {one.name: parts / one.name for one in about.members}
    members = tuple(archive.describe(name, content) for name, content in contents.items())
    file = parts.with_name("foreign")
    with file.open("wb") as out:
        archive.write(out, msgspec.structs.replace(about, members=members), contents, lambda what, done, total: None)
    return failed("restore", file, "--data", parts.with_name("new"))


def sql(parts: Path, script: str) -> None:
    with closing(sqlite3.connect(parts / "zonemint.db")) as db:
        db.executescript(f"PRAGMA foreign_keys = OFF; {script}")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("CREATE TRIGGER evil AFTER INSERT ON crls BEGIN DELETE FROM orders; END", "'evil' is not right"),
        ("CREATE VIEW evil AS SELECT 1", "'evil' is not right"),
        ("DROP TABLE crls", "'crls' is not right"),
        ("DROP TABLE schema_versions", "no store of zonemint"),
        ("DROP TABLE schema_versions; CREATE VIEW schema_versions AS SELECT 1 AS version", "no store of zonemint"),
        ("INSERT INTO schema_versions VALUES (999, 1)", "use a newer zonemint"),
        ("DELETE FROM schema_versions", "no store of zonemint"),
        (
            "INSERT INTO txt_values VALUES ('of nobody', 'x', 1, 1, '', NULL)",
            "damaged: a row of txt_values",
        ),
    ],
)
def test_a_store_that_is_not_ours(repack: Repack, script: str, why: str) -> None:
    sql(repack[0], script)
    assert why in refused(repack[0])


def test_a_store_with_a_broken_page(repack: Repack) -> None:
    with (repack[0] / "zonemint.db").open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xff" * 4096)
    assert "damaged" in refused(repack[0]) or "cannot be read" in refused(repack[0])


def test_a_store_that_is_no_sqlite(repack: Repack) -> None:
    (repack[0] / "zonemint.db").write_bytes(b"no database" * 1000)
    assert "cannot be read" in refused(repack[0])


def test_settings_that_are_wrong(repack: Repack) -> None:
    (repack[0] / "zonemint.toml").write_text('domain = "lab.test"\nnothing = 1\n')
    assert "the settings in the backup are wrong, line 2" in refused(repack[0])


def test_settings_of_another_domain(repack: Repack) -> None:
    (repack[0] / "zonemint.toml").write_text('domain = "other.test"\n')
    assert "its settings differ" in refused(repack[0])


def test_keys_and_certificates_that_do_not_fit(repack: Repack) -> None:
    pki = repack[0] / "pki"
    root = (pki / "root.crt").read_bytes()
    shutil.copy(pki / "root.key", pki / "intermediate.key")
    assert "pki/intermediate.key in the backup is not the key" in refused(repack[0])
    shutil.copy(pki / "intermediate.crt", pki / "root.crt")
    assert "not the root that its manifest names" in refused(repack[0])
    (pki / "root.crt").write_bytes(root)
    shutil.copy(pki / "root.crt", pki / "intermediate.crt")
    (pki / "intermediate.key").write_bytes(b"no key")
    assert "is not a private key" in refused(repack[0])
    (pki / "intermediate.crt").write_bytes(b"no certificate")
    assert "no certificate in PEM" in refused(repack[0])


def test_accounts_that_are_no_json(repack: Repack) -> None:
    (repack[0] / "acmedns.json").write_bytes(b"[" * 100_000)
    assert "is no JSON" in refused(repack[0])


def test_the_password_of_the_database_is_masked(data: Path, postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    assert run("db", "copy", "--to", url, "--data", data).returncode == 0
    # The server takes everybody, so any password will do.
    secret = url.replace("@", ":Gehe1m!@", 1)
    settings = data / "zonemint.toml"
    settings.write_text(with_database(settings.read_text(), secret))
    assert load(settings).store.database == secret
    done = run("backup", tmp_path / "b", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "the password in store.database" in done.stdout
    assert b"Gehe1m!" not in gzip.decompress((tmp_path / "b").read_bytes())
    assert run("backup", tmp_path / "k", "--keys", "--data", data).returncode == 0
    assert b"Gehe1m!" in gzip.decompress((tmp_path / "k").read_bytes())


def test_a_backup_of_either_engine_goes_into_either(postgres: Postgres, data: Path, tmp_path: Path) -> None:
    (data / "zonemint.db").unlink()
    filled.fill(data / "zonemint.db")
    url, other = postgres.database(), postgres.database()
    assert run("backup", tmp_path / "1", "--data", data).returncode == 0
    done = run("restore", tmp_path / "1", "--database", url, "--data", tmp_path / "one")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "one/zonemint.db").exists()
    assert load(tmp_path / "one/zonemint.toml").store.database == url
    assert run("backup", tmp_path / "2", "--data", tmp_path / "one").returncode == 0
    for name, database in (("two", []), ("three", ["--database", other])):
        done = run("restore", tmp_path / "2", *database, "--data", tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert load(tmp_path / "two/zonemint.toml").store.database == ""
    for table, count in filled.COUNTS.items():
        question = f"SELECT count(*) FROM {table}"
        # Each restore is an entry of the audit log.
        expected = [(count + 2 * (table == "audit"),)]
        assert rows(tmp_path / "two", question) == query(other, question) == expected, table
    line = failed("restore", tmp_path / "2", "--database", other, "--data", tmp_path / "four")
    assert "there is something in" in line
    assert not (tmp_path / "four").exists()


def test_numbers_that_were_published_do_not_come_again(data: Path, tmp_path: Path) -> None:
    (data / "zonemint.db").unlink()
    filled.fill(data / "zonemint.db")
    assert run("backup", tmp_path / "b", "--data", data).returncode == 0
    assert run("restore", tmp_path / "b", "--data", tmp_path / "new").returncode == 0
    (number,) = rows(tmp_path / "new", "SELECT number FROM crls")[0]
    assert isinstance(number, int)
    assert number > 1_700_000_000_000  # milliseconds since 1970
    (serial,) = rows(tmp_path / "new", "SELECT serial FROM zone_serials")[0]
    assert isinstance(serial, int)
    assert 1_000_000 - 6 <= serial < 1_000_000 + 600  # past 2^32 it begins anew


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def bulky(data: Path) -> None:
    """Put something into the store that does not get smaller."""
    with closing(sqlite3.connect(data / "zonemint.db")) as db, db:
        for number in range(3):
            db.execute("INSERT INTO blocked_keys VALUES (?, 1, ?)", (str(number), os.urandom(1 << 20).hex()))


def test_a_full_disk_where_the_backup_goes(data: Path, small: Path, tmp_path: Path) -> None:
    bulky(data)
    (small / "old").write_text("kept")
    for more in ([], ["--force"]):
        line = failed("backup", small / ("old" if more else "new"), *more, "--data", data)
        assert "cannot be written: No space left on device" in line
        assert os.listdir(small) == ["old"]
        assert (small / "old").read_text() == "kept"
    assert not (data / ".backup").exists()


def test_a_full_disk_where_the_data_are(data: Path, small: Path, tmp_path: Path) -> None:
    there = small / "data"
    shutil.copytree(data, there)
    (there / "other").write_bytes(bytes(os.statvfs(small).f_bavail * os.statvfs(small).f_frsize - 100_000))
    line = failed("backup", tmp_path / "b", "--data", there)
    assert "full" in line or "No space left" in line
    assert not (tmp_path / "b").exists()
    assert not (there / ".backup").exists()


def test_a_full_disk_where_it_is_restored(data: Path, small: Path, tmp_path: Path) -> None:
    bulky(data)
    assert run("backup", tmp_path / "b", "--data", data).returncode == 0
    assert "are free" in failed("restore", tmp_path / "b", "--data", small / "new")
    assert os.listdir(small) == []


def test_a_disk_of_its_own_is_filled_in_place(backup: Path, data: Path, small: Path) -> None:
    (small / "lost+found").mkdir()
    assert run("restore", backup, "--data", small).returncode == 0
    assert files(small) == files(data)
    assert run("restore", backup, "--force", "--data", small).returncode == 0
    (aside,) = small.glob("before-restore-*")
    assert files(aside) == files(data)
    assert (small / "pki/root.key").read_bytes() == (data / "pki/root.key").read_bytes()
