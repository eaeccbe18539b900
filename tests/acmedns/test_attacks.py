"""What an attacker sends, and the answer that is right for it."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.acmedns.test_registration import VALUE, update, with_api
from tests.web.lab import HOST, Lab, running
from tests.web.wire import Reply

FORBIDDEN = b'{"error": "forbidden"}'
FORGED = (
    "X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP",
    "X-Originating-IP", "X-Remote-Addr", "Via", "Client-IP",
)  # fmt: skip


async def registered(lab: Lab, body: bytes = b"") -> dict[str, Any]:
    account: dict[str, Any] = (await lab.send("POST", "/register", body=body)).json()
    return account


@pytest.mark.parametrize("proxies", [(), ("127.0.0.1/32",)])
async def test_forged_headers_move_no_client(tmp_path: Path, proxies: tuple[str, ...]) -> None:
    """Behind a proxy only X-Forwarded-For counts, and of it the last address, which is the proxy's word."""
    config = with_api(trusted_proxies=proxies, registration=("10.0.0.0/8",) if proxies else ("192.0.2.0/24",))
    async with running(tmp_path / "data", config) as lab:
        for header in FORGED:
            for text in ("10.0.0.1", "192.0.2.1", "for=192.0.2.1", "10.0.0.1, 203.0.113.1", "192.0.2.1, 203.0.113.1"):
                if proxies and header == "X-Forwarded-For" and text == "10.0.0.1":
                    continue
                reply = await lab.send("POST", "/register", {header: text})
                assert (reply.status, reply.body) == (403, FORBIDDEN), (header, text)


async def test_allowfrom_is_not_passed_with_a_forged_header(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api()) as lab:
        account = await registered(lab, b'{"allowfrom":["10.1.0.0/16"]}')
        for header in FORGED:
            assert (await update(lab, account, **{header: "10.1.2.3"})).body == FORBIDDEN
        assert await lab.texts(account["fulldomain"]) == []


async def test_a_foreign_subdomain_is_refused_in_every_shape(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api()) as lab:
        mine, theirs = await registered(lab), await registered(lab)
        headers = {"X-Api-User": mine["username"], "X-Api-Key": mine["password"]}
        for name in (
            theirs["subdomain"], theirs["subdomain"].upper(), theirs["fulldomain"], theirs["username"],
            f"{mine['subdomain']}.{theirs['subdomain']}", f"{mine['subdomain']}\x00", f" {mine['subdomain']}",
            mine["subdomain"].upper(), [mine["subdomain"]], {"": mine["subdomain"]}, "%", "' OR 1=1 --", "",
        ):  # fmt: skip
            body = json.dumps({"subdomain": name, "txt": VALUE}).encode()
            reply = await lab.send("POST", "/update", headers, body)
            assert (reply.status, reply.body) == (401, FORBIDDEN), name
        # Of two members with one name the last counts, once: what is checked is what is set.
        twice = f'{{"subdomain":"{mine["subdomain"]}","SubDomain":"{theirs["subdomain"]}","txt":"{VALUE}"}}'.encode()
        assert (await lab.send("POST", "/update", headers, twice)).body == FORBIDDEN
        assert await lab.texts(theirs["fulldomain"]) == []
        assert await lab.texts(mine["fulldomain"]) == []


async def test_a_replayed_update_changes_nothing_and_pushes_nothing_out(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api(values=2)) as lab:
        account = await registered(lab)
        assert (await update(lab, account, "a" * 43)).status == 200
        assert (await update(lab, account, "b" * 43)).status == 200
        for _ in range(5):
            assert (await update(lab, account, "a" * 43)).status == 200
        assert sorted(await lab.texts(account["fulldomain"])) == ["a" * 43, "b" * 43]


async def test_a_replayed_update_after_a_rotation_or_a_deletion_is_refused(tmp_path: Path) -> None:
    from zonemint.acmedns import administration
    from zonemint.store.opening import open_store

    async with running(tmp_path / "data", with_api()) as lab:
        account = await registered(lab)
        assert (await update(lab, account)).status == 200
        db = await open_store("", lab.data.database)
        found = await db.read(administration.find(account["username"]))
        assert found is not None
        assert await db.write(administration.rotate(found, actor="test", via="test", now=1)) is not None
        assert (await update(lab, account, "n" * 43)).body == FORBIDDEN
        assert await lab.texts(account["fulldomain"]) == [VALUE]
        assert await db.write(administration.rotate(found, actor="test", via="test", now=1)) is None
        assert await db.write(administration.delete(found, actor="test", via="test", now=1)) == []
        assert await db.write(administration.delete(found, actor="test", via="test", now=1)) is None
        assert (await update(lab, account)).body == FORBIDDEN
        await db.close()


@pytest.mark.parametrize("head", ["Content-Length: 1073741824", "Transfer-Encoding: chunked"])
async def test_a_body_of_a_gigabyte_is_refused_when_it_is_announced_or_has_begun(tmp_path: Path, head: str) -> None:
    async with running(tmp_path / "data", with_api()) as lab:
        for path in ("/update", "/register", "/storage/a.lab.test", "/api/v1/txt-accounts/x/key"):
            status, sent = await _pour(lab, path, head)
            assert status == 413, path
            assert sent < 16 << 20, path


async def _pour(lab: Lab, path: str, head: str) -> tuple[int, int]:
    """Send a body until the server answers; return its status and how many octets it let us send."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", lab.server.https_port, ssl=lab.tls, server_hostname=HOST
    )
    writer.write(f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{head}\r\n\r\n".encode())
    answer = asyncio.ensure_future(reader.readline())
    piece, sent = b"x" * 65536, 0
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if "chunked" in head else piece
    async with asyncio.timeout(20):
        while not answer.done() and sent < 1 << 30:
            try:
                writer.write(chunk)
                await writer.drain()
            except (ConnectionError, ssl.SSLError):
                break
            sent += len(piece)
            await asyncio.sleep(0)
        line = await answer
    writer.transport.abort()
    return int(line.split()[1]), sent


async def test_a_hundred_thousand_registrations_from_one_address_are_bounded(tmp_path: Path) -> None:
    """A hundred connections ask a thousand times each: what one minute allows is made, and all else is told to wait."""
    async with running(tmp_path / "data", with_api()) as lab:
        asked = b"POST /register HTTP/1.1\r\nHost: ca.lab.test\r\nContent-Length: 0\r\n\r\n"

        async def flood() -> list[bytes]:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", lab.server.https_port, ssl=lab.tls, server_hostname=HOST
            )
            statuses = []
            for _ in range(100):
                writer.write(asked * 10)
                for _ in range(10):
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
                    body = await reader.readexactly(length)
                    statuses.append(head.split()[1])
                    if statuses[-1] == b"429":
                        assert body == b'{"error": "too_many_requests"}'
                        assert b"retry-after: " in head.lower()
            writer.transport.abort()
            return statuses

        async with asyncio.timeout(300):
            told = [one for many in await asyncio.gather(*[flood() for _ in range(100)]) for one in many]
        assert len(told) == 100_000
        made = told.count(b"201")
        ((stored,),) = lab.rows("SELECT count(*) FROM txt_accounts")
        assert made == stored
        assert set(told) == {b"201", b"429"}
        minutes = 5  # no longer than the time that the test has
        assert 120 <= made <= 120 * (minutes + 1)
        reply: Reply = await lab.send("GET", "/health")
        assert reply.status == 200
