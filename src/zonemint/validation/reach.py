"""The way to a host that a client named: looked up once, held against the fence, tried address by address."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter

from zonemint.core.clock import Clock
from zonemint.core.errors import AcmeErrorType, Unproven
from zonemint.core.trace import Event
from zonemint.validation.addresses import addresses
from zonemint.validation.fence import Fence
from zonemint.validation.method import Tell
from zonemint.validation.resolver import Resolver
from zonemint.validation.stream import Stream, place, reason

__all__ = ["Reach"]


@dataclass(frozen=True, slots=True)
class Reach:
    """Connects to hosts; `timeout` is the seconds for one address, and for one answer."""

    resolver: Resolver
    fence: Fence
    clock: Clock
    timeout: float

    async def connect(self, host: str, port: int, what: str, tell: Tell) -> Stream:
        """Connect to the first address of a host that lets us; `what` is the request, for those who read of it.

        The address that is checked is the one that is connected to: nothing is looked up in between. Raises Unproven.
        """
        found = await addresses(self.resolver, host, tell)
        failures: list[str] = []
        fenced = True
        for address in found:
            where = place(address, port)
            began, at = perf_counter(), self.clock()
            if (refusal := self.fence.refusal(address)) is not None:
                failure = f"not tried: {refusal}"
            else:
                fenced = False
                try:
                    # A dead address must leave time for the others.
                    async with asyncio.timeout(self.timeout / len(found)):
                        return await Stream.connect(address, port)
                except TimeoutError:
                    failure = f"no connection within {self.timeout / len(found):g} s; is a firewall in the way?"
                except OSError as error:
                    failure = reason(error)
            ms = (perf_counter() - began) * 1000
            tell(Event(at, "connect", "ca", where, f"{what}: {failure}", ms, {"host": host}))
            failures.append(f"{where}: {failure}")
        # What the fence refuses is refused the next time, too.
        raise Unproven(AcmeErrorType.CONNECTION, f"{what} of {'; '.join(failures)}", again=not fenced)
