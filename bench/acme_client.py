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

__all__ = ["Client", "Job", "Unexpected", "certificate_request"]

_POLLS = 1000
_PAUSE = 0.002  # seconds between two polls, so that a Retry-After of whole seconds is in nobody's favour


class Unexpected(Exception):
    """The server answered what a client cannot go on with."""


@dataclass(frozen=True, slots=True)
class Job:
    """One certificate to get: its name, the request in base64url, and where an acme-dns value is set, if anywhere."""

    name: str
    csr: str
    update_headers: Mapping[str, str] = field(default_factory=dict)
    subdomain: str = ""


@dataclass(slots=True)
class _Reply:
    """A response as httptools calls back with its parts."""

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
    """One ACME account on one connection; `requests` counts what was sent."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context = context
        self._port = port
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        x, y = (_b64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        self._jwk = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        self._thumbprint = _b64url(sha256(msgspec.json.encode(self._jwk)).digest())
        self._kid = ""
        self._nonce = ""
        self.requests = 0

    async def open(self, directory_path: str) -> None:
        """Connect, read the directory and make an account."""
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
        )
        self._directory = (await self._request("GET", directory_path)).json()
        await self._request("HEAD", self._directory["newNonce"])
        account = await self._post(self._directory["newAccount"], {"termsOfServiceAgreed": True})
        self._kid = account.headers["location"]

    async def close(self) -> None:
        """End the connection."""
        self._writer.close()
        await self._writer.wait_closed()

    async def certificate(self, job: Job) -> bytes:
        """Go through the flow of RFC 8555 section 7 and return the chain in PEM; raises Unexpected."""
        made = await self._post(self._directory["newOrder"], {"identifiers": [{"type": "dns", "value": job.name}]})
        order = made.json()
        authorization_url = order["authorizations"][0]
        authorization = (await self._post(authorization_url)).json()
        challenge = next(one for one in authorization["challenges"] if one["type"] == "dns-01")
        if job.subdomain:
            value = _b64url(sha256(f"{challenge['token']}.{self._thumbprint}".encode()).digest())
            body = msgspec.json.encode({"subdomain": job.subdomain, "txt": value})
            await self._request("POST", "/update", body, job.update_headers)
        await self._post(challenge["url"], {})
        await self._poll(authorization_url)
        order = (await self._post(order["finalize"], {"csr": job.csr})).json()
        if order["status"] != "valid":
            order = await self._poll(made.headers["location"])
        return (await self._post(order["certificate"])).body

    async def _poll(self, url: str) -> Any:
        """Look until an object is valid: at once, then with short pauses."""
        for _ in range(_POLLS):
            found = (await self._post(url)).json()
            if found["status"] == "valid":
                return found
            if found["status"] == "invalid":
                raise Unexpected(f"{url} became invalid: {found}")
            await asyncio.sleep(_PAUSE)
        raise Unexpected(f"{url} stayed {found['status']}")

    async def _post(self, url: str, payload: Mapping[str, object] | None = None) -> _Reply:
        """Send a signed request; without a payload it is POST-as-GET."""
        identity = {"kid": self._kid} if self._kid else {"jwk": self._jwk}
        protected = {"alg": "ES256", "nonce": self._nonce, "url": url, **identity}
        head = _b64url(msgspec.json.encode(protected))
        body = "" if payload is None else _b64url(msgspec.json.encode(payload))
        r, s = decode_dss_signature(self._key.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
        signature = _b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        jws = {"protected": head, "payload": body, "signature": signature}
        return await self._request("POST", url, msgspec.json.encode(jws), {"Content-Type": "application/jose+json"})

    async def _request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> _Reply:
        """Send a request and read its reply; raises Unexpected for a status of 400 and above."""
        self.requests += 1
        path = "/" + url.split("/", 3)[3] if url.startswith("https://") else url
        fields = {"Host": f"localhost:{self._port}", "User-Agent": "bench", **(headers or {})}
        if method == "POST":
            fields["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body)
        reply = _Reply()
        parser = httptools.HttpResponseParser(reply)
        while not reply.complete:
            data = await self._reader.read(65536)
            if not data:
                raise Unexpected(f"the server closed the connection at {method} {path}")
            parser.feed_data(data)
            if method == "HEAD" and data.endswith(b"\r\n\r\n"):
                break
        self._nonce = reply.headers.get("replay-nonce", self._nonce)
        if (status := parser.get_status_code()) >= 400:
            raise Unexpected(f"{method} {path}: {status} {reply.body.decode(errors='replace')}")
        return reply


def certificate_request(name: str) -> str:
    """Make a CSR for a name under a key of its own, in base64url."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return _b64url(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


def _b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
