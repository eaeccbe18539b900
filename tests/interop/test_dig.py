"""dig and kdig against the running server."""

from __future__ import annotations

import re

import pytest

from tests.interop.programs import run_program
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Running

pytestmark = pytest.mark.interop


def dig(server: Running, *words: str) -> str:
    base = [require_program("dig"), f"@{HOST}", "-p", str(server.ports.dns), "+time=10", "+tries=1"]
    return run_program([*base, *words], {"HOME": "/nonexistent"})


def kdig(server: Running, *words: str) -> str:
    base = [require_program("kdig"), f"@{HOST}", "-p", str(server.ports.dns), "+timeout=10", "+retry=0"]
    return run_program([*base, *words], {"HOME": "/nonexistent"})


@pytest.mark.parametrize("options", [[], ["+tcp"], ["+noedns"], ["+bufsize=512"], ["+nocookie"], ["+dnssec"]])
def test_dig_gets_an_authoritative_answer(shared: Running, options: list[str]) -> None:
    said = dig(shared, f"ca.{DOMAIN}", "A", "+norecurse", *options)
    assert re.search(r"status: NOERROR", said)
    assert re.search(r"flags: qr aa ra; QUERY: 1, ANSWER: 1", said)
    assert re.search(rf"^ca\.{DOMAIN}\.\s+300\s+IN\s+A\s+{HOST}$", said, re.MULTILINE)
    assert "WARNING" not in said


@pytest.mark.parametrize("options", [[], ["+tcp"], ["+keepopen", "+tcp"], ["+padding"], ["+cookie"], ["+nsid"]])
def test_kdig_gets_an_authoritative_answer(shared: Running, options: list[str]) -> None:
    said = kdig(shared, f"ca.{DOMAIN}", "A", "+norec", *options)
    assert "status: NOERROR" in said
    assert re.search(r"Flags: qr aa ra; QUERY: 1; ANSWER: 1", said)
    assert "WARNING" not in said


def test_a_name_that_is_not_there(shared: Running) -> None:
    said = dig(shared, f"nothing.{DOMAIN}", "A")
    assert "status: NXDOMAIN" in said
    assert re.search(rf"^{DOMAIN}\.\s+60\s+IN\s+SOA\s", said, re.MULTILINE)


def test_a_name_of_others_is_refused_to_those_who_want_no_recursion(shared: Running) -> None:
    assert "status: REFUSED" in dig(shared, "www.example.org", "A", "+norecurse")


def test_a_challenge_alias_is_followed_into_the_auth_zone(shared: Running) -> None:
    assert shared.register("dug").returncode == 0
    target = dig(shared, f"_acme-challenge.dug.{DOMAIN}", "CNAME", "+short").strip()
    assert target.endswith(f".auth.{DOMAIN}.")
    said = dig(shared, f"_acme-challenge.dug.{DOMAIN}", "TXT")
    assert "status: NOERROR" in said
    assert target in said
    assert re.search(rf"^auth\.{DOMAIN}\.\s+\d+\s+IN\s+SOA\s", said, re.MULTILINE)


def test_several_questions_on_one_connection(shared: Running) -> None:
    names = [word for host in ("ca", "ns1", "auth") for word in (f"{host}.{DOMAIN}", "A")]
    assert dig(shared, "+tcp", "+keepopen", "+short", *names).split() == [HOST] * 3
