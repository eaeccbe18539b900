from __future__ import annotations

import json
import shlex
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import dns.rcode
import pytest

from tests.cli.program import ENV, ZONEMINT, run
from tests.clients.servers import Resolver
from tests.server import DOMAIN, Running, until
from zonemint.app.registration import TOGETHER
from zonemint.clients.kinds import KINDS


def register(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return run("register", *words, "--data", folder)


def account_of(done: subprocess.CompletedProcess[str], name: str) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    accounts = json.loads(done.stdout)
    assert list(accounts) == [name]
    account: dict[str, object] = accounts[name]
    return account


@pytest.mark.parametrize("written", ["web", f"web.{DOMAIN}", f"WEB.{DOMAIN}.", "*.web", f"*.web.{DOMAIN}"])
def test_every_way_to_write_a_name_is_the_same_account(folder: Path, written: str) -> None:
    account = account_of(register(folder, "web", "--for", "json"), f"web.{DOMAIN}")
    again = register(folder, written, "--for", "json")
    assert account_of(again, f"web.{DOMAIN}") == account
    assert again.stderr == ""


def test_the_domain_itself_can_be_registered(folder: Path) -> None:
    done = register(folder, f"{DOMAIN}.", "--for", "json")
    account = account_of(done, DOMAIN)
    assert done.stderr == f"made _acme-challenge.{DOMAIN} CNAME {account['fulldomain']}\n"


def test_json_is_what_every_client_reads(folder: Path) -> None:
    account = account_of(register(folder, "web", "--for", "json"), f"web.{DOMAIN}")
    assert list(account) == ["username", "password", "fulldomain", "subdomain", "allowfrom", "server_url"]
    assert account["fulldomain"] == f"{account['subdomain']}.auth.{DOMAIN}"
    assert account["server_url"] == f"https://ca.{DOMAIN}"
    assert len(str(account["password"])) == 40


def test_the_file_of_accounts_is_for_its_owner_and_keeps_others(folder: Path) -> None:
    first = account_of(register(folder, "one", "--for", "json"), f"one.{DOMAIN}")
    second = account_of(register(folder, "two", "--for", "json"), f"two.{DOMAIN}")
    file = folder / "acmedns.json"
    assert json.loads(file.read_text()) == {f"one.{DOMAIN}": first, f"two.{DOMAIN}": second}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_file_may_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "my accounts.json"
    done = register(folder, "web", "--storage", file)
    assert f"ACMEDNS_STORAGE={file}" in shlex.split(done.stdout)
    assert list(json.loads(file.read_text())) == [f"web.{DOMAIN}"]
    assert not (folder / "acmedns.json").exists()


def test_certbot_gets_a_line_to_paste(folder: Path) -> None:
    done = register(folder, "*.web")
    line = shlex.split(done.stdout)
    assert line[0] == "env"
    assert line[3:5] == ["certbot", "certonly"]
    assert line[line.index("-d") + 1] == f"*.web.{DOMAIN}"
    assert line[line.index("--server") + 1] == f"https://ca.{DOMAIN}/acme/acme/directory"
    assert done.stderr.startswith(f"made _acme-challenge.web.{DOMAIN} CNAME ")


def test_who_loses_the_name_is_told(folder: Path, tmp_path: Path) -> None:
    old = account_of(register(folder, "web", "--for", "json"), f"web.{DOMAIN}")
    done = register(folder, "web", "--for", "json", "--storage", tmp_path / "elsewhere.json")
    new = account_of(done, f"web.{DOMAIN}")
    made, lost = done.stderr.splitlines()
    assert made == f"made _acme-challenge.web.{DOMAIN} CNAME {new['fulldomain']}"
    assert lost.startswith(f"it led to {old['fulldomain']}: ")


def test_twice_the_same_says_the_same(folder: Path) -> None:
    first, second = register(folder, "web"), register(folder, "web")
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")


@pytest.fixture
def resolver(folder: Path) -> Iterator[Resolver]:
    """The resolver that the folder's settings name."""
    with Resolver().running() as one:
        file = folder / "zonemint.toml"
        file.write_text(file.read_text().replace("[validation]\n", f'[validation]\nresolver = "{one.address}"\n', 1))
        yield one


FOREIGN = "host.elsewhere.test"
FOREIGN_ALIAS = f"_acme-challenge.{FOREIGN}"


def test_a_name_of_nobody_here_gets_the_line_for_its_zone(folder: Path, resolver: Resolver) -> None:
    done = register(folder, f"{FOREIGN}.", "--for", "json")
    account = json.loads(done.stdout)[FOREIGN]
    assert done.returncode == 1
    talk, add, line = done.stderr.splitlines()
    assert talk == f"{FOREIGN} is in no zone of ours, and {FOREIGN_ALIAS} is no CNAME yet"
    assert add == "add to its zone:"
    assert line.split() == [f"{FOREIGN_ALIAS}.", "300", "IN", "CNAME", f"{account['fulldomain']}."]
    assert resolver.asked == [FOREIGN_ALIAS]


@pytest.mark.parametrize("hops", [(), ("alias.elsewhere.test",)])
def test_a_foreign_cname_that_is_there_is_enough(folder: Path, resolver: Resolver, hops: tuple[str, ...]) -> None:
    first = register(folder, f"{FOREIGN}.", "--for", "json")
    names = [FOREIGN_ALIAS, *hops, json.loads(first.stdout)[FOREIGN]["fulldomain"]]
    resolver.cnames.update(pairwise(names))
    done = register(folder, f"*.{FOREIGN}.", "--for", "json")
    assert (done.returncode, done.stdout, done.stderr) == (0, first.stdout, "")


def test_a_foreign_cname_that_leads_elsewhere_is_told(folder: Path, resolver: Resolver) -> None:
    resolver.cnames[FOREIGN_ALIAS] = "old.elsewhere.test"
    done = register(folder, f"{FOREIGN}.")
    assert done.returncode == 1
    assert f"and {FOREIGN_ALIAS} leads to old.elsewhere.test" in done.stderr
    assert f"{FOREIGN_ALIAS}.\t300\tIN\tCNAME" in done.stderr


def test_a_resolver_that_fails_leaves_it_open(folder: Path, resolver: Resolver) -> None:
    resolver.rcode = dns.rcode.SERVFAIL
    done = register(folder, f"{FOREIGN}.")
    assert done.returncode == 1
    assert f"it is not known whether {FOREIGN_ALIAS} leads to " in done.stderr
    assert f"name server {resolver.address}, asked for {FOREIGN_ALIAS} CNAME: SERVFAIL" in done.stderr
    assert done.stdout.startswith("env ")


def test_ours_and_foreign_ones_together(folder: Path, resolver: Resolver) -> None:
    done = register(folder, "web", "a.elsewhere.test.", "b.elsewhere.test.", "--for", "json")
    assert done.returncode == 1
    assert list(json.loads(done.stdout)) == [f"web.{DOMAIN}", "a.elsewhere.test", "b.elsewhere.test"]
    made, *_, add, one, two = done.stderr.splitlines()
    assert made.startswith(f"made _acme-challenge.web.{DOMAIN} CNAME ")
    assert add == "add to their zones:"
    assert (one.split()[0], two.split()[0]) == (
        "_acme-challenge.a.elsewhere.test.",
        "_acme-challenge.b.elsewhere.test.",
    )
    assert sorted(resolver.asked) == ["_acme-challenge.a.elsewhere.test", "_acme-challenge.b.elsewhere.test"]


def test_several_names_at_once_are_one_configuration(folder: Path) -> None:
    done = register(folder, "*.apps", "apps", "web", "web")
    words = shlex.split(done.stdout)
    assert [words[at + 1] for at, word in enumerate(words) if word == "-d"] == [
        f"*.apps.{DOMAIN}",
        f"apps.{DOMAIN}",
        f"web.{DOMAIN}",
    ]
    assert done.stderr.count("made ") == 2
    assert list(json.loads((folder / "acmedns.json").read_text())) == [f"apps.{DOMAIN}", f"web.{DOMAIN}"]


def test_names_from_a_file_join_those_of_the_line(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "names"
    file.write_bytes(b"\xef\xbb\xbf# hosts\r\n\r\n  two  # the second\r\n*.two\r\nthree." + DOMAIN.encode())
    done = register(folder, "one", "--from", file, "--for", "json")
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)) == [f"one.{DOMAIN}", f"two.{DOMAIN}", f"three.{DOMAIN}"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a b", "one name on a line, not 2"),
        ("-bad", "'-bad' is not a domain name"),
        ("b\u00fccher", r"is not a domain name"),
        ("x.auth", f"x.auth.{DOMAIN} lies in auth.{DOMAIN}"),
    ],
)
def test_a_file_with_a_wrong_line_changes_nothing(folder: Path, tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "names"
    file.write_text(f"one\n# two\n{line}\nfour\n")
    done = register(folder, "--from", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"zonemint: {file}:3: ")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "acmedns.json").exists()


