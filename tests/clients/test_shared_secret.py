"""What programs are told of a key, read by those programs where they are here."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
import yaml

from tests.programs import require_program
from zonemint.clients.shared_secret import PROGRAMS, Secret

SECRET = Secret("host.key", "hmac-sha256", b64encode(bytes(32)).decode(), "192.0.2.1", 5353, ("lab.test", "other.test"))


def told(program: str) -> str:
    return PROGRAMS[program].tell(SECRET)


@pytest.mark.parametrize(
    ("program", "head", "checker"),
    [
        ("named", 'options { directory "FOLDER"; };\n', ["named-checkconf"]),
        ("nsd", 'server:\n    username: ""\n    zonesdir: "FOLDER"\n', ["nsd-checkconf"]),
        (
            "knot",
            "server:\n    rundir: FOLDER\ndatabase:\n    storage: FOLDER\n",
            ["knotc", "-c", "FILE", "conf-check"],
        ),
    ],
)
def test_name_servers_take_their_settings(tmp_path: Path, program: str, head: str, checker: list[str]) -> None:
    file = tmp_path / "settings"
    file.write_text(head.replace("FOLDER", str(tmp_path)) + told(program))
    name, *words = checker
    command = [require_program(name), *(str(file) if word == "FILE" else word for word in words or ["FILE"])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nsupdate_takes_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(told("nsupdate"))
    command = [require_program("nsupdate"), "-k", str(file)]
    done = subprocess.run(command, input="show\nquit\n", capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert ";; UPDATE SECTION" in done.stdout or "Outgoing update query" in done.stdout
    assert done.stderr == ""


def test_cert_manager_gets_a_secret_and_a_solver() -> None:
    secret, (solver,) = yaml.safe_load_all(told("cert-manager"))
    assert (secret["kind"], secret["stringData"]) == ("Secret", {"secret": SECRET.secret})
    assert solver["dns01"]["rfc2136"] == {
        "nameserver": "192.0.2.1:5353",
        "tsigKeyName": "host.key",
        "tsigAlgorithm": "HMACSHA256",
        "tsigSecretSecretRef": {"name": secret["metadata"]["name"], "key": "secret"},
    }


def test_external_dns_gets_every_zone() -> None:
    words = told("external-dns").split()
    assert [word for word in words if word.startswith("--rfc2136-zone")] == [
        "--rfc2136-zone=lab.test",
        "--rfc2136-zone=other.test",
    ]
    assert {"--provider=rfc2136", "--rfc2136-port=5353", "--rfc2136-tsig-axfr"} <= set(words)


def test_an_address_of_ipv6_is_told_from_its_port() -> None:
    lines = PROGRAMS["lego"].tell(SECRET._replace(host="2001:db8::1")).splitlines()
    assert "export RFC2136_NAMESERVER=[2001:db8::1]:5353" in lines
