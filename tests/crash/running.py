"""A whole run: clients at work, servers killed, and then the reckoning."""

from __future__ import annotations

import asyncio
import random

from tests.crash.checks import check_audit, check_files, check_promises, check_store, check_words
from tests.crash.lab import Lab
from tests.crash.monitor import crl_of, watch
from tests.crash.nodes import keep_killing
from tests.crash.worker import Worker

__all__ = ["crash"]

_LOOKS = 100  # at a CRL, five a second, until it has every revocation


async def crash(lab: Lab, *, seconds: float, seed: int, clients: int) -> None:
    """Let clients work for so long while servers are killed, and check all that must hold; raises AssertionError."""
    rng = random.Random(seed)
    for node in lab.nodes:
        await node.start()
    workers = [Worker(lab, number, random.Random(rng.random())) for number in range(clients)]
    stop_killing, stop_working = asyncio.Event(), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.work(stop_working))
            group.create_task(watch(lab.nodes, lab.ledger, stop_working))
            killing = group.create_task(keep_killing(lab.nodes, lab.ledger, rng, stop_killing))
            await asyncio.sleep(seconds)
            stop_killing.set()
            await killing
            stop_working.set()
        for worker in workers:
            await worker.finish()
            await worker.close()
        await _check_lists(lab)
    finally:
        for node in lab.nodes:
            await node.end()
    await check_files(lab)
    await check_promises(lab)
    await check_store(lab)
    await check_audit(lab)
    check_words(lab)


async def _check_lists(lab: Lab) -> None:
    """Every node's CRL comes to list exactly what was revoked."""
    for node in lab.nodes:
        for _ in range(_LOOKS):
            _, listed = await asyncio.to_thread(crl_of, node)
            if listed == lab.ledger.revoked:
                break
            await asyncio.sleep(0.2)
        assert listed == lab.ledger.revoked