def test_a_file_that_is_none_and_an_empty_one(folder: Path, tmp_path: Path) -> None:
    done = register(folder, "--from", tmp_path / "none")
    assert (done.returncode, done.stderr) == (
        1,
        f"zonemint: {tmp_path}/none: the names cannot be read: No such file or directory\n",
    )
    (tmp_path / "empty").write_text("# nothing yet\n")
    done = register(folder, "--from", tmp_path / "empty")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{tmp_path}/empty: there is no name in it\n")
    assert register(folder).returncode == 2


def test_a_long_list_goes_on_where_it_failed(folder: Path, tmp_path: Path) -> None:
    """Its last group has a name that the zone file takes; the groups before it are whole, in store and file."""
    names = [f"host-{number}" for number in range(2 * TOGETHER + 1)]
    (tmp_path / "names").write_text("\n".join(names))
    zone = folder / f"zones/{DOMAIN}.zone"
    before = zone.read_text()
    zone.write_text(f'{before}_acme-challenge.{names[-1]} TXT "mine"\n')
    words = ["--from", str(tmp_path / "names"), "--for", "json"]
    done = register(folder, *words)
    assert (done.returncode, done.stdout) == (1, "")
    talk, why = done.stderr.splitlines()
    assert talk == f"{2 * TOGETHER} of {len(names)} names are ready; the same command goes on from there"
    assert f"_acme-challenge.{names[-1]}.{DOMAIN}" in why
    ready = json.loads((folder / "acmedns.json").read_text())
    assert len(ready) == 2 * TOGETHER
    zone.write_text(before)
    done = register(folder, *words)
    accounts = json.loads(done.stdout)
    assert (done.returncode, list(accounts)) == (0, [f"{name}.{DOMAIN}" for name in names])
    assert {name: account for name, account in accounts.items() if name in ready} == ready
    assert done.stderr.splitlines() == [
        f"made _acme-challenge.{names[-1]}.{DOMAIN} CNAME {accounts[f'{names[-1]}.{DOMAIN}']['fulldomain']}"
    ]


