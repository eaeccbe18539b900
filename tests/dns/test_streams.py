"""Answers of many messages over a connection (RFC 5936 section 2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from tests.dns.asking import lab_catalog, question
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Reply, Services, Stream
from zonemint.dns.answers.views import Views
from zonemint.dns.server import DnsServer

COUNT = 400
SIZE = 60_000


async def test_they_are_made_as_the_client_reads_them_and_hold_up_no_other_answer() -> None:
    made, began = 0, asyncio.Event()

    def many(message: bytes, client: Client) -> Reply:
        def messages() -> Iterator[bytes]:
            nonlocal made
            for number in range(COUNT):
                made += 1
                began.set()
                yield message[:2] + number.to_bytes(2, "big") + bytes(SIZE)

        return Stream(messages())

    server = DnsServer(Views(Responder(lab_catalog(), Services(types={252: many}))))
    await server.start(["127.0.0.1"], 0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        asked = [question("lab.test.", "AXFR"), question("www.lab.test.")]
        for one in asked:
            wire = one.to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
        await began.wait()
        # Time in which it would be done if nobody held it back.
        await asyncio.sleep(0.2)
        assert 0 < made < COUNT
        numbers: list[int] = []
        others = 0
        while len(numbers) < COUNT:
            message = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            if message[:2] == asked[0].to_wire()[:2]:
                numbers.append(int.from_bytes(message[2:4], "big"))
            else:
                others += 1
                assert len(numbers) < COUNT - 1
        assert numbers == list(range(COUNT))
        assert others == 1
        writer.close()
    finally:
        await server.close()
