"""DNS over TLS and over HTTPS, asked by kdig, dig and curl, which check the certificate."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.interop.programs import run_program
from tests.ports import free_ports
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Ports, Running, running

pytestmark = pytest.mark.interop

DOT, DOH = free_ports(2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("encrypted") / "data"
    with running(folder, None, "--dot-port", str(DOT), "--doh-port", str(DOH)) as one:
        yield one


@pytest.fixture(scope="module")
def same_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose HTTPS listener answers queries, too."""
    ports = Ports.free()
    with running(tmp_path_factory.mktemp("same") / "data", ports, "--doh-port", str(ports.https)) as one:
        yield one


def ask(program: str, server: Running, port: int, *words: str) -> str:
    verify = [f"+tls-ca={server.root}", f"+tls-hostname=ns1.{DOMAIN}"]
    patience = {"kdig": ["+timeout=10", "+retry=0"], "dig": ["+time=10", "+tries=1"]}[program]
    base = [require_program(program), f"@{HOST}", "-p", str(port), *patience, *verify]
    return run_program([*base, *words], {"HOME": "/nonexistent"})


def test_up_says_where_it_is(server: Running, same_port: Running) -> None:
    assert f"DNS over TLS      {HOST} port {DOT}, name ns1.{DOMAIN}\n" in server.screen
    assert f"DNS over HTTPS    https://ns1.{DOMAIN}:{DOH}/dns-query\n" in server.screen
    assert f"DNS over HTTPS    https://ns1.{DOMAIN}:{same_port.ports.https}/dns-query\n" in same_port.screen


@pytest.mark.parametrize("program", ["kdig", "dig"])
@pytest.mark.parametrize("way", ["+tls", "+https", "+https-get"])
def test_clients_that_check_the_certificate_are_answered(server: Running, program: str, way: str) -> None:
    words = ["+https", "+https-get"] if program == "kdig" and way == "+https-get" else [way]
    said = ask(program, server, DOT if way == "+tls" else DOH, f"ca.{DOMAIN}", "A", "+norecurse", *words)
    assert "status: NOERROR" in said
    assert re.search(rf"^ca\.{DOMAIN}\.\s+300\s+IN\s+A\s+{HOST}$", said, re.MULTILINE)
    assert "WARNING" not in said


@pytest.mark.parametrize("program", ["kdig", "dig"])
def test_the_https_listener_answers_queries_beside_the_rest(same_port: Running, program: str) -> None:
    said = ask(program, same_port, same_port.ports.https, f"ca.{DOMAIN}", "A", "+https")
    assert re.search(rf"^ca\.{DOMAIN}\.\s+300\s+IN\s+A\s+{HOST}$", said, re.MULTILINE)
    # Clients of ACME that know only HTTP/1.1 are answered as before.
    assert b"newNonce" in same_port.get("/acme/acme/directory")


def test_a_large_answer_comes_whole(server: Running) -> None:
    assert "ANSWER: 1" in ask("kdig", server, DOT, DOMAIN, "SOA", "+tls", "+keepopen")


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
def test_curl_finds_a_host_through_it(server: Running, http: str) -> None:
    said = run_program(
        [
            require_program("curl"),
            "-sS",
            http,
            "--cacert",
            str(server.root),
            "--doh-url",
            f"https://localhost:{DOH}/dns-query",
            f"https://ca.{DOMAIN}:{server.ports.https}/acme/acme/directory",
        ],
        {"HOME": "/nonexistent"},
    )
    assert "newNonce" in said


def test_without_a_port_there_is_none(shared: Running) -> None:
    assert "DNS over" not in shared.screen
    request = [require_program("curl"), "-sS", "-o", "/dev/null", "-w", "%{http_code} %{http_version}"]
    said = run_program([*request, "--cacert", str(shared.root), f"{shared.url}/dns-query?dns=AAAA"], {"HOME": "/none"})
    assert said == "404 1.1"
