from __future__ import annotations

import json
import shlex
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.program import ENV, ZONEMINT, run
from tests.server import DOMAIN, Running, until
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


def test_a_name_of_nobody_here_gets_the_line_for_its_zone(folder: Path) -> None:
    done = register(folder, "host.elsewhere.test.", "--for", "json")
    account = account_of(done, "host.elsewhere.test")
    talk, line = done.stderr.splitlines()
    assert talk == "host.elsewhere.test is in no zone of ours; add this line to its zone:"
    assert line.split() == ["_acme-challenge.host.elsewhere.test.", "300", "IN", "CNAME", f"{account['fulldomain']}."]


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
