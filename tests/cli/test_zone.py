from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.zone
import pytest

from tests.cli.program import run
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Running, running

OTHER = "other.test"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("made") / "data"
    assert run("init", "--domain", DOMAIN, "--domain", OTHER, "--data", data).returncode == 0
    return data


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A folder that no server runs on, with two zones, one of which has a record in its file."""
    data = shutil.copytree(made, tmp_path / "data")
    with zone_file(data).open("a") as file:
        file.write("www 60 A 192.0.2.1\n")
    return data


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("zone") / "data") as one:
        yield one


def zone_file(folder: Path) -> Path:
    return folder / f"zones/{DOMAIN}.zone"


def zone(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return run("zone", *words, "--data", folder)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that succeeded printed."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that failed, without the program's name."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    return done.stderr.removeprefix("zonemint: ").rstrip("\n")


def shown(folder: Path) -> list[tuple[str, int, str, str, str]]:
    rows = json.loads(said(zone(folder, "show", DOMAIN, "--json")))
    return [(row["name"], row["ttl"], row["type"], row["data"], row["from"]) for row in rows]


def test_the_list_counts_what_comes_from_where(folder: Path) -> None:
    said(zone(folder, "add", DOMAIN, "wiki", "300", "A", "192.0.2.2"))
    rows = json.loads(said(zone(folder, "list", "--json")))
    assert [row.pop("serial") is None for row in rows] == [False, True]
    assert rows == [
        {"zone": DOMAIN, "kind": "primary", "file": 1, "implied": 5, "dynamic": 1},
        {"zone": OTHER, "kind": "primary", "file": 0, "implied": 3, "dynamic": 0},
    ]
    head, first, second = said(zone(folder, "list")).splitlines()
    assert head.split() == ["ZONE", "KIND", "SERIAL", "FILE", "IMPLIED", "DYNAMIC"]
    assert (first.split()[0], second.split()) == (DOMAIN, [OTHER, "primary", "-", "0", "3", "0"])


def test_every_record_is_shown_with_where_it_comes_from(folder: Path) -> None:
    said(zone(folder, "add", DOMAIN, "wiki", "300", "A", "192.0.2.2"))
    assert run("register", "www", "--data", folder).returncode == 0
    line = zone_file(folder).read_text().count("\n")
    rows = shown(folder)
    assert ("www.lab.test", 60, "A", "192.0.2.1", f"{zone_file(folder)}:{line}") in rows
    assert ("wiki.lab.test", 300, "A", "192.0.2.2", "dynamic by zonemint zone") in rows
    assert (DOMAIN, 300, "NS", f"ns1.{DOMAIN}.", "implied") in rows
    assert [row[4] for row in rows if row[0] == f"_acme-challenge.www.{DOMAIN}"] == ["dynamic by zonemint register"]
    assert [row[2] for row in rows[:2]] == ["SOA", "NS"]
    text = said(zone(folder, "show", f"{DOMAIN.upper()}.")).splitlines()
    assert text[0].split() == ["NAME", "TTL", "TYPE", "FROM", "DATA"]
    assert len(text) == 1 + len(rows)


def test_what_is_shown_is_what_is_served(server: Running) -> None:
    said(zone(server.folder, "add", DOMAIN, "served", "300", "TXT", "a b"))
    for name, ttl, type_, data, _ in shown(server.folder):
        if name == f"auth.{DOMAIN}":
            continue  # the delegation; what is asked for there is answered from the other zone
        (rrset,) = server.ask(name, type_).answer
        assert rrset.ttl == ttl
        assert data in [record.to_text() for record in rrset]


def test_dig_sees_what_is_added_and_removed_at_once(server: Running) -> None:
    dig = require_program("dig")

    def ask() -> str:
        words = [dig, f"@{HOST}", "-p", str(server.ports.dns), f"quick.{DOMAIN}", "A", "+short", "+tries=1"]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout

    assert ask() == ""
    for number in (1, 2):
        assert said(zone(server.folder, "add", DOMAIN, "quick", "300", "A", f"192.0.2.{number}"))
        assert ask() == f"192.0.2.{number}\n"
        assert said(zone(server.folder, "remove", DOMAIN, "quick", "A"))
        assert ask() == ""


def test_the_serial_in_the_list_is_the_one_that_is_served(server: Running) -> None:
    said(zone(server.folder, "add", DOMAIN, "serial", "300", "A", "192.0.2.1"))
    (row,) = json.loads(said(zone(server.folder, "list", "--json")))
    assert server.answers(DOMAIN, "SOA")[0].split()[2] == str(row["serial"])


def test_the_same_record_in_another_spelling_is_no_other_one(folder: Path) -> None:
    first = said(zone(folder, "add", DOMAIN, "wiki", "300", "cname", "WWW"))
    assert first == f"added wiki.{DOMAIN} 300 CNAME www.{DOMAIN}.\n"
    again = said(zone(folder, "add", DOMAIN, f"WIKI.{DOMAIN}.", "300", "CNAME", f"www.{DOMAIN}"))
    assert again == f"wiki.{DOMAIN} 300 CNAME www.{DOMAIN}. is there already\n"
    gone = said(zone(folder, "remove", DOMAIN, f"wiki.{DOMAIN}", "Cname", f"Www.{DOMAIN}."))
    assert gone == f"removed wiki.{DOMAIN} 300 CNAME www.{DOMAIN}.\n"


def test_another_ttl_replaces_the_old_one(folder: Path) -> None:
    said(zone(folder, "add", DOMAIN, "wiki", "300", "A", "192.0.2.2"))
    said(zone(folder, "add", DOMAIN, "wiki", "900", "A", "192.0.2.2"))
    assert [row[:4] for row in shown(folder) if row[0] == f"wiki.{DOMAIN}"] == [
        (f"wiki.{DOMAIN}", 900, "A", "192.0.2.2")
    ]


def test_one_record_of_several_is_removed_or_all(folder: Path) -> None:
    for number in (2, 3):
        said(zone(folder, "add", DOMAIN, "*", "300", "A", f"192.0.2.{number}"))
    assert said(zone(folder, "remove", DOMAIN, "*", "A", "192.0.2.3")) == f"removed *.{DOMAIN} 300 A 192.0.2.3\n"
    said(zone(folder, "add", DOMAIN, "*", "300", "A", "192.0.2.4"))
    assert said(zone(folder, "remove", DOMAIN, "*", "A")).count("removed") == 2
    assert not [row for row in shown(folder) if row[0] == f"*.{DOMAIN}"]


def test_what_is_not_dynamic_is_not_removed(folder: Path) -> None:
    line = zone_file(folder).read_text().count("\n")
    in_file = refused(zone(folder, "remove", DOMAIN, "www", "A"))
    assert in_file == f"{zone_file(folder)}:{line}: www.{DOMAIN} A is in the zone file: edit it there"
    implied = refused(zone(folder, "remove", DOMAIN, "ca", "A"))
    assert implied.startswith(f"ca.{DOMAIN} A is implied: ")
    assert refused(zone(folder, "remove", DOMAIN, "www", "A", "192.0.2.9")) == (
        f"there is no dynamic record www.{DOMAIN} A 192.0.2.9"
    )


def test_what_cannot_be_served_is_not_added(folder: Path) -> None:
    line = zone_file(folder).read_text().count("\n")
    twice = refused(zone(folder, "add", DOMAIN, "www", "60", "A", "192.0.2.1"))
    assert twice == f"{zone_file(folder)}:{line}: www.{DOMAIN} A is in the zone file already"
    beside = refused(zone(folder, "add", DOMAIN, "www", "60", "CNAME", "wiki"))
    assert beside.endswith(f"www.{DOMAIN} has a CNAME record and other data: A")
    unknown = refused(zone(folder, "add", "elsewhere.test", "wiki", "60", "A", "192.0.2.1"))
    assert unknown == f"there is no zone 'elsewhere.test' here; there is {DOMAIN}, {OTHER}"
    assert not [row for row in shown(folder) if row[4].startswith("dynamic")]


def test_a_ttl_that_is_none_is_wrong_usage(folder: Path) -> None:
    assert zone(folder, "add", DOMAIN, "wiki", "2147483648", "A", "192.0.2.1").returncode == 2


def test_check_names_the_file_and_line_of_every_zone_that_is_wrong(folder: Path) -> None:
    said(zone(folder, "add", DOMAIN, "wiki", "300", "A", "192.0.2.2"))
    good = said(zone(folder, "check"))
    assert good == f"{zone_file(folder)}: ok, 7 records\n{folder}/zones/{OTHER}.zone: ok, 3 records\n"
    for name, text in ((DOMAIN, "wiki CNAME www"), (OTHER, "www A nothing")):
        with (folder / f"zones/{name}.zone").open("a") as file:
            file.write(f"{text}\n")
    done = zone(folder, "check")
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first == f"zonemint: {zone_file(folder)}: wiki.{DOMAIN} has a CNAME record and other data: A"
    lines = (folder / f"zones/{OTHER}.zone").read_text().count("\n")
    assert second.startswith(f"zonemint: {folder}/zones/{OTHER}.zone:{lines}: ")
    assert "www A nothing" in second


def test_check_tells_of_a_file_that_is_of_no_zone(folder: Path) -> None:
    for name in ("Loud.test", "a b", "x.auth.lab.test"):
        (folder / f"zones/{name}.zone").touch()
    done = zone(folder, "check")
    assert done.returncode == 0
    loud, space, auth = done.stderr.splitlines()
    assert loud == f"{folder}/zones/Loud.test.zone is not served: a zone's file is called loud.test.zone"
    assert space.startswith(f"{folder}/zones/a b.zone is not served: 'a b' is not a domain name")
    assert auth.startswith(f"{folder}/zones/x.auth.lab.test.zone is not served: 'x.auth.lab.test' lies in an auth zone")


def test_every_file_in_the_folder_is_a_zone_and_a_table_of_the_settings_too(folder: Path) -> None:
    (folder / "zones/2.0.192.in-addr.arpa.zone").write_text("1 60 PTR www.lab.test.\n")
    with (folder / "zonemint.toml").open("a") as file:
        file.write('\n[zones."home.arpa"]\nfile = "mine"\n[zones.box]\n')
    (folder / "mine").write_text("@ 60 NS ns.elsewhere.test.\n")
    rows = {row["zone"]: row for row in json.loads(said(zone(folder, "list", "--json")))}
    assert list(rows) == [DOMAIN, OTHER, "home.arpa", "box", "2.0.192.in-addr.arpa"]
    assert (rows["home.arpa"]["file"], rows["home.arpa"]["implied"]) == (1, 1)
    assert rows["box"]["implied"] == 2
    text = said(zone(folder, "export", "2.0.192.in-addr.arpa"))
    assert f"2.0.192.in-addr.arpa.\t300\tIN\tNS\tns1.{DOMAIN}.\n" in text
    assert said(zone(folder, "add", "box", "@", "60", "A", "192.0.2.1"))
    assert f"{folder}/mine: ok, 2 records" in said(zone(folder, "check"))


def test_a_zone_in_another_one_is_delegated_there(folder: Path) -> None:
    (folder / f"zones/deep.{DOMAIN}.zone").touch()
    (row,) = [row for row in shown(folder) if row[0] == f"deep.{DOMAIN}"]
    assert row[2:] == ("NS", f"ns1.{DOMAIN}.", "implied")
    inside = refused(zone(folder, "add", DOMAIN, "www.deep", "60", "A", "192.0.2.1"))
    assert inside == f"www.deep.{DOMAIN} lies in the zone deep.{DOMAIN}, not in {DOMAIN}"
    assert said(zone(folder, "add", f"deep.{DOMAIN}", "www", "60", "A", "192.0.2.1"))


def test_one_file_is_checked_without_a_data_folder(tmp_path: Path) -> None:
    file = tmp_path / "example.test.zone"
    file.write_text("$TTL 60\nwww A 192.0.2.1\nmail.example.test. A 192.0.2.2\n")
    assert said(zone(tmp_path, "check", file)) == f"{file}: ok, 2 records\n"
    assert refused(zone(tmp_path, "check", file, "--origin", "another.test")).startswith(f"{file}:3: ")
    file.write_text("$TTL 60\nwww A 192.0.2.1\n\nwww CNAME mail\n")
    assert refused(zone(tmp_path, "check", file)).startswith(f"{file}:4: ")
    unnamed = file.rename(tmp_path / "db.example")
    assert zone(tmp_path, "check", unnamed).returncode == 2
    assert zone(tmp_path, "check", tmp_path / "none.zone").returncode == 2
    assert zone(tmp_path, "check", "--origin", DOMAIN).returncode == 2


def test_the_export_is_a_zone_file_of_what_is_served(folder: Path, tmp_path: Path) -> None:
    said(zone(folder, "add", DOMAIN, "*.apps", "300", "TXT", 'semi;colon "quoted" \\ and é'))
    text = said(zone(folder, "export", DOMAIN))
    read = dns.zone.from_text(text, DOMAIN, relativize=False)
    counted = sum(len(rdataset) for _, rdataset in read.iterate_rdatasets())
    assert counted == len(shown(folder)) == 7
    assert text.split("\t")[3] == "SOA"
    file = tmp_path / "copy"
    file.write_text(text)
    assert said(zone(tmp_path, "check", file, "--origin", DOMAIN)) == f"{file}: ok, 7 records\n"
    shutil.copy(file, zone_file(folder))
    assert said(zone(folder, "remove", DOMAIN, "*.apps", "TXT"))
    assert said(zone(folder, "export", DOMAIN)).partition("\n")[2] == text.partition("\n")[2]


def test_a_broken_file_is_told_by_the_other_commands_too(folder: Path) -> None:
    lines = zone_file(folder).read_text().count("\n")
    with zone_file(folder).open("a") as file:
        file.write("wiki A nothing\n")
    for words in (["show", DOMAIN], ["add", DOMAIN, "a", "60", "A", "192.0.2.1"]):
        assert refused(zone(folder, *words)).startswith(f"{zone_file(folder)}:{lines + 1}: ")


def test_a_file_is_imported_whole_or_not_at_all(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_text("$TTL 60\n@ SOA a b 1 1 1 1 1\nwww A 192.0.2.1\nmail MX 10 www\n* A 192.0.2.3\nca A 192.0.2.77\n")
    done = said(zone(folder, "import", file, "--origin", DOMAIN))
    assert done == "3 records are new, 0 have another TTL, 1 were there already\n"
    assert json.loads(said(zone(folder, "import", file, "--origin", DOMAIN, "--json"))) == {
        "new": 0,
        "changed": 0,
        "there": 4,
    }
    dynamic = [row for row in shown(folder) if row[4] == "dynamic by zonemint zone"]
    assert [row[:4] for row in dynamic] == [
        (f"*.{DOMAIN}", 60, "A", "192.0.2.3"),
        (f"ca.{DOMAIN}", 60, "A", "192.0.2.77"),
        (f"mail.{DOMAIN}", 60, "MX", f"10 www.{DOMAIN}."),
    ]
    file.write_text("$TTL 90\nmail MX 10 www\nnew A 192.0.2.8\nx.auth TXT no\n")
    assert refused(zone(folder, "import", file, "--origin", DOMAIN)) == (
        f"{file}:4: x.auth.{DOMAIN} lies in auth.{DOMAIN}, not in {DOMAIN}"
    )
    file.write_text("$TTL 90\nmail MX 10 www\nnew A 192.0.2.8\nwww CNAME new\n")
    assert "has a CNAME record and other data" in refused(zone(folder, "import", file, "--origin", DOMAIN))
    assert [row for row in shown(folder) if row[4] == "dynamic by zonemint zone"] == dynamic
    file.write_text("$TTL 90\nmail MX 10 www\n")
    assert said(zone(folder, "import", file, "--origin", DOMAIN)).startswith("0 records are new, 1 have another TTL")
    assert zone(folder, "import", file).returncode == 2


def test_what_is_exported_is_imported_into_a_zone_without_a_file(folder: Path, tmp_path: Path) -> None:
    said(zone(folder, "add", DOMAIN, "wiki", "300", "A", "192.0.2.2"))
    (folder / f"zones/deep.{DOMAIN}.zone").touch()
    file = tmp_path / "copy"
    file.write_text(said(zone(folder, "export", DOMAIN)))
    zone_file(folder).unlink()
    said(zone(folder, "import", file, "--origin", DOMAIN))
    assert [row[:4] for row in shown(folder)[1:]] == [
        (name.removesuffix("."), int(ttl), type_, data)
        for name, ttl, _, type_, data in (line.split("\t") for line in file.read_text().splitlines()[1:])
    ]


def test_a_difference_is_told_with_its_sign_and_status(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / f"{DOMAIN}.zone"
    shutil.copy(zone_file(folder), file)
    said(zone(folder, "add", DOMAIN, "wiki", "300", "A", "192.0.2.2"))
    assert said(zone(folder, "diff", file)) == ""
    file.write_text(file.read_text().replace("192.0.2.1", "192.0.2.9"))
    done = zone(folder, "diff", file)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"- www.{DOMAIN} 60 A 192.0.2.1\n+ www.{DOMAIN} 60 A 192.0.2.9\n"
    (old, new) = json.loads(zone(folder, "diff", file, "--json").stdout)
    assert (old["added"], new["added"], new["data"]) == (False, True, "192.0.2.9")
    other = tmp_path / "other"
    other.write_text(file.read_text() + "@ 60 SOA a b 2 1 1 1 1\n")
    with file.open("a") as out:
        out.write("@ 60 SOA a b 1 1 1 1 1\n")
    assert said(run("zone", "diff", file, other, "--data", tmp_path / "nowhere")) == ""
    other.write_text("x 60 TXT y\n")
    assert run("zone", "diff", file, other).stdout.splitlines()[-1] == f'+ x.{DOMAIN} 60 TXT "y"'


def test_a_zone_of_a_view_is_named_with_it(folder: Path) -> None:
    with (folder / "zonemint.toml").open("a") as file:
        file.write('\n[views.inside]\nnetworks = ["10.0.0.0/8"]\n')
    (folder / "views/inside").mkdir(parents=True)
    own = folder / f"views/inside/{DOMAIN}.zone"
    own.write_text("www 60 A 10.0.0.1\n")
    assert json.loads(said(zone(folder, "list", "--json")))[-1] == {
        "zone": f"inside/{DOMAIN}",
        "kind": "primary",
        "serial": None,
        "file": 1,
        "implied": 5,
        "dynamic": 0,
    }
    rows = json.loads(said(zone(folder, "show", f"inside/{DOMAIN}", "--json")))
    assert [row["from"] for row in rows if row["name"] == f"www.{DOMAIN}"] == [f"{own}:1"]
    assert refused(zone(folder, "add", f"inside/{DOMAIN}", "a", "60", "A", "192.0.2.1")).endswith(f"edit {own}")
    assert f"{own}: ok, 6 records" in said(zone(folder, "check"))


def test_a_secondary_zone_shows_its_copy_and_is_not_changed(folder: Path) -> None:
    with (folder / "zonemint.toml").open("a") as file:
        file.write(f'\n[zones."far.{DOMAIN}"]\nprimaries = ["192.0.2.53"]\n')
    far = f"far.{DOMAIN}"
    (row,) = [row for row in json.loads(said(zone(folder, "list", "--json"))) if row["zone"] == far]
    assert (row["kind"], row["serial"]) == ("secondary", None)
    (folder / "secondary").mkdir(exist_ok=True)
    (folder / f"secondary/{far}.zone").write_text("$TTL 60\n@ SOA a b 7 1 1 1 1\nwww A 192.0.2.1\n")
    (row,) = [row for row in json.loads(said(zone(folder, "list", "--json"))) if row["zone"] == far]
    assert row["serial"] == 7
    rows = json.loads(said(zone(folder, "show", far, "--json")))
    assert [(row["name"], row["from"]) for row in rows] == [(far, "copied"), (f"www.{far}", "copied")]
    refusal = f"{far} is a secondary zone: its records are those of its primaries"
    assert refused(zone(folder, "add", far, "a", "60", "A", "192.0.2.1")) == refusal
    assert refused(zone(folder, "add", DOMAIN, "a.far", "60", "A", "192.0.2.1")).startswith(f"a.{far} lies in ")
    assert [row[2:] for row in shown(folder) if row[0] == far] == [("NS", f"ns1.{DOMAIN}.", "implied")]
    assert f"{far}.zone: the copy of a secondary zone, 2 records" in said(zone(folder, "check"))