def test_a_cname_that_the_zone_file_has_is_left_to_it(folder: Path) -> None:
    account = account_of(register(folder, "web", "--for", "json"), f"web.{DOMAIN}")
    removed = run("zone", "remove", DOMAIN, "_acme-challenge.web", "CNAME", "--data", folder)
    assert removed.returncode == 0, removed.stderr
    file = folder / f"zones/{DOMAIN}.zone"
    file.write_text(f"{file.read_text()}_acme-challenge.web CNAME {account['fulldomain']}.\n")
    again = register(folder, "web", "--for", "json")
    assert account_of(again, f"web.{DOMAIN}") == account
    assert again.stderr == ""


def test_what_is_told_can_go_to_a_file_of_its_owner(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text("older")
    file.chmod(0o644)
    done = register(folder, "web", "--for", "cert-manager", "--output", file)
    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == register(folder, "web", "--for", "cert-manager").stdout
    done = register(folder, "web", "--output", tmp_path / "none/file")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["auth", "x.auth", f"*.auth.{DOMAIN}."])
def test_a_name_in_the_zone_of_the_values_is_refused(folder: Path, name: str) -> None:
    done = register(folder, name)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"lies in auth.{DOMAIN}" in done.stderr
    assert not (folder / "acmedns.json").exists()


def test_the_line_for_certbot_works_from_any_folder(folder: Path) -> None:
    words = [ZONEMINT, "register", "web", "--data", folder.name]
    done = subprocess.run(words, capture_output=True, text=True, env=ENV, timeout=30, check=True, cwd=folder.parent)
    assert f"REQUESTS_CA_BUNDLE={folder}/pki/root.crt" in shlex.split(done.stdout)


@pytest.mark.parametrize("line", ["A 192.0.2.1", "CNAME web", 'TXT "old"'])
def test_a_conflict_with_the_zone_file_is_told_and_leaves_nothing(folder: Path, line: str) -> None:
    file = folder / f"zones/{DOMAIN}.zone"
    file.write_text(file.read_text() + f"_acme-challenge.web {line}\n")
    done = register(folder, "web")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"zonemint: {file}")
    assert f"_acme-challenge.web.{DOMAIN}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "acmedns.json").exists()


def test_a_broken_zone_file_is_told(folder: Path) -> None:
    file = folder / f"zones/{DOMAIN}.zone"
    lines = file.read_text().count("\n")
    with file.open("a") as out:
        out.write("www A nothing\n")
    done = register(folder, "web")
    assert done.returncode == 1
    assert done.stderr.startswith(f"zonemint: {file}:{lines + 1}: ")


