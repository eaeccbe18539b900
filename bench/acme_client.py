"""An ACME client that loads a server: whole dns-01 flows over one TLS connection that is kept open."""

from __future__ import annotations

import asyncio
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httptools
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

__all__ = ["JOSE", "Client", "ConnectionLost", "Job", "Reply", "Unexpected", "b64url", "certificate_request"]

JOSE = {"Content-Type": "application/jose+json"}


class Unexpected(Exception):
    """The server answered what a client cannot go on with; `reply` is the answer, if that is an HTTP error."""

    def __init__(self, detail: str, reply: Reply | None = None) -> None:
        super().__init__(detail)
        self.reply = reply


class ConnectionLost(Unexpected):
    """The server closed the connection before it had answered."""


@dataclass(frozen=True, slots=True)
class Job:
    """One certificate to get: its name, the request in base64url, and where an acme-dns value is set, if anywhere."""

    name: str
    csr: str
    update_headers: Mapping[str, str] = field(default_factory=dict)
    subdomain: str = ""


@dataclass(slots=True)
class Reply:
    """A response as httptools calls back with its parts."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("ascii").lower()] = value.decode("ascii")

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """One ACME account on one connection; `requests` counts what was sent.

    polls, pause: how often an object is looked at until it is valid, and the seconds between, short so that a
    Retry-After of whole seconds is in nobody's favour. kid, thumbprint: the account, once it is open.
    """

    polls = 1000
    pause = 0.002

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context = context
        self._port = port
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        x, y = (b64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        self._jwk = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        self.thumbprint = b64url(sha256(msgspec.json.encode(self._jwk)).digest())
        self.kid = ""
        self._nonce = ""
        self.requests = 0

    async def open(self, directory_path: str) -> None:
        """Connect, read the directory and make an account."""
        await self.connect()
        self.directory = (await self.request("GET", directory_path)).json()
        await self.request("HEAD", self.directory["newNonce"])
        account = await self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True})
        self.kid = account.headers["location"]

    async def connect(self) -> None:
        """Open the connection; raises OSError."""
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
        )

    async def close(self) -> None:
        """End the connection."""
        self._writer.close()
        await self._writer.wait_closed()

    async def certificate(self, job: Job) -> bytes:
        """Go through the flow of RFC 8555 section 7 and return the chain in PEM; raises Unexpected."""
        made = await self.order(job.name)
        return await self.complete(made.headers["location"], made.json(), job)

    async def order(self, name: str) -> Reply:
        """Make an order for a name."""
        return await self.post(self.directory["newOrder"], {"identifiers": [{"type": "dns", "value": name}]})

    async def complete(self, url: str, order: Any, job: Job) -> bytes:
        """Bring an order to its end, and return the chain in PEM; raises Unexpected."""
        authorization_url, challenge = await self.challenge(order)
        await self.set_value(challenge, job)
        await self.post(challenge["url"], {})
        await self.poll(authorization_url)
        return await self.conclude(url, order, job)

    async def challenge(self, order: Any) -> tuple[str, Any]:
        """Return the URL of the order's only authorization, and its dns-01 challenge."""
        url = order["authorizations"][0]
        authorization = (await self.post(url)).json()
        return url, next(one for one in authorization["challenges"] if one["type"] == "dns-01")

    async def set_value(self, challenge: Any, job: Job) -> None:
        """Set the challenge's TXT value, where the server has the acme-dns API."""
        if job.subdomain:
            value = b64url(sha256(f"{challenge['token']}.{self.thumbprint}".encode()).digest())
            body = msgspec.json.encode({"subdomain": job.subdomain, "txt": value})
            await self.request("POST", "/update", body, job.update_headers)

    async def conclude(self, url: str, order: Any, job: Job) -> bytes:
        """Finalize an order that is ready, and return the chain in PEM; raises Unexpected."""
        order = (await self.post(order["finalize"], {"csr": job.csr})).json()
        if order["status"] != "valid":
            order = await self.poll(url)
        return (await self.post(order["certificate"])).body

    async def poll(self, url: str) -> Any:
        """Look until an object is valid: at once, then with short pauses."""
        for _ in range(self.polls):
            found = (await self.post(url)).json()
            if found["status"] == "valid":
                return found
            if found["status"] == "invalid":
                raise Unexpected(f"{url} became invalid: {found}")
            await asyncio.sleep(self.pause)
        raise Unexpected(f"{url} stayed {found['status']}")

    async def post(self, url: str, payload: Mapping[str, object] | None = None) -> Reply:
        """Send a signed request; without a payload it is POST-as-GET. Raises Unexpected."""
        return await self.request("POST", url, self.signed(url, payload), JOSE)

    def signed(self, url: str, payload: Mapping[str, object] | None) -> bytes:
        """Sign a request with the newest nonce."""
        identity = {"kid": self.kid} if self.kid else {"jwk": self._jwk}
        protected = {"alg": "ES256", "nonce": self._nonce, "url": url, **identity}
        head = b64url(msgspec.json.encode(protected))
        body = "" if payload is None else b64url(msgspec.json.encode(payload))
        r, s = decode_dss_signature(self._key.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
        signature = b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return msgspec.json.encode({"protected": head, "payload": body, "signature": signature})

    async def request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request and read its reply; raises Unexpected for a status of 400 and above."""
        reply = await self.send(method, url, body, headers)
        if reply.status >= 400:
            raise Unexpected(f"{method} {url}: {reply.status} {reply.body.decode(errors='replace')}", reply)
        return reply

    async def send(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request and read its reply, whatever it is; raises OSError, ConnectionLost."""
        self.requests += 1
        path = "/" + url.split("/", 3)[3] if url.startswith("https://") else url
        fields = {"Host": f"localhost:{self._port}", "User-Agent": "bench", **(headers or {})}
        if method == "POST":
            fields["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body)
        reply = Reply()
        parser = httptools.HttpResponseParser(reply)
        while not reply.complete:
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionLost(f"the server closed the connection at {method} {path}")
            parser.feed_data(data)
            if method == "HEAD" and data.endswith(b"\r\n\r\n"):
                break
        self._nonce = reply.headers.get("replay-nonce", self._nonce)
        reply.status = parser.get_status_code()
        return reply


def certificate_request(name: str) -> str:
    """Make a CSR for a name under a key of its own, in base64url."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return b64url(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


def b64url(data: bytes) -> str:
    """Write octets as JOSE does."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
