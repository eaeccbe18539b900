"""Requests without ACME at a node without the CA's key: nodes that have it answer them, tokens and all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from zonemint.app.host_certificates import elsewhere
from zonemint.core.errors import EnrollmentError, IssuanceError
from zonemint.enrollment.enrollment import Enrollment
from zonemint.enrollment.request import Answer, Request, answer, decode, encode, refusal, told
from zonemint.store import certificates, signings
from zonemint.store.certificates import Certificate
from zonemint.store.signings import Signing

__all__ = ["ENROLLMENT", "answering", "settle"]

ENROLLMENT = "enrollment:"
"""What stands instead of hosts where a node hands such a request over."""

_PATIENCE = 20.0  # seconds that a client waits for another node


def answering(enrollment: Enrollment, can_sign: Callable[[], bool]) -> Answer:
    """Return what answers a request here, or has it answered where the CA's key is."""

    async def answer_it(request: Request) -> Certificate:
        if can_sign():
            return await answer(enrollment, request)
        try:
            async with asyncio.timeout(_PATIENCE):
                done = await elsewhere(enrollment.db, (ENROLLMENT,), encode(request), now=enrollment.clock())
        except TimeoutError:
            raise IssuanceError("no node with the CA's key answered in time: try again") from None
        if done.error:
            raise refusal(done.error) or IssuanceError(done.error)
        signed = await enrollment.db.read(certificates.by_serial(done.serial))
        assert signed is not None
        return signed

    return answer_it


async def settle(enrollment: Enrollment, signing: Signing) -> None:
    """Answer what another node handed over; its word is taken for which certificate was shown, and for nothing else."""
    try:
        signed = await answer(enrollment, decode(signing.csr))
    except EnrollmentError as error:
        await enrollment.db.write(signings.finish(signing.id, error=told(error)))
    except IssuanceError as error:
        await enrollment.db.write(signings.finish(signing.id, error=str(error)))
    else:
        await enrollment.db.write(signings.finish(signing.id, serial=signed.serial))
