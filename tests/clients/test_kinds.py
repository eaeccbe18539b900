"""What each client is told, read as the client would read it."""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.programs import require_program
from zonemint.clients.accounts import Account, Registered, Roots
from zonemint.clients.certbot_hook import STORAGE
from zonemint.clients.kinds import KINDS

USER, KEY = "b209bffa-6866-4138-9cbd-b410af9ff367", "-_mj31uNBfx5LZ0CFhXgS9NDk4hjNMJvdbIeNU9o"
SUB = "efcbf95a-5719-4beb-ab1f-9890714300a1"
OTHER_SUB = "0a2e0f2e-3c5d-4f0e-9c1b-3f0a6d1c2b4e"
API = "https://ca.lab.test"
OTHER = Account("9f0c8a52-1111-4e0e-8a3e-6f1d2c3b4a59", "x" * 40, f"{OTHER_SUB}.auth.lab.test", OTHER_SUB, (), API)
ACCOUNT = Account(USER, KEY, f"{SUB}.auth.lab.test", SUB, (), API)
DIRECTORY = f"{API}/acme/acme/directory"
PEM = "-----BEGIN CERTIFICATE-----\nMIIBoTCC\nAUigAwIB\n-----END CERTIFICATE-----\n"
ODD = Roots(Path("/my lab's/root.crt"), PEM)
ODD_STORAGE = "/my lab's/acmedns.json"
SHELL = ["certbot", "lego", "acme.sh", "dehydrated"]


def told(kind: str, name: str = "web.lab.test", *, storage: str = ODD_STORAGE, roots: Roots | None = ODD) -> str:
    accounts = {name.removeprefix("*."): ACCOUNT}
    return KINDS[kind](Registered((name,), accounts, DIRECTORY, Path(storage), roots))


def told_of_several(kind: str) -> str:
    """A wildcard with its base, which share an account, and another name."""
    names = ("*.lab.test", "lab.test", "web.lab.test")
    return KINDS[kind](Registered(names, {"lab.test": ACCOUNT, "web.lab.test": OTHER}, DIRECTORY, Path("/a.json"), ODD))


