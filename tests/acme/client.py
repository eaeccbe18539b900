"""A small ACME client that hides nothing: every reply comes back as it was on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from josepy.jwk import JWK

from tests.acme.signing import Draft, Signer, b64url, es256
from tests.web.lab import HOST, Lab
from tests.web.wire import Reply

__all__ = ["BASE", "Client", "csr_of", "public_pem", "registered"]

BASE = f"https://{HOST}/acme/acme"
JOSE = {"Content-Type": "application/jose+json"}


class Client:
    """One account's side of the protocol; `kid` is its URL once it is registered, `base` its ACME server's."""

    def __init__(self, lab: Lab, signer: Signer | None = None, base: str = BASE) -> None:
        self.lab = lab
        self.signer = signer or es256()
        self.base = base
        self.kid: str | None = None

    async def nonce(self) -> str:
        nonce = (await self.lab.send("HEAD", f"{self.base.removeprefix(f'https://{HOST}')}/new-nonce")).header(
            "Replay-Nonce"
        )
        assert nonce is not None
        return nonce

    async def draft(self, url: str, payload: object = None, *, nonce: str | None = None) -> Draft:
        """A request as it should be; None is POST-as-GET."""
        who = {"jwk": self.signer.jwk} if self.kid is None else {"kid": self.kid}
        protected = {"alg": self.signer.alg, "nonce": nonce or await self.nonce(), "url": url, **who}
        return Draft(protected, b"" if payload is None else json.dumps(payload).encode(), self.signer)

    async def send(self, url: str, body: bytes) -> Reply:
        return await self.lab.send("POST", url.removeprefix(f"https://{HOST}"), JOSE, body)

    async def post(self, url: str, payload: object = None) -> Reply:
        return await self.send(url, (await self.draft(url, payload)).body())

    async def register(self, **fields: Any) -> Reply:
        reply = await self.post(f"{self.base}/new-account", fields)
        self.kid = reply.header("Location")
        return reply

    async def order(self, *names: str, ips: Sequence[str] = (), **fields: Any) -> Reply:
        identifiers = [{"type": "dns", "value": name} for name in names] + [{"type": "ip", "value": ip} for ip in ips]
        wanted = {"identifiers": identifiers, **fields}
        return await self.post(f"{self.base}/new-order", wanted)

    async def challenge(self, authorization_url: str, type_: str = "dns-01") -> dict[str, Any]:
        challenges = (await self.post(authorization_url)).json()["challenges"]
        (found,) = (one for one in challenges if one["type"] == type_)
        assert isinstance(found, dict)
        return found

    def key_authorization(self, challenge: dict[str, Any]) -> str:
        """Worked out by josepy's thumbprint."""
        return f"{challenge['token']}.{b64url(JWK.load(public_pem(self.signer)).thumbprint())}"

    async def publish(self, challenge: dict[str, Any]) -> None:
        """Set the value that proves control by dns-01."""
        await self.lab.set_txt(b64url(sha256(self.key_authorization(challenge).encode()).digest()))

    async def ready_order(self, *names: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        """An order with every name proved; returns its URL and what it then says."""
        reply = await self.order(*names, **fields)
        assert reply.status == 201, reply
        url = reply.header("Location")
        assert url is not None
        for name in names:
            await self.lab.delegate(name)
        for authorization in reply.json()["authorizations"]:
            challenge = await self.challenge(authorization)
            await self.publish(challenge)
            await self.post(challenge["url"], {})
        order = await self.settled(url)
        assert order["status"] == "ready", order
        return url, order

    async def settled(self, url: str) -> dict[str, Any]:
        """An order whose validations are all decided, polled for as clients do."""
        async with asyncio.timeout(30):
            while (order := (await self.post(url)).json())["status"] == "pending":  # noqa: ASYNC110 - polls
                await asyncio.sleep(0.01)
        found: dict[str, Any] = order
        return found

    async def certificate(self, *names: str, key: ec.EllipticCurvePrivateKey | None = None) -> x509.Certificate:
        """The whole way to a leaf certificate."""
        _, order = await self.ready_order(*names)
        done = await self.post(order["finalize"], {"csr": b64url(csr_of(*names, key=key))})
        chain = await self.post(done.json()["certificate"])
        return x509.load_pem_x509_certificates(chain.body)[0]


async def registered(lab: Lab, signer: Signer | None = None, base: str = BASE) -> Client:
    client = Client(lab, signer, base)
    assert (await client.register()).status == 201
    return client


def public_pem(signer: Signer) -> bytes:
    return signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def csr_of(
    *names: str,
    ips: Sequence[str] = (),
    key: ec.EllipticCurvePrivateKey | None = None,
    extra: Sequence[x509.ExtensionType] = (),
) -> bytes:
    """A request in DER for some names and addresses, by a fresh key unless one is given."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    alternatives = [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(ip)) for ip in ips)]
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(Encoding.DER)
