"""Which challenges an authorization offers, and certificates by each of them (RFC 8555 section 8, 8737, 8738)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace

from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_challenges import ended, events_of
from tests.acme.test_requests import assert_refused
from tests.validation.certificates import made, server_context
from tests.validation.servers import Talk, serving
from tests.web.lab import Lab, running, settings
from zonemint.config import Acme, Config, Validation
from zonemint.config.values import Seconds
from zonemint.validation.tlsalpn01 import ACME_IDENTIFIER, PROTOCOL

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOPBACK = ("127.0.0.0/8", "::1/128")


def config(*challenges: str, allow: tuple[str, ...] = LOOPBACK, http: int = 1, https: int = 1) -> Config:
    validation = Validation(
        attempts=1, interval=Seconds(0.02), timeout=Seconds(2), http_port=http, https_port=https, allow=allow
    )
    acme = Acme(challenges=challenges) if challenges else Acme()
    return replace(settings(), validation=validation, acme=acme)


async def offered(client: Client, *names: str, ips: tuple[str, ...] = ()) -> list[list[str]]:
    order = (await client.order(*names, ips=ips)).json()
    shown = [(await client.post(url)).json() for url in order["authorizations"]]
    return [[challenge["type"] for challenge in one["challenges"]] for one in shown]


async def test_what_is_offered_depends_on_the_identifier(lab: Lab) -> None:
    client = await registered(lab)
    assert await offered(client, "a.lab.test", "*.a.lab.test", ips=("10.0.0.1", "fd00::1")) == [
        ["dns-01", "http-01", "tls-alpn-01"],
        ["dns-01"],
        ["http-01", "tls-alpn-01"],
        ["http-01", "tls-alpn-01"],
    ]


async def test_the_challenges_of_an_authorization_are_told_apart_by_their_urls(lab: Lab) -> None:
    client = await registered(lab)
    url = (await client.order("apart.lab.test")).json()["authorizations"][0]
    challenges = (await client.post(url)).json()["challenges"]
    assert len({one["url"] for one in challenges}) == 3
    for one in challenges:
        assert (await client.post(one["url"])).json() == one
        assert one.keys() == {"type", "url", "status", "token"}


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("10.0.0.1", ""),
        ("fd00::1", ""),
        ("FD00::A", ""),
        ("8.8.8.8", "rejectedIdentifier"),
        ("fd00:0::1", "rejectedIdentifier"),
        ("010.0.0.1", "rejectedIdentifier"),
        ("10.1", "rejectedIdentifier"),
        ("::ffff:10.0.0.1", "rejectedIdentifier"),
        ("fe80::1%eth0", "rejectedIdentifier"),
        ("[fd00::1]", "rejectedIdentifier"),
        ("10.0.0.0/8", "rejectedIdentifier"),
        ("server.lab.test", "rejectedIdentifier"),
        ("", "rejectedIdentifier"),
    ],
)
async def test_addresses_are_taken_in_their_canonical_text_alone(lab: Lab, address: str, problem: str) -> None:
    client = await registered(lab)
    reply = await client.order(ips=(address,))
    if problem:
        assert_refused(reply, 400, problem)
        assert reply.json()["subproblems"][0]["identifier"] == {"type": "ip", "value": address.lower()}
    else:
        assert reply.json()["identifiers"] == [{"type": "ip", "value": address.lower()}]


@pytest.mark.asyncio(loop_scope="function")
async def test_challenges_can_be_turned_off_and_ordered(tmp_path: Path) -> None:
    async with running(tmp_path / "data", config("http-01", "dns-01")) as lab:
        client = await registered(lab)
        assert await offered(client, "a.lab.test", "*.a.lab.test", ips=("10.0.0.1",)) == [
            ["http-01", "dns-01"],
            ["dns-01"],
            ["http-01"],
        ]


@pytest.mark.asyncio(loop_scope="function")
async def test_what_no_challenge_proves_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "data", config("http-01")) as lab:
        client = await registered(lab)
        refused = await client.order("*.a.lab.test")
        assert_refused(refused, 400, "rejectedIdentifier")
        assert "no challenge" in refused.json()["detail"]
    async with running(tmp_path / "data", config("dns-01")) as lab:
        client.lab = lab
        assert_refused(await client.order(ips=("10.0.0.1",)), 400, "unsupportedIdentifier")


@pytest.mark.asyncio(loop_scope="function")
async def test_a_challenge_that_was_turned_off_meanwhile_ends(tmp_path: Path) -> None:
    async with running(tmp_path / "data", config()) as lab:
        client = await registered(lab)
        reply = await client.order("off.lab.test")
        challenge = await client.challenge(reply.json()["authorizations"][0], "http-01")
    async with running(tmp_path / "data", config("dns-01")) as lab:
        client.lab = lab
        assert (await client.post(challenge["url"], {})).json()["status"] == "invalid"
        order = await ended(client, reply.header("Location") or "")
        assert order["error"]["type"].endswith(":unauthorized")
        assert "no longer offered" in order["error"]["detail"]


class Machine:
    """A host with a web server on each port, which shows what a client puts into `pages` and `tls`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages: dict[str, str] = {}
        self.tls = server_context(folder, "nothing.test", protocols=[PROTOCOL])

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        body = self.pages.get(path)
        status = "404 Not Found" if body is None else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\n\r\n{body or ''}".encode())
        await writer.drain()

    async def silent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    def show(self, challenge: dict[str, Any], name: x509.GeneralName, key_authorization: str) -> None:
        if challenge["type"] == "http-01":
            self.pages[f"/.well-known/acme-challenge/{challenge['token']}"] = key_authorization + "\n"
            return
        key = ec.generate_private_key(ec.SECP256R1())
        value = b"\x04\x20" + sha256(key_authorization.encode()).digest()
        extension = x509.UnrecognizedExtension(ACME_IDENTIFIER, value)
        fresh = server_context(
            self.folder, certificate=made([name], [(extension, True)], key=key), key=key, protocols=[PROTOCOL]
        )
        self.tls.sni_callback = lambda sock, _, __: setattr(sock, "context", fresh)


