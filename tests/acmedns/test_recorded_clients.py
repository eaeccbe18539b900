"""What each client of acme-dns sends, by its bytes, and what it reads out of the reply, on both stores.

The requests are written down from the clients' sources: their headers in their order and spelling, their JSON with its
spaces and its letter case.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.programs import require_program
from tests.web.lab import HOST, Lab
from tests.web.wire import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

TXT = "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo"
Account = dict[str, Any]

GO = "Accept-Encoding: gzip"
GOACMEDNS = "User-Agent: goacmedns (linux; amd64)"
JSON = "Content-Type: application/json"
REQUESTS = ["Accept-Encoding: gzip, deflate", "Accept: */*", "Connection: keep-alive"]
ACME_SH = "User-Agent: acme.sh/3.1.0 (https://github.com/acmesh-official/acme.sh)"
FORM = "Content-Type: application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Client:
    """How a client writes its requests; `$USER`, `$KEY`, `$SUB`, `$TXT` and `$LENGTH` are filled in.

    `register` is None where the client never registers. `reads` tells whether the client goes on.
    """

    register: tuple[list[str], str] | None
    update: tuple[list[str], str]
    reads: Callable[[Reply], bool]


CLIENTS = {
    "acme-dns-auth.py": Client(
        (["User-Agent: python-requests/2.31.0", *REQUESTS, "Content-Length: 0"], ""),
        (
            [
                "User-Agent: python-requests/2.31.0",
                *REQUESTS,
                "X-Api-User: $USER",
                "X-Api-Key: $KEY",
                JSON,
                "Content-Length: $LENGTH",
            ],
            '{"subdomain": "$SUB", "txt": "$TXT"}',
        ),
        lambda reply: reply.status == 200,
    ),
    "acme-dns-auth.py with ALLOW_FROM": Client(
        (
            ["User-Agent: python-requests/2.31.0", *REQUESTS, "Content-Length: $LENGTH"],
            '{"allowfrom": ["127.0.0.0/8", "::1/128"]}',
        ),
        (
            [
                "User-Agent: python-requests/2.31.0",
                *REQUESTS,
                "X-Api-User: $USER",
                "X-Api-Key: $KEY",
                JSON,
                "Content-Length: $LENGTH",
            ],
            '{"subdomain": "$SUB", "txt": "$TXT"}',
        ),
        lambda reply: reply.status == 200,
    ),
    "certbot-dns-acmedns": Client(
        None,
        (
            [
                "User-Agent: python-requests/2.32.5",
                *REQUESTS,
                "X-Api-User: $USER",
                "X-Api-Key: $KEY",
                JSON,
                "Content-Length: $LENGTH",
            ],
            '{"subdomain": "$SUB", "txt": "$TXT"}',
        ),
        lambda reply: reply.status == 200 and isinstance(reply.json(), dict),
    ),
    "acme-dns-client, older lego": Client(
        ([GOACMEDNS, "Content-Length: 0", JSON, GO], ""),
        (
            [GOACMEDNS, "Content-Length: $LENGTH", JSON, "X-Api-Key: $KEY", "X-Api-User: $USER", GO],
            '{"SubDomain":"$SUB","Txt":"$TXT"}',
        ),
        lambda reply: reply.status == 200,
    ),
    "cert-manager to 1.18": Client(
        None,
        (
            [GOACMEDNS, "Content-Length: $LENGTH", JSON, "X-Api-Key: $KEY", "X-Api-User: $USER", GO],
            '{"SubDomain":"$SUB","Txt":"$TXT"}',
        ),
        lambda reply: reply.status == 200,
    ),
    "lego, Traefik, cert-manager from 1.19": Client(
        ([GOACMEDNS, "Content-Length: $LENGTH", JSON, GO], "null\n"),
        (
            [GOACMEDNS, "Content-Length: $LENGTH", JSON, "X-Api-Key: $KEY", "X-Api-User: $USER", GO],
            '{"subdomain":"$SUB","txt":"$TXT"}\n',
        ),
        lambda reply: reply.status // 100 == 2,
    ),
    "lego with ACME_DNS_ALLOWLIST": Client(
        ([GOACMEDNS, "Content-Length: $LENGTH", JSON, GO], '{"allowfrom":["127.0.0.1/32"]}\n'),
        (
            [GOACMEDNS, "Content-Length: $LENGTH", JSON, "X-Api-Key: $KEY", "X-Api-User: $USER", GO],
            '{"subdomain":"$SUB","txt":"$TXT"}\n',
        ),
        lambda reply: reply.status // 100 == 2,
    ),
    "acme.sh": Client(
        ([ACME_SH, "Accept: */*", "Content-Length: 0", FORM], ""),
        (
            [ACME_SH, "Accept: */*", "X-Api-User: $USER", "X-Api-Key: $KEY", "Content-Length: $LENGTH", FORM],
            '{"subdomain":"$SUB", "txt": "$TXT"}',
        ),
        lambda reply: f'"{TXT}"'.encode() in reply.body,
    ),
    "Caddy": Client(
        None,
        (
            [
                "User-Agent: Go-http-client/1.1",
                "Content-Length: $LENGTH",
                JSON,
                "X-Api-Key: $KEY",
                "X-Api-User: $USER",
                GO,
            ],
            '{"subdomain":"$SUB","txt":"$TXT"}',
        ),
        lambda reply: reply.status == 200,
    ),
    "the seed's curl": Client(
        # -X POST without data: no Content-Length at all.
        (["User-Agent: curl/7.88.1", "Accept: */*", JSON], ""),
        (
            [
                "User-Agent: curl/7.88.1",
                "Accept: */*",
                "X-Api-User: $USER",
                "X-Api-Key: $KEY",
                "Content-Length: $LENGTH",
                FORM,
            ],
            '{"subdomain": "$SUB", "txt": "$TXT"}',
        ),
        lambda reply: reply.body == b'{"txt": "%s"}' % TXT.encode(),
    ),
    "zonemint-certbot-hook": Client(
        (["Accept-Encoding: identity", "Content-Length: 0", "User-Agent: Python-urllib/3.11", JSON], ""),
        (
            [
                "Accept-Encoding: identity",
                "Content-Length: $LENGTH",
                "User-Agent: Python-urllib/3.11",
                JSON,
                "X-api-user: $USER",
                "X-api-key: $KEY",
            ],
            '{"subdomain": "$SUB", "txt": "$TXT"}',
        ),
        lambda reply: reply.status == 200,
    ),
}


async def send(lab: Lab, path: str, shape: tuple[list[str], str], account: Account) -> Reply:
    """Send the bytes; the one thing added is that the connection ends, where the client would keep it."""
    lines, body = shape
    words = {"$USER": account.get("username", ""), "$KEY": account.get("password", "")}
    words |= {"$SUB": account.get("subdomain", ""), "$TXT": TXT}
    for word, value in words.items():
        body = body.replace(word, value)
        lines = [line.replace(word, value) for line in lines]
    head = [f"POST {path} HTTP/1.1", f"Host: {HOST}", *(line for line in lines if not line.startswith("Connection"))]
    text = "\r\n".join([*head, "Connection: close", "", body]).replace("$LENGTH", str(len(body)))
    return await lab.send_raw(text.encode())


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_registers_updates_and_is_answered_in_what_it_reads(lab: Lab, name: str) -> None:
    client = CLIENTS[name]
    if client.register is None:
        account: Account = (await lab.send("POST", "/register")).json()
    else:
        reply = await send(lab, "/register", client.register, {})
        assert (reply.status, reply.header("Content-Type")) == (201, "application/json")
        account = reply.json()
        assert list(account) == ["username", "password", "fulldomain", "subdomain", "allowfrom"]
        asked = re.search(r"\[.*\]", client.register[1])
        assert account["allowfrom"] == (json.loads(asked[0]) if asked else [])
    reply = await send(lab, "/update", client.update, account)
    assert client.reads(reply), reply
    assert await lab.texts(account["fulldomain"]) == [TXT]


async def test_acme_sh_takes_the_account_out_of_the_reply_with_sed(lab: Lab) -> None:
    """Its own expression, run by sed on our bytes."""
    registered = CLIENTS["acme.sh"].register
    assert registered is not None
    reply = await send(lab, "/register", registered, {})
    for field in ("username", "password", "fulldomain", "subdomain"):
        script = f's/^{{.*\\"{field}\\":[ ]*\\"\\([^\\"]*\\)\\".*}}/\\1/p'
        words = [require_program("sed"), "-n", script]
        done = await asyncio.to_thread(subprocess.run, words, input=reply.body, capture_output=True, check=True)
        assert done.stdout.decode().rstrip("\n") == reply.json()[field]
