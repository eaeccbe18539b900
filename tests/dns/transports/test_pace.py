"""Whether a socket is read at once or at a beat, every datagram is answered."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator

import pytest

from tests.dns.asking import lab_catalog, question, views
from zonemint.dns.answers.tally import Durations
from zonemint.dns.transports import pace
from zonemint.dns.transports.udp import UdpListener


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    for one in made:
        one.setblocking(False)
    yield made
    for one in made:
        one.close()


async def ask(clients: list[socket.socket], times: int) -> int:
    """Ask through all clients, each again when it was answered; return how many answers there were."""
    loop = asyncio.get_running_loop()
    message = question("www.lab.test.").to_wire()

    async def asking(client: socket.socket) -> int:
        for _ in range(times):
            await loop.sock_sendall(client, message)
            await asyncio.wait_for(loop.sock_recv(client, 512), 10)
        return times

    return sum(await asyncio.gather(*map(asking, clients)))


@pytest.mark.skipif(sys.platform != "linux", reason="timers are descriptors on Linux only")
@pytest.mark.parametrize("batched", [False, True])
async def test_much_is_read_at_a_beat_and_little_at_once(
    clients: list[socket.socket], batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_MUCH", 1)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    for client in clients:
        client.connect(sock.getsockname())
    listener = UdpListener(sock, views(lab_catalog()), lambda: None, Durations(), batched=batched)
    beats = []
    monkeypatch.setattr(pace, "_FEW", -1)
    for _ in range(3):
        assert await ask(clients, 20) == 160
        beats.append(listener._pace._beats)
    assert beats[-1]
    listener.pause()
    assert not listener._pace._beats
    listener.resume()
    assert await ask(clients, 20) == 160
    monkeypatch.setattr(pace, "_FEW", 64)
    monkeypatch.setattr(pace, "_MUCH", 1 << 40)
    assert await ask(clients, 20) == 160
    assert not listener._pace._beats
    listener.close()
