"""The http-01 challenge (RFC 8555 section 8.3, RFC 8738): the key authorization at a path of the host, over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from time import perf_counter
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from zonemint.core.errors import AcmeErrorType, BadName, Unproven
from zonemint.core.names import normalize
from zonemint.core.text import shown
from zonemint.core.trace import Event
from zonemint.validation.http_get import REDIRECTS, Response, get
from zonemint.validation.method import Claim, Method, Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.reach import Reach
from zonemint.validation.stream import Stream, client_context, reason

__all__ = ["PATH", "Http01", "method"]

PATH = "/.well-known/acme-challenge/"

_REDIRECTS = 10  # that are followed
_URL = 2048  # octets of the URL that a redirect names
_SHOWN = 64  # octets of a body that a message repeats
_AGENT = "zonemint (ACME validation)"
_SAFE = "".join(map(chr, range(0x21, 0x7F)))


class _Url(NamedTuple):
    """An http or https URL; `port` is None where the URL names none."""

    scheme: str
    host: str
    port: int | None
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Http01:
    """Looks for a key authorization; the ports stand for 80 and 443 where a URL names none."""

    reach: Reach
    http_port: int
    https_port: int

    async def check(self, claim: Claim, tell: Tell) -> Outcome:
        """Fetch the challenge's URL, redirects followed, and compare what is there; each request is an event."""
        url = _Url("http", claim.value, None, PATH + claim.token)
        try:
            for _ in range(_REDIRECTS + 1):
                response, where = await self._fetch(url, tell)
                if response.status not in REDIRECTS:
                    return _judge(f"GET {url} of {where}", response, claim.key_authorization)
                url = self._target(url, response)
        except Unproven as failure:
            return Outcome(failure.type, failure.detail, failure.again)
        detail = (
            f"more than {_REDIRECTS} redirects, the last to {shown(str(url), 200)}, expected "
            f"'{claim.key_authorization}'; leave {PATH} out of the redirects"
        )
        return Outcome(AcmeErrorType.INCORRECT_RESPONSE, detail, again=True)

    async def _fetch(self, url: _Url, tell: Tell) -> tuple[Response, str]:
        """Send one request; return its response and the address that it came from. Raises Unproven."""
        what = f"GET {shown(str(url), 200)}"
        port = url.port or (self.http_port if url.scheme == "http" else self.https_port)
        clock, seconds = self.reach.clock, self.reach.timeout
        with await self.reach.connect(url.host, port, what, tell) as stream:
            began, at, data = perf_counter(), clock(), {"url": shown(str(url), 300), "address": stream.place}

            def note(seen: str) -> None:
                ms = (perf_counter() - began) * 1000
                tell(Event(at, "http-get", "ca", stream.place, f"{what}: {seen}", ms, data))

            try:
                async with asyncio.timeout(seconds):
                    response = await self._exchange(stream, url, data)
            except TimeoutError:
                failure = Unproven(AcmeErrorType.CONNECTION, f"no whole response within {seconds:g} s")
            except ssl.SSLError as error:
                failure = Unproven(AcmeErrorType.TLS, reason(error))
            except OSError as error:
                failure = Unproven(AcmeErrorType.CONNECTION, reason(error))
            except Unproven as unproven:
                failure = unproven
            else:
                data["status"] = str(response.status)
                lead = "" if response.location is None else f", Location {shown(response.location.decode('latin-1'))}"
                note(f"{response.status}{lead}" if response.status in REDIRECTS else _seen(response))
                return response, stream.place
            note(failure.detail)
            raise Unproven(failure.type, f"{what} of {stream.place}: {failure.detail}", again=failure.again)

    async def _exchange(self, stream: Stream, url: _Url, data: dict[str, str]) -> Response:
        if url.scheme == "https":
            # What is behind a redirect is not what is to be proved, so its certificate says nothing; it may be the one
            # that this very challenge replaces.
            tls = await stream.start_tls(client_context("http/1.1"), url.host)
            data["tls"] = tls.version() or ""
        return await get(stream, url.authority, url.target, _AGENT)

    def _target(self, url: _Url, response: Response) -> _Url:
        """Return where a redirect leads; raises Unproven unless that is http or https on one of the two ports."""
        if response.location is None:
            raise Unproven(AcmeErrorType.INCORRECT_RESPONSE, f"{url}: {response.status} without a Location")
        # Octets that no URL has are escaped, so none of them can end the request line.
        location = quote(response.location, safe=_SAFE)
        try:
            if len(location) > _URL:
                raise ValueError("it is too long")
            parts = urlsplit(urljoin(str(url), location))
            if parts.scheme not in ("http", "https"):
                raise ValueError("it is neither http nor https")
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            found = _Url(parts.scheme, _host(parts.hostname or ""), parts.port, target)
            if found.port not in (None, self.http_port, self.https_port):
                raise ValueError(f"it may lead to the ports {self.http_port} and {self.https_port} only")
        except (ValueError, BadName) as error:
            detail = f"{url}: a redirect to '{shown(location, 200)}', which is not followed: {error}"
            raise Unproven(AcmeErrorType.INCORRECT_RESPONSE, detail) from None
        return found


def method(reach: Reach, http_port: int, https_port: int) -> Method:
    """Return the method, which connects through `reach`."""
    return Method(
        "http-01", frozenset({"dns", "ip"}), wildcards=False, check=Http01(reach, http_port, https_port).check
    )


def _host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return normalize(text)


def _seen(response: Response) -> str:
    body = response.body.rstrip().decode("latin-1")
    return f"{response.status} '{shown(body, _SHOWN)}'" if body else f"{response.status} with an empty body"


def _judge(asked: str, response: Response, expected: str) -> Outcome:
    """Compare the body, spaces at its end aside (section 8.3)."""
    if response.status == 200 and response.body.rstrip() == expected.encode("ascii"):
        return Outcome(None, "", again=False)
    if response.status != 200:
        kind, advice = AcmeErrorType.INCORRECT_RESPONSE, "let the web server answer 200 with the file of the challenge"
    elif response.body.lstrip()[:1] == b"<":
        kind, advice = AcmeErrorType.UNAUTHORIZED, "a web page came instead: let the web server serve the challenge"
    else:
        kind, advice = AcmeErrorType.UNAUTHORIZED, "is the name at the machine that runs the ACME client?"
    return Outcome(kind, f"{shown(asked, 300)}: saw {_seen(response)}, expected '{expected}'; {advice}", again=True)
