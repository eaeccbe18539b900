"""DNS over HTTPS (RFC 8484), the resource by itself."""

from __future__ import annotations

import base64
from ipaddress import ip_network

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import lab_catalog, question
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.views import Views
from zonemint.dns.server import DnsServer
from zonemint.web.doh import DohResources
from zonemint.web.endpoint import Call, Sources
from zonemint.web.reply import Reply

TYPE = {"content-type": "application/dns-message"}
WWW = question("www.lab.test.", payload=1232).to_wire()


async def call(
    method: str,
    *,
    query: str = "",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    seen: list[Client] | None = None,
    sources: Sources = Sources(),  # noqa: B008
) -> Reply:
    server = DnsServer(Views(Responder(lab_catalog({"one": ["value"]}.get))))

    async def answer(message: bytes, client: Client) -> bytes | None:
        if seen is not None:
            seen.append(client)
        return await server.answer_to(message, client)

    (route,) = DohResources(answer, sources).routes()
    assert route.path == "/dns-query"
    return await route.endpoint.respond(Call(method, headers or {}, {}, query, body, "2001:db8::7", route.path))


def get(message: bytes) -> str:
    return "dns=" + base64.urlsafe_b64encode(message).decode().rstrip("=")


def age(reply: Reply) -> str:
    return dict(reply.headers)["cache-control"]


async def test_get_and_post_say_what_tcp_says() -> None:
    seen: list[Client] = []
    replies = [
        await call("GET", query=get(WWW), seen=seen),
        await call("GET", query="a=b&" + get(WWW) + "&c", seen=seen),
        await call("POST", body=WWW, headers=TYPE, seen=seen),
        await call("POST", body=WWW, headers={"content-type": "Application/DNS-message; x=y"}, seen=seen),
    ]
    for reply in replies:
        assert (reply.status, dict(reply.headers)["content-type"]) == (200, "application/dns-message")
        assert dns.message.from_wire(WWW).is_response(dns.message.from_wire(reply.body))
        assert reply.body == replies[0].body
    assert seen == [Client.of("2001:db8::7", 0, Transport.HTTPS)] * 4


@pytest.mark.parametrize(
    ("name", "type_", "expected"),
    [
        ("www.lab.test.", "A", "max-age=300"),
        ("nothing.lab.test.", "A", "max-age=60"),
        ("one.auth.lab.test.", "TXT", "max-age=1"),
        ("www.elsewhere.example.", "A", "no-store"),
    ],
)
async def test_caches_keep_an_answer_no_longer_than_its_shortest_record(name: str, type_: str, expected: str) -> None:
    assert age(await call("GET", query=get(question(name, type_).to_wire()))) == expected


@pytest.mark.parametrize(
    "query", ["", "dns=", "dns=A", "dns=a+b%2B", "dns=%00", f"{get(WWW)}&{get(WWW)}", "dns=%C3%A9AA"]
)
async def test_a_url_without_one_message_is_a_bad_request(query: str) -> None:
    reply = await call("GET", query=query)
    assert reply.status == 400
    assert dict(reply.headers)["content-type"] == "application/problem+json"


async def test_what_is_no_query_is_a_bad_request() -> None:
    response = WWW[:2] + b"\x81" + WWW[3:]
    for body in (b"", b"\0" * 11, response):
        assert (await call("POST", body=body, headers=TYPE)).status == 400


@pytest.mark.parametrize("said", ["unknown", "192.0.2.1:4711", "a, b"])
async def test_a_proxy_that_names_no_address_is_told_so(said: str) -> None:
    """Whom the question is from decides what is answered, so it is not taken for the proxy's own either."""
    proxies = Sources([ip_network("2001:db8::/32")])
    reply = await call("POST", body=WWW, headers={**TYPE, "x-forwarded-for": said}, sources=proxies)
    assert reply.status == 400
    assert b"X-Forwarded-For" in reply.body


async def test_other_media_types_methods_and_sizes_are_refused() -> None:
    assert (await call("POST", body=WWW)).status == 415
    assert (await call("POST", body=WWW, headers={"content-type": "application/json"})).status == 415
    assert (await call("PUT", body=WWW, headers=TYPE)).status == 405
    assert (await call("POST", body=bytes(65536), headers=TYPE)).status == 413


@given(st.binary(max_size=100), st.integers(0, len(WWW)))
async def test_bytes_of_any_kind_get_an_answer_of_dns_or_of_http(noise: bytes, at: int) -> None:
    for message in (noise, WWW[:at] + noise, WWW[:at] + noise + WWW[at:]):
        reply = await call("POST", body=message, headers=TYPE)
        assert reply.status in {200, 400}
        if reply.status == 200:
            assert reply.body[:2] == message[:2]
