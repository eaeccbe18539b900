"""Certificates for nodes themselves, which no order asks for: issued here, or by another node that has the CA's key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Protocol

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.acme.context import Lint, no_lint
from zonemint.core.clock import Clock
from zonemint.core.errors import IssuanceError
from zonemint.core.ids import new_id
from zonemint.enrollment.issuance import Asked, issue, sign
from zonemint.pki import responder
from zonemint.pki.issue import Template
from zonemint.pki.issuer import Issuer
from zonemint.pki.serials import new_serial
from zonemint.store import certificates, signings
from zonemint.store.certificates import Certificate
from zonemint.store.database import Database
from zonemint.store.signings import Signing

__all__ = ["RESPONDER", "HostIssuer", "IssuedElsewhere", "IssuedHere", "elsewhere"]

_LOOK = 0.1  # seconds between looks whether another node has signed
_TOLD = 300  # looks after which the log says what we wait for

RESPONDER = "ocsp:"
"""What stands before an issuer's key identifier where a node asks for the certificate of an OCSP responder."""

_log = structlog.get_logger()


class HostIssuer(Protocol):
    """Issues a node's own certificate."""

    async def issue(self, names: Sequence[str], ips: Sequence[str], key: EllipticCurvePrivateKey) -> Certificate:
        """Return the signed certificate of these names and addresses for the key; raises StoreError, IssuanceError."""
        ...

    async def issue_responder(self, issuer: Issuer, key: EllipticCurvePrivateKey) -> Certificate:
        """Return the certificate by which a key answers OCSP for an issuer; raises StoreError, IssuanceError."""
        ...


class IssuedHere:
    """Signs with the CA's key, which is here; `template` returns that of the issuer that signs now."""

    def __init__(self, db: Database, template: Callable[[], Template], clock: Clock, lint: Lint = no_lint) -> None:
        self._db = db
        self._template = template
        self._clock = clock
        self._lint = lint

    async def issue(self, names: Sequence[str], ips: Sequence[str], key: EllipticCurvePrivateKey) -> Certificate:
        """See HostIssuer.issue."""
        return await self.sign(names, ips, key.public_key())

    async def sign(
        self, names: Sequence[str], ips: Sequence[str], public_key: CertificatePublicKeyTypes
    ) -> Certificate:
        """Issue for a public key; raises StoreError, IssuanceError."""
        asked = Asked(public_key, "server")
        signed = await issue(
            self._db,
            self._template(),
            asked,
            names=tuple(names),
            ips=tuple(ips),
            lint=self._lint,
            now=self._clock(),
        )
        _log.info("issued a certificate for a node", serial=signed.serial, hosts=list(signed.names))
        return signed

    async def issue_responder(self, issuer: Issuer, key: EllipticCurvePrivateKey) -> Certificate:
        """See HostIssuer.issue_responder."""
        return await self.sign_responder(issuer, key.public_key())

    async def sign_responder(self, issuer: Issuer, public_key: CertificatePublicKeyTypes) -> Certificate:
        """Let a key answer OCSP for an issuer whose key is here; raises StoreError, IssuanceError."""
        now = self._clock()
        prepared = responder.prepare(issuer, public_key=public_key, serial=new_serial(), now=now)
        shape = ("OCSP", issuer.key_id, type(public_key))
        asked = Asked(public_key, "server")
        signed = await sign(self._db, prepared, asked, hosts=(), shape=shape, lint=self._lint, now=now)
        _log.info("issued a certificate for an OCSP responder", serial=signed.serial)
        return signed


class IssuedElsewhere:
    """Has a node with the CA's key sign, for as long as that takes."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def issue(self, names: Sequence[str], ips: Sequence[str], key: EllipticCurvePrivateKey) -> Certificate:
        """See HostIssuer.issue."""
        alternatives = [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(ip)) for ip in ips)]
        csr = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([]))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
            .sign(key, SHA256())
        )
        return await self._ask((*names, *ips), csr)

    async def issue_responder(self, issuer: Issuer, key: EllipticCurvePrivateKey) -> Certificate:
        """See HostIssuer.issue_responder."""
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
        return await self._ask((f"{RESPONDER}{issuer.key_id}",), csr)

    async def _ask(self, hosts: tuple[str, ...], csr: x509.CertificateSigningRequest) -> Certificate:
        done = await elsewhere(self._db, hosts, csr.public_bytes(Encoding.DER), now=self._clock())
        if done.error:
            raise IssuanceError(f"the node with the CA's key does not sign for {', '.join(hosts)}: {done.error}")
        signed = await self._db.read(certificates.by_serial(done.serial))
        assert signed is not None
        return signed


async def elsewhere(db: Database, hosts: tuple[str, ...], content: bytes, *, now: float) -> Signing:
    """Ask the nodes with the CA's key, for as long as that takes, and return what one of them answered.

    Raises StoreError, IssuanceError when the request was forgotten.
    """
    asked = Signing(new_id(), None, hosts, content, "", "node", int(now))
    await db.write(signings.add(asked))
    try:
        return await _answer(db, asked.id)
    finally:
        await db.write(signings.remove(asked.id))


async def _answer(db: Database, signing_id: str) -> Signing:
    looks = 0
    while True:
        found = await db.read(signings.by_id(signing_id))
        if found is None:
            raise IssuanceError("no node with the CA's key signed for this one in time")
        if found.serial or found.error:
            return found
        looks += 1
        if looks % _TOLD == _TOLD // 10:
            _log.warning("waiting for a node with the CA's key")
        await asyncio.sleep(_LOOK)
