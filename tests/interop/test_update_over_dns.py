"""Updates over DNS by those who speak them: nsupdate, knsupdate, dnspython."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from tests.cli.program import run
from tests.interop.programs import CERTBOTS, names_of, run_program, verify
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Running

pytestmark = pytest.mark.interop

ALGORITHMS = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"]


def new_key(server: Running, name: str, *words: str) -> str:
    """Make a key and return its secret."""
    done = run("tsig", "create", name, *words, "--json", "--data", server.folder)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["secret"])


class Nsupdate:
    """One of the two programs, with a key; what it says is what the server answered."""

    def __init__(self, program: str, server: Running, name: str, secret: str, algorithm: str = "hmac-sha256") -> None:
        self._words = [require_program(program), "-y", f"{algorithm}:{name}:{secret}"]
        self._is_knot = program == "knsupdate"
        self._server = server

    def __call__(self, *lines: str, zone: str = DOMAIN, tcp: bool = False) -> str:
        """Send an update; return what was printed, empty where it was made."""
        head = [f"server {HOST} {self._server.ports.dns}", f"zone {zone}."]
        words = [*self._words, "-v"] if tcp else self._words
        text = "\n".join([*head, *lines, "send", "quit" if self._is_knot else ""]) + "\n"
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=30)
        return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("program", ["nsupdate", "knsupdate"])
def test_each_prerequisite_and_each_change(shared: Running, program: str) -> None:
    send = Nsupdate(program, shared, program, new_key(shared, program, "--allow", f"*.{program}.{DOMAIN}"))
    name = f"x.{program}.{DOMAIN}."
    assert send(f"prereq nxdomain {name}", f"update add {name} 60 A 192.0.2.1") == ""
    assert shared.answers(name, "A") == ["192.0.2.1"]
    for wrong, said in {
        f"prereq nxdomain {name}": "YXDOMAIN",
        f"prereq yxdomain y.{name}": "NXDOMAIN",
        f"prereq nxrrset {name} A": "YXRRSET",
        f"prereq yxrrset {name} TXT": "NXRRSET",
        f"prereq yxrrset {name} A 192.0.2.9": "NXRRSET",
    }.items():
        assert said in send(wrong, f"update add {name} 60 A 192.0.2.2")
    assert shared.answers(name, "A") == ["192.0.2.1"]
    right = [f"prereq yxdomain {name}", f"prereq nxrrset {name} TXT", f"prereq yxrrset {name} A"]
    assert send(*right, f"prereq yxrrset {name} A 192.0.2.1", f'update add {name} 60 TXT "a b" c') == ""
    assert shared.answers(name, "TXT") == ['"a b" "c"']
    assert send(f"update delete {name} A 192.0.2.1", f"update add {name} 60 A 192.0.2.3", tcp=True) == ""
    assert shared.answers(name, "A") == ["192.0.2.3"]
    assert send(f"update delete {name} TXT") == ""
    assert (shared.answers(name, "TXT"), shared.answers(name, "A")) == ([], ["192.0.2.3"])
    assert send(f"update delete {name}") == ""
    assert shared.ask(name, "A").rcode() == dns.rcode.NXDOMAIN
    assert "REFUSED" in send(f"update add elsewhere.{DOMAIN}. 60 A 192.0.2.1")
    assert "NOTAUTH" in send("update add x.other.test. 60 A 192.0.2.1", zone="other.test")
    auth = f"auth.{DOMAIN}"
    assert "REFUSED" in send(f"update add x.{auth}. 60 TXT v", zone=auth)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm(shared: Running, algorithm: str) -> None:
    name = f"with-{algorithm}"
    secret = new_key(shared, name, "--allow", f"{name}.{DOMAIN}", "--algorithm", algorithm)
    send = Nsupdate("nsupdate", shared, name, secret, algorithm)
    assert send(f"update add {name}.{DOMAIN}. 60 TXT {algorithm}") == ""
    assert shared.answers(f"{name}.{DOMAIN}", "TXT") == [f'"{algorithm}"']
    other = "hmac-sha256" if algorithm != "hmac-sha256" else "hmac-sha512"
    assert "BADKEY" in Nsupdate("nsupdate", shared, name, secret, other)(f"update delete {name}.{DOMAIN}. TXT")


def test_a_key_is_good_from_its_making_to_its_end(shared: Running) -> None:
    """In the very next message, though another process made it and ended it."""
    secret = new_key(shared, "brief", "--allow", "*")
    send = Nsupdate("nsupdate", shared, "brief", secret)
    change = f"update add brief.{DOMAIN}. 60 TXT now"
    assert send(change) == ""
    assert "BADSIG" in Nsupdate("nsupdate", shared, "brief", "d3Jvbmc=")(change)
    assert run("tsig", "revoke", "brief", "--data", shared.folder).returncode == 0
    assert "BADKEY" in send(change)
    done = run("audit", "list", "--json", "--data", shared.folder)
    told = [one for one in json.loads(done.stdout) if one["subject"] in ("brief", f"brief.{DOMAIN}")]
    assert sorted(one["event"] for one in told) == ["record.added", "tsig-key.created", "tsig-key.revoked"]
    assert "tsig-key:brief" in {one["actor"] for one in told}


def test_what_was_made_is_in_the_store_and_the_serial_grows(shared: Running) -> None:
    send = Nsupdate("nsupdate", shared, "kept", new_key(shared, "kept", "--allow", "*", "--zone", DOMAIN))
    before = int(shared.answers(DOMAIN, "SOA")[0].split()[2])
    assert send(f"update add kept.{DOMAIN}. 60 MX 10 kept.{DOMAIN}.") == ""
    assert int(shared.answers(DOMAIN, "SOA")[0].split()[2]) == before + 1
    assert send(f"update add kept.{DOMAIN}. 60 MX 10 kept.{DOMAIN}.") == ""
    assert int(shared.answers(DOMAIN, "SOA")[0].split()[2]) == before + 1
    assert f"kept.{DOMAIN}" in run("zone", "show", DOMAIN, "--data", shared.folder).stdout
    assert "REFUSED" in send(f"update delete ns1.{DOMAIN}. A")


def test_each_answer_comes_when_the_next_query_sees_the_change(shared: Running) -> None:
    key = dns.tsig.Key("quick", new_key(shared, "quick", "--allow", "*"), "hmac-sha256")
    for number in range(50):
        message = dns.update.UpdateMessage(DOMAIN, keyring=key)
        message.replace(f"quick{number % 3}", 5, "TXT", str(number))
        send = dns.query.udp if number % 2 else dns.query.tcp
        reply = send(message, HOST, 5, shared.ports.dns)
        assert (reply.rcode(), reply.had_tsig) == (dns.rcode.NOERROR, True)
        assert shared.answers(f"quick{number % 3}.{DOMAIN}", "TXT") == [f'"{number}"']


def test_without_a_signature_nothing_changes(shared: Running) -> None:
    message = dns.update.UpdateMessage(DOMAIN)
    message.add("unsigned", 5, "TXT", "v")
    assert dns.query.udp(message, HOST, 5, shared.ports.dns).rcode() == dns.rcode.REFUSED
    assert shared.answers(f"unsigned.{DOMAIN}", "TXT") == []


def told(server: Running, name: str, program: str) -> str:
    """Return what a program is told of a new key."""
    done = run("tsig", "create", name, "--for", program, "--data", server.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_certbots_plugin_rfc2136_issues_and_renews(shared: Running, tmp_path: Path) -> None:
    name, credentials = f"certbot-update.{DOMAIN}", tmp_path / "rfc2136.ini"
    credentials.write_text(told(shared, "certbot-update", "certbot"))
    credentials.chmod(0o600)
    words = [CERTBOTS["of the venv"], "--non-interactive"]
    words += [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
    env = {"REQUESTS_CA_BUNDLE": str(shared.root)}
    certonly = [
        "certonly",
        "--dns-rfc2136",
        "--dns-rfc2136-credentials",
        str(credentials),
        "--server",
        shared.directory,
    ]
    certonly += ["--dns-rfc2136-propagation-seconds", "0", "--agree-tos", "-m", "a@example.org"]
    run_program([*words, *certonly, "-d", name, "-d", f"*.{name}"], env)
    chain = tmp_path / "config/live" / name / "fullchain.pem"
    verify(shared, chain)
    assert sorted(names_of(chain)) == [f"*.{name}", name]
    assert shared.ask(f"_acme-challenge.{name}", "TXT").rcode() == dns.rcode.NXDOMAIN
    first = chain.read_bytes()
    run_program([*words, "renew", "--force-renewal", "--no-random-sleep-on-renew"], env)
    verify(shared, chain)
    assert chain.read_bytes() != first


def test_legos_provider_rfc2136_issues(shared: Running, tmp_path: Path) -> None:
    name = f"lego-update.{DOMAIN}"
    lines = told(shared, "lego-update", "lego").splitlines()
    env = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    env |= {"LEGO_CA_CERTIFICATES": str(shared.root), "RFC2136_SEQUENCE_INTERVAL": "1", "RFC2136_POLLING_INTERVAL": "1"}
    words = [require_program("lego"), "--server", shared.directory, "--accept-tos", "--email", "a@example.org"]
    words += ["--path", str(tmp_path), "--dns", "rfc2136", "--dns.resolvers", f"{HOST}:{shared.ports.dns}"]
    words += ["--dns.disable-cp", "--domains", name, "--domains", f"*.{name}", "run"]
    run_program(words, env)
    chain = tmp_path / f"certificates/{name}.crt"
    verify(shared, chain)
    assert sorted(names_of(chain)) == [f"*.{name}", name]
    assert shared.answers(f"_acme-challenge.{name}", "TXT") == []