@pytest.mark.parametrize("type_", ["http-01", "tls-alpn-01"])
@pytest.mark.parametrize("identifier", ["host.lab.test", "127.0.0.1", "::1"])
@pytest.mark.asyncio(loop_scope="function")
async def test_a_certificate_by_each_challenge_for_a_name_and_an_address(
    tmp_path: Path, type_: str, identifier: str
) -> None:
    is_name = identifier == "host.lab.test"
    names, ips = ([identifier], []) if is_name else ([], [identifier])
    host = "127.0.0.1" if is_name else identifier
    machine = Machine(tmp_path)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(serving(machine.http, host=host))
        https = await stack.enter_async_context(serving(machine.silent, host=host, tls=machine.tls))
        lab = await stack.enter_async_context(running(tmp_path / "data", config(http=http, https=https)))
        if is_name:
            await lab.add_record(identifier, "A", host)
        client = await registered(lab)
        reply = await client.order(*names, ips=ips)
        url, authorization = reply.header("Location") or "", reply.json()["authorizations"][0]
        challenge = await client.challenge(authorization, type_)
        san = x509.DNSName(identifier) if is_name else x509.IPAddress(ip_address(identifier))
        machine.show(challenge, san, client.key_authorization(challenge))
        assert (await client.post(challenge["url"], {})).status == 200
        order = await ended(client, url)
        assert order["status"] == "ready", order
        (decided,) = (await client.post(authorization)).json()["challenges"]
        assert (decided["type"], decided["status"]) == (type_, "valid")
        done = (await client.post(order["finalize"], {"csr": b64url(csr_of(*names, ips=ips))})).json()
        leaf = x509.load_pem_x509_certificates((await client.post(done["certificate"])).body)[0]
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert list(extension.value) == [san]
        assert extension.critical is not is_name
        event = next(one for one in events_of(lab, url) if one.what in ("http-get", "tls-alpn"))
        assert event.peer in (f"{host}:{http}", f"{host}:{https}", f"[{host}]:{http}", f"[{host}]:{https}")
        # Authority over the address is authority to revoke.
        der = b64url(leaf.public_bytes(Encoding.DER))
        assert (await client.post(f"{BASE}/revoke-cert", {"certificate": der})).status == 200


@pytest.mark.asyncio(loop_scope="function")
async def test_a_fenced_address_is_told_and_nothing_is_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path / "data", config(allow=())) as lab:
        client = await registered(lab)
        reply = await client.order(ips=("127.0.0.1",))
        challenge = await client.challenge(reply.json()["authorizations"][0], "http-01")
        await client.post(challenge["url"], {})
        error = (await ended(client, reply.header("Location") or ""))["error"]
        assert error["type"].endswith(":connection")
        assert error["identifier"] == {"type": "ip", "value": "127.0.0.1"}
        assert "127.0.0.1 is a loopback address, and validation.allow does not have it" in error["detail"]


@pytest.mark.asyncio(loop_scope="function")
async def test_the_first_challenge_that_is_decided_decides(tmp_path: Path) -> None:
    """One is under way at a server that says nothing, when another one fails; nothing of the first is left."""
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()

    talk: Talk = silent
    async with serving(talk) as http, running(tmp_path / "data", config(http=http)) as lab:
        await lab.add_record("both.lab.test", "A", "127.0.0.1")
        client = await registered(lab)
        reply = await client.order("both.lab.test")
        authorization = reply.json()["authorizations"][0]
        slow = await client.challenge(authorization, "http-01")
        assert (await client.post(slow["url"], {})).json()["status"] == "processing"
        await asked.wait()
        failing = await client.challenge(authorization, "dns-01")
        await client.post(failing["url"], {})
        await ended(client, reply.header("Location") or "")
        shown = (await client.post(authorization)).json()
        assert shown["status"] == "invalid"
        assert [(one["type"], one["status"]) for one in shown["challenges"]] == [("dns-01", "invalid")]
        left = await client.post(slow["url"])
        assert left.json()["status"] == "invalid"
        assert left.header("Retry-After") is None
        async with asyncio.timeout(10):
            while lab.rows("SELECT * FROM validations"):  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.05)