def run_stub(text: str, folder: Path, program: str) -> tuple[list[list[str]], dict[str, str]]:
    """Run lines in a shell with a program of a name that notes its words; return those and its last environment."""
    stub = folder / "bin" / program
    stub.parent.mkdir(parents=True)
    stub.write_text(
        f'#!/bin/sh\nprintf "%s\\0" "$@" >> {folder}/words\necho >> {folder}/words\nenv -0 > {folder}/env\n'
    )
    stub.chmod(0o700)
    env = {"PATH": f"{stub.parent}:/usr/bin:/bin"}
    done = subprocess.run([require_program("sh"), "-euc", text], env=env, cwd=folder, capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
    calls = [line.split("\0")[:-1] for line in (folder / "words").read_text().splitlines()]
    return calls, dict(one.split("=", 1) for one in (folder / "env").read_text().split("\0") if one)


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def at(document: Any, *path: str) -> Any:
    """Return what is behind nested keys of a YAML document; a list is that of one member."""
    for key in path:
        if isinstance(document, list):
            [document] = document
        document = document[key]
    return document


@pytest.mark.parametrize("kind", SHELL)
@pytest.mark.parametrize("roots", [ODD, None])
def test_what_is_for_a_shell_is_read_by_one(kind: str, roots: Roots | None) -> None:
    text = told(kind, "*.lab.test", roots=roots)
    done = subprocess.run([require_program("sh"), "-n"], input=text, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_without_roots_nothing_is_said_of_trust(kind: str) -> None:
    text = told(kind, roots=None)
    for word in ("root", "CA_BUNDLE", "caBundle", "SSL_CERT_FILE", "CA_CERTIFICATES"):
        assert word not in text


@pytest.mark.parametrize("kind", ["certbot", "lego", "traefik"])
def test_the_password_stays_in_the_file_of_accounts_where_that_is_read(kind: str) -> None:
    assert KEY not in told(kind)
    assert USER not in told(kind)


def test_certbot_gets_the_command_line_of_its_manual() -> None:
    assert told("certbot", storage=STORAGE, roots=None) == (
        "certbot certonly --manual --manual-auth-hook zonemint-certbot-hook --preferred-challenges dns "
        f"--debug-challenges -d web.lab.test --server {DIRECTORY}"
    )


def test_certbot_is_told_what_is_unusual(tmp_path: Path) -> None:
    [words], env = run_stub(told("certbot", "*.lab.test"), tmp_path, "certbot")
    assert env["ACMEDNS_STORAGE"] == ODD_STORAGE
    assert env["REQUESTS_CA_BUNDLE"] == str(ODD.file)
    assert option(words, "-d") == "*.lab.test"


def test_lego_trusts_both_servers(tmp_path: Path) -> None:
    [words], env = run_stub(told("lego", "*.lab.test"), tmp_path, "lego")
    assert words[0] == "run"
    assert option(words, "--server") == DIRECTORY
    assert option(words, "--dns") == "acme-dns"
    assert option(words, "--domains") == "*.lab.test"
    assert option(words, "--email") == "hostmaster@lab.test"
    assert env["ACME_DNS_API_BASE"] == API
    assert env["ACME_DNS_STORAGE_PATH"] == ODD_STORAGE
    assert env["LEGO_CA_CERTIFICATES"] == env["SSL_CERT_FILE"] == str(ODD.file)


def test_lego_reads_the_command(tmp_path: Path) -> None:
    """Debian's is lego 4. Its own parser takes every option; what is not there, the directory, is where it ends."""
    lego = require_program("lego")
    words = shlex.split(told("lego").splitlines()[-1].removeprefix("# lego 4: "))[1:]
    words[words.index(DIRECTORY)] = "http://127.0.0.1:1/directory"
    done = subprocess.run([lego, "--path", str(tmp_path), *words], capture_output=True, text=True, timeout=30, env={})
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr


def test_acme_sh_is_told_the_account_and_asks_no_public_resolver(tmp_path: Path) -> None:
    [words], env = run_stub(told("acme.sh", "*.lab.test"), tmp_path, "acme.sh")
    assert words[0] == "--issue"
    assert option(words, "--server") == DIRECTORY
    assert option(words, "--dns") == "dns_acmedns"
    assert option(words, "--dnssleep") == "1"
    assert option(words, "-d") == "*.lab.test"
    told_of = {name: env[f"ACMEDNS_{name}"] for name in ("BASE_URL", "USERNAME", "PASSWORD", "SUBDOMAIN")}
    assert told_of == {"BASE_URL": API, "USERNAME": USER, "PASSWORD": KEY, "SUBDOMAIN": SUB}
    assert env["CA_BUNDLE"] == str(ODD.file)


def test_dehydrated_gets_a_folder_for_its_owner_alone(tmp_path: Path) -> None:
    calls, _ = run_stub(told("dehydrated", "*.lab.test"), tmp_path, "dehydrated")
    folder = tmp_path / "dehydrated-lab.test"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [option(words, "--config") for words in calls] == ["dehydrated-lab.test/config"] * 2
    assert option(calls[1], "--domain") == "*.lab.test"
    script = (
        f'BASEDIR=/base; . "{folder}/config"; printf "%s\\n" "$CA" "$CHALLENGETYPE" "$HOOK"; printenv CURL_CA_BUNDLE'
    )
    done = subprocess.run([require_program("sh"), "-euc", script], capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == [DIRECTORY, "dns-01", "/base/hook", str(ODD.file)]


def test_dehydrated_asks_curl_for_one_update_and_hides_the_key_from_its_words(tmp_path: Path) -> None:
    run_stub(told("dehydrated"), tmp_path, "dehydrated")
    hook, txt = tmp_path / "dehydrated-web.lab.test/hook", "x" * 43
    (tmp_path / "bin/curl").write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {tmp_path}/curl\ncat > {tmp_path}/stdin\n')
    (tmp_path / "bin/curl").chmod(0o700)
    env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    for words in (["startup_hook"], ["deploy_cert", "web.lab.test", "a", "b"]):
        subprocess.run([hook, *words], env=env, check=True, timeout=30)
    assert not (tmp_path / "curl").exists()
    subprocess.run([hook, "deploy_challenge", "web.lab.test", "file", txt], env=env, check=True, timeout=30)
    words = (tmp_path / "curl").read_text().split("\0")[:-1]
    assert json.loads(option(words, "--data")) == {"subdomain": SUB, "txt": txt}
    assert words[-1] == f"{API}/update"
    assert KEY not in " ".join(words)
    assert (tmp_path / "stdin").read_text() == f'header = "X-Api-User: {USER}"\nheader = "X-Api-Key: {KEY}"\n'


def test_dehydrated_finds_the_account_of_each_name(tmp_path: Path) -> None:
    calls, _ = run_stub(told_of_several("dehydrated"), tmp_path, "dehydrated")
    assert option(calls[1], "--domain") == "*.lab.test lab.test web.lab.test"
    hook = tmp_path / "dehydrated-lab.test/hook"
    (tmp_path / "bin/curl").write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {tmp_path}/curl\ncat > {tmp_path}/stdin\n')
    (tmp_path / "bin/curl").chmod(0o700)
    env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    for domain, account in (("lab.test", ACCOUNT), ("web.lab.test", OTHER)):
        subprocess.run([hook, "deploy_challenge", domain, "file", "x" * 43], env=env, check=True, timeout=30)
        body = json.loads(option((tmp_path / "curl").read_text().split("\0"), "--data"))
        assert body == {"subdomain": account.subdomain, "txt": "x" * 43}
        assert account.password in (tmp_path / "stdin").read_text()
    unknown = [str(hook), "deploy_challenge", "other.test", "file", "x" * 43]
    done = subprocess.run(unknown, env=env, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (1, "there is no account for other.test\n")


def test_certbot_and_lego_get_one_certificate_for_several_names(tmp_path: Path) -> None:
    for kind, flag in (("certbot", "-d"), ("lego", "--domains")):
        [words], _ = run_stub(told_of_several(kind), tmp_path / kind, kind)
        assert [words[at + 1] for at, word in enumerate(words) if word == flag] == [
            "*.lab.test",
            "lab.test",
            "web.lab.test",
        ]


def test_acme_sh_gets_a_certificate_for_each_account(tmp_path: Path) -> None:
    """It knows one account for a certificate, so a name of another account cannot stand beside."""
    calls, env = run_stub(told_of_several("acme.sh"), tmp_path, "acme.sh")
    names = [[words[at + 1] for at, word in enumerate(words) if word == "-d"] for words in calls]
    assert names == [["*.lab.test", "lab.test"], ["web.lab.test"]]
    assert env["ACMEDNS_SUBDOMAIN"] == OTHER_SUB


def caddyfile(text: str) -> dict[str, str]:
    """Read settings by the path of the blocks that they stand in."""
    blocks: list[str] = []
    seen = {}
    for line in text.splitlines():
        words = [one[1:-1].replace('\\"', '"') if one[0] == '"' else one for one in _TOKEN.findall(line)]
        if line.startswith("#"):
            continue
        if words[-1] == "{":
            blocks.append(" ".join(words[:-1]))
        elif words == ["}"]:
            blocks.pop()
        else:
            seen["/".join([*blocks, words[0]])] = words[1]
    assert blocks == []
    return seen


def test_caddy_gets_a_site_block() -> None:
    assert caddyfile(told("caddy", "*.lab.test", roots=Roots(Path('/a "b" c/root.crt'), PEM))) == {
        "*.lab.test/tls/ca": DIRECTORY,
        "*.lab.test/tls/ca_root": '/a "b" c/root.crt',
        "*.lab.test/tls/dns acmedns/username": USER,
        "*.lab.test/tls/dns acmedns/password": KEY,
        "*.lab.test/tls/dns acmedns/subdomain": SUB,
        "*.lab.test/tls/dns acmedns/server_url": API,
        "*.lab.test/respond": "Hello",
    }


def test_caddy_gets_the_accounts_of_several_names_by_domain() -> None:
    seen = caddyfile(told_of_several("caddy"))
    module = "*.lab.test, lab.test, web.lab.test/tls/dns acmedns/config"
    assert seen[f"{module}/lab.test/subdomain"] == SUB
    assert seen[f"{module}/web.lab.test/subdomain"] == OTHER_SUB
    assert seen[f"{module}/web.lab.test/server_url"] == API


@pytest.mark.interop
@pytest.mark.parametrize("several", [False, True])
def test_caddy_takes_all_but_the_module_that_debians_is_built_without(tmp_path: Path, several: bool) -> None:
    """It reads the site and names what it lacks; without those lines it accepts the rest."""
    caddy = require_program("caddy")
    (tmp_path / "root.crt").write_text(PEM)
    roots = Roots(tmp_path / "root.crt", PEM)
    text = told_of_several("caddy").replace(str(ODD.file), str(roots.file)) if several else told("caddy", roots=roots)
    whole, rest = tmp_path / "whole", tmp_path / "rest"
    whole.write_text(text)
    rest.write_text(re.sub(r"\t\tdns acmedns \{\n.*?\n\t\t\}\n", "", text, flags=re.DOTALL))
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    words = [caddy, "adapt", "--adapter", "caddyfile", "--config"]
    done = subprocess.run([*words, str(whole)], capture_output=True, text=True, env=env, timeout=30)
    assert done.returncode == 1
    assert "module not registered: dns.providers.acmedns" in done.stderr
    done = subprocess.run([*words, str(rest)], capture_output=True, text=True, env=env, timeout=30, check=True)
    (policy,) = json.loads(done.stdout)["apps"]["tls"]["automation"]["policies"]
    assert policy["issuers"][0]["ca"] == DIRECTORY
    assert policy["issuers"][0]["trusted_roots_pem_files"] == [str(roots.file)]


_TOKEN = re.compile(r'"(?:\\"|[^"])*"|\S+')


def test_caddy_and_traefik_are_told_the_environment() -> None:
    assert f"\n#   SSL_CERT_FILE={ODD.file}\n" in told("caddy")
    comments = re.findall(r"^#   ([A-Z_]+)=(.*)$", told("traefik"), re.MULTILINE)
    assert dict(comments) == {
        "ACME_DNS_API_BASE": API,
        "ACME_DNS_STORAGE_PATH": ODD_STORAGE,
        "LEGO_CA_CERTIFICATES": str(ODD.file),
        "SSL_CERT_FILE": str(ODD.file),
    }


def test_traefik_gets_a_resolver() -> None:
    text = told("traefik", "*.lab.test")
    acme = at(yaml.safe_load(text), "certificatesResolvers", "zonemint", "acme")
    assert acme["caServer"] == DIRECTORY
    assert acme["email"] == "hostmaster@lab.test"
    assert acme["dnsChallenge"] == {"provider": "acme-dns"}
    assert '- main: "*.lab.test"' in text


def test_a_router_of_traefik_gets_every_name() -> None:
    lines = told_of_several("traefik").splitlines()
    router = [line.removeprefix("#   ") for line in lines[lines.index("#   tls:") :]]
    assert yaml.safe_load("\n".join(router)) == {
        "tls": {
            "certResolver": "zonemint",
            "domains": [{"main": "*.lab.test", "sans": ["lab.test", "web.lab.test"]}],
        }
    }


def test_cert_manager_gets_a_secret_that_its_issuer_points_to() -> None:
    secret, issuer, roots = yaml.safe_load_all(told("cert-manager", "*.lab.test"))
    assert [one["kind"] for one in (secret, issuer, roots)] == ["Secret", "ClusterIssuer", "ConfigMap"]
    assert [one["apiVersion"] for one in (secret, issuer)] == ["v1", "cert-manager.io/v1"]
    accounts = json.loads(secret["stringData"]["accounts.json"])
    assert accounts == json.loads(told("json", "*.lab.test"))
    assert list(accounts) == ["lab.test"]
    solver = at(issuer, "spec", "acme", "solvers", "dns01", "acmeDNS")
    assert solver == {
        "host": API,
        "accountSecretRef": {"name": secret["metadata"]["name"], "key": "accounts.json"},
    }


def test_cert_manager_gets_one_secret_with_all_accounts() -> None:
    secret, issuer, _ = yaml.safe_load_all(told_of_several("cert-manager"))
    accounts = json.loads(secret["stringData"]["accounts.json"])
    assert {name: account["subdomain"] for name, account in accounts.items()} == {
        "lab.test": SUB,
        "web.lab.test": OTHER_SUB,
    }
    assert len(issuer["spec"]["acme"]["solvers"]) == 1


def test_cert_manager_gets_the_roots_twice() -> None:
    _, issuer, roots = yaml.safe_load_all(told("cert-manager") + "\n")  # as it is printed
    acme = at(issuer, "spec", "acme")
    assert acme["server"] == DIRECTORY
    assert base64.b64decode(acme["caBundle"], validate=True).decode() == PEM
    assert acme["privateKeySecretRef"]["name"] != at(acme, "solvers", "dns01", "acmeDNS", "accountSecretRef", "name")
    assert roots["data"]["root.crt"] == PEM


def test_cert_manager_without_roots_gets_two_documents() -> None:
    assert [one["kind"] for one in yaml.safe_load_all(told("cert-manager", roots=None))] == ["Secret", "ClusterIssuer"]