@pytest.mark.parametrize("name", ["a b", "-web", "web..lab.test", "a.*.web", "", "x" * 64])
def test_what_is_no_name_is_refused(folder: Path, name: str) -> None:
    done = register(folder, "--", name)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not (folder / "acmedns.json").exists()


def test_a_client_that_nobody_knows_is_wrong_usage(folder: Path) -> None:
    done = register(folder, "web", "--for", "telnet")
    assert done.returncode == 2
    assert "certbot, lego, acme.sh" in " ".join(done.stderr.split())


def test_every_client_is_in_the_help() -> None:
    words = [word.strip(",;.") for word in run("register", "--help").stdout.split()]
    assert set(KINDS) <= set(words)


@pytest.mark.parametrize("client", sorted(KINDS))
def test_every_client_is_told_without_talk_on_stdout(folder: Path, client: str) -> None:
    done = register(folder, "web", "--for", client)
    assert done.returncode == 0, done.stderr
    assert f"web.{DOMAIN}" in done.stdout
    assert "made" not in done.stdout
    assert done.stderr.startswith(f"made _acme-challenge.web.{DOMAIN} CNAME ")


def test_a_root_that_is_gone_is_told_before_an_account_is_made(folder: Path) -> None:
    (folder / "pki/root.crt").unlink()
    done = register(folder, "web")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"zonemint: {folder}/pki/root.crt: the roots to trust cannot be read: No such file or directory\n"
    )
    assert not (folder / "acmedns.json").exists()


def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    done = register(tmp_path, "web")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "zonemint.toml" in done.stderr


def test_an_account_of_another_server_is_not_taken_for_ours(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert run("init", "--domain", DOMAIN, "--data", other).returncode == 0
    register(other, "web", "--storage", folder / "acmedns.json")
    done = register(folder, "web")
    assert done.returncode == 1
    assert done.stderr.startswith(f"zonemint: {folder}/acmedns.json: ")


def test_eight_at_once_all_succeed(shared: Running, tmp_path: Path) -> None:
    names = [f"host-{number}" for number in range(8)]
    words = ["--for", "json", "--storage", str(tmp_path / "accounts.json")]
    with ThreadPoolExecutor(8) as pool:
        all_done = list(pool.map(lambda name: shared.register(name, *words), names))
    accounts = {f"{n}.{DOMAIN}": account_of(done, f"{n}.{DOMAIN}") for n, done in zip(names, all_done, strict=True)}
    assert json.loads((tmp_path / "accounts.json").read_text()) == accounts
    for name, account in accounts.items():
        assert shared.answers(f"_acme-challenge.{name}", "CNAME") == [f"{account['fulldomain']}."]


def test_the_same_name_eight_times_at_once_is_one_account(shared: Running, tmp_path: Path) -> None:
    words = ["eight-times", "--for", "json", "--storage", str(tmp_path / "accounts.json")]
    with ThreadPoolExecutor(8) as pool:
        all_done = list(pool.map(lambda _: shared.register(*words), range(8)))
    assert [done.stderr for done in all_done if done.returncode] == []
    assert len({done.stdout for done in all_done}) == 1


def test_a_running_server_takes_the_account_at_once(shared: Running) -> None:
    done = shared.register("live", "--for", "json")
    account = account_of(done, f"live.{DOMAIN}")
    assert account["server_url"] == shared.url
    assert shared.answers(f"_acme-challenge.live.{DOMAIN}", "CNAME") == [f"{account['fulldomain']}."]
    body = json.dumps({"subdomain": account["subdomain"], "txt": "x" * 43}).encode()
    headers = {"X-Api-User": str(account["username"]), "X-Api-Key": str(account["password"])}
    assert shared.get("/update", body=body, headers=headers) == b'{"txt": "' + b"x" * 43 + b'"}'
    assert shared.answers(f"_acme-challenge.live.{DOMAIN}", "TXT")[-1] == '"' + "x" * 43 + '"'


def test_a_conflict_with_a_changed_zone_file_is_seen_before_the_server_saw_it(shared: Running) -> None:
    file = shared.folder / f"zones/{DOMAIN}.zone"
    before = file.read_text()
    file.write_text(before + '_acme-challenge.taken TXT "mine"\n')
    try:
        done = shared.register("taken")
    finally:
        file.write_text(before)
    assert done.returncode == 1
    assert f"_acme-challenge.taken.{DOMAIN}" in done.stderr
    until(lambda: not shared.answers(f"_acme-challenge.taken.{DOMAIN}", "TXT"), "the file is as it was")
