"""Certificates without ACME over HTTPS, at the URLs and in the shapes that step's clients know.

Each URL is there with and without `/1.0` before it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.core.clock import Clock
from zonemint.core.errors import EnrollmentError, IssuanceError, StoreUnavailable
from zonemint.enrollment.request import Answer, Request
from zonemint.pki import issue
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import Issuer
from zonemint.store import token_issuers
from zonemint.store.certificates import Certificate
from zonemint.store.database import Database
from zonemint.store.token_issuers import TokenIssuer
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Handler, Refusal, Sources
from zonemint.web.problems import RETRY_AFTER
from zonemint.web.reply import Reply

__all__ = ["EnrollmentResources"]

_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA", "RSA": "RS256"}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|m|s)){1,9}")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|m|s)")
_UNITS = {"h": 3600, "m": 60, "s": 1}


class _Sign(msgspec.Struct, frozen=True):
    csr: str
    ott: str
    notBefore: str = ""  # noqa: N815
    notAfter: str = ""  # noqa: N815


class _Rekey(msgspec.Struct, frozen=True):
    csr: str


class EnrollmentResources:
    """The handlers; `authority` returns the one that signs now."""

    def __init__(
        self,
        answer: Answer,
        db: Database,
        clock: Clock,
        authority: Callable[[], Authority],
        issuer_of: Callable[[Certificate], Awaitable[Issuer | None]],
        sources: Sources,
    ) -> None:
        self._answer = answer
        self._db = db
        self._clock = clock
        self._authority = authority
        self._issuer_of = issuer_of
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the table of URLs."""
        table: dict[str, tuple[str, Handler]] = {
            "/sign": ("POST", self._sign),
            "/renew": ("POST", self._renew),
            "/rekey": ("POST", self._rekey),
            "/health": ("GET", self._health),
            "/roots": ("GET", self._roots),
            "/provisioners": ("GET", self._provisioners),
            "/provisioners/{kid}/encrypted-key": ("GET", self._encrypted_key),
        }
        return [
            Route(prefix + path, Endpoint({method: handler}, on_error=_refusal, sources=self._sources))
            for path, (method, handler) in table.items()
            for prefix in ("", "/1.0")
        ]

    async def _sign(self, call: Call) -> Reply:
        asked, now = _read(call, _Sign), self._clock()
        request = Request(
            "sign",
            call.source,
            csr=asked.csr,
            token=asked.ott,
            not_before=_time(asked.notBefore, now),
            not_after=_time(asked.notAfter, now),
        )
        return await self._issued(request)

    async def _renew(self, call: Call) -> Reply:
        return await self._issued(Request("renew", call.source, presented=_presented(call)))

    async def _rekey(self, call: Call) -> Reply:
        presented = _presented(call)
        return await self._issued(Request("rekey", call.source, presented=presented, csr=_read(call, _Rekey).csr))

    async def _health(self, call: Call) -> Reply:
        return _json({"status": "ok"})

    async def _roots(self, call: Call) -> Reply:
        return _json({"crts": [one.public_bytes(Encoding.PEM).decode() for one in self._authority().roots]}, 201)

    async def _provisioners(self, call: Call) -> Reply:
        found = await self._db.read(token_issuers.listing())
        shown = [
            {
                "type": "JWK",
                "name": one.name,
                "key": _shown(one),
                "encryptedKey": one.encrypted_key,
            }
            for one in found
        ]
        return _json({"provisioners": shown, "nextCursor": ""})

    async def _encrypted_key(self, call: Call) -> Reply:
        found = await self._db.read(token_issuers.by_kid(call.path["kid"]))
        if found is None or not found.encrypted_key:
            raise EnrollmentError("there is no encrypted key of this name here", 404)
        return _json({"key": found.encrypted_key})

    async def _issued(self, request: Request) -> Reply:
        certificate = await self._answer(request)
        assert certificate.der is not None
        issuer = await self._issuer_of(certificate)
        if issuer is None:
            raise IssuanceError(f"the certificate {certificate.serial} has an issuer that this node does not know yet")
        leaf = issue.pem(certificate.der).decode()
        above = [one.public_bytes(Encoding.PEM).decode() for one in issuer.chains[0][:-1]]
        return _json({"crt": leaf, "ca": above[0], "certChain": [leaf, *above]}, 201)


def _shown(issuer: TokenIssuer) -> dict[str, str]:
    jwk = msgspec.json.decode(issuer.jwk, type=dict[str, str])
    return {**jwk, "use": "sig", "kid": issuer.kid, "alg": _ALGORITHMS[jwk.get("crv", jwk["kty"])]}


def _presented(call: Call) -> bytes:
    certificate = call.tls.getpeercert(binary_form=True) if call.tls else None
    if certificate is None:
        raise EnrollmentError("show the certificate that is to be renewed as the TLS client certificate", 401)
    return certificate


def _read(call: Call, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(call.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnrollmentError(f"the body is not what this URL takes: {error}", 400) from None


def _time(text: str, now: float) -> int | None:
    """Read a time (RFC 3339), or how long until then, such as 24h or 1h30m, in seconds since 1970."""
    if not text:
        return None
    if _DURATION.fullmatch(text):
        return int(now + sum(float(size) * _UNITS[unit] for size, unit in _PART.findall(text)))
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return int(moment.timestamp())
    except (ValueError, OverflowError):
        pass
    raise EnrollmentError(f"'{text[:40]}' is neither a time with its zone (RFC 3339) nor a length such as 24h", 400)


def _json(content: object, status: int = 200) -> Reply:
    return Reply(msgspec.json.encode(content), status, media_type="application/json")


def _refusal(error: Exception, path: Mapping[str, Any]) -> Reply:
    """Return an error as step's clients read it: the status, and a message for a person."""
    headers: dict[str, str] = {}
    match error:
        case EnrollmentError():
            status, message = error.status, str(error)
        case Refusal():
            status, message, headers = error.status, str(error), error.headers
        case IssuanceError():
            status, message = 503, str(error)
        case StoreUnavailable():
            status, message, headers = 503, "the store cannot answer now; try again soon", RETRY_AFTER
        case _:
            status, message = HTTPStatus.INTERNAL_SERVER_ERROR, "the server made a mistake; its log says more"
    reply = _json({"status": int(status), "message": message}, int(status))
    for name, value in headers.items():
        reply.add(name, value)
    return reply
