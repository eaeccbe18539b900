"""A request for a certificate without ACME, as a node takes it in: answered there, or by one that has the CA's key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

import msgspec

from zonemint.core.errors import EnrollmentError
from zonemint.enrollment.enrollment import Enrollment
from zonemint.store.certificates import Certificate

__all__ = ["Answer", "Request", "answer", "decode", "encode", "refusal", "told"]


class Request(msgspec.Struct, frozen=True):
    """What was asked, and by what right: a token, or the certificate (DER) whose key its owner has shown to have.

    Dates are in seconds since 1970; `csr` is PEM, and empty for a renewal; `source` is the client's address.
    """

    kind: Literal["sign", "renew", "rekey"]
    source: str
    csr: str = ""
    token: str = ""
    presented: bytes = b""
    not_before: int | None = None
    not_after: int | None = None


Answer: TypeAlias = Callable[[Request], Awaitable[Certificate]]
"""Returns the certificate; raises EnrollmentError, IssuanceError, StoreError."""

_request = msgspec.json.Decoder(Request)


async def answer(enrollment: Enrollment, request: Request) -> Certificate:
    """Answer on a node that has the CA's key; raises as `Answer` does."""
    match request.kind:
        case "sign":
            return await enrollment.sign(
                request.csr,
                request.token,
                not_before=request.not_before,
                not_after=request.not_after,
                source=request.source,
            )
        case "renew":
            return await enrollment.renew(request.presented, source=request.source)
        case "rekey":
            return await enrollment.rekey(request.presented, request.csr, source=request.source)


def encode(request: Request) -> bytes:
    """Write a request for another node."""
    return msgspec.json.encode(request)


def decode(content: bytes) -> Request:
    """Read what another node wrote; raises EnrollmentError."""
    try:
        return _request.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EnrollmentError(f"a node of another release asked: {error}", 500) from None


def told(error: EnrollmentError) -> str:
    """Write a refusal for the node that asked."""
    return f"{error.status} {error}"


def refusal(text: str) -> EnrollmentError | None:
    """Read a refusal that another node wrote; None if it was none of these."""
    status, _, detail = text.partition(" ")
    return EnrollmentError(detail, int(status)) if status.isdecimal() and detail else None
