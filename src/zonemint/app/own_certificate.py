"""The certificate of our own listener: issued by our own CA, renewed in time, swapped while connections go on."""

from __future__ import annotations

import ssl
from ipaddress import ip_address

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from zonemint.config import DataDir
from zonemint.core.clock import Clock
from zonemint.core.errors import KeyFileError
from zonemint.core.files import put
from zonemint.pki import issue
from zonemint.pki.issue import Template
from zonemint.pki.keys import generate, load_key, spki_sha256, write_key
from zonemint.pki.serials import new_serial
from zonemint.store import certificates
from zonemint.store.certificates import Certificate
from zonemint.store.database import Database, Steps

__all__ = ["OwnCertificate"]

_log = structlog.get_logger()


class OwnCertificate:
    """Keeps `server.crt` and `server.key` good for the hosts that we are reached by, and the TLS context with them."""

    def __init__(
        self,
        db: Database,
        data: DataDir,
        template: Template,
        hosts: tuple[str, ...],
        addresses: tuple[str, ...],
        clock: Clock,
    ) -> None:
        self._db = db
        self._data = data
        self._template = template
        self._hosts = hosts
        self._addresses = addresses
        self._clock = clock
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    async def renew_if_due(self) -> None:
        """Issue a new certificate when the present one is missing, wrong, revoked, or past two thirds of its life."""
        if not await self._serves():
            await self._renew()
        self.context.load_cert_chain(self._data.server_certificate, self._data.server_key)

    async def _serves(self) -> bool:
        """Tell whether the present certificate fits its key, our CA and our hosts, is not revoked and young enough."""
        try:
            certificate = x509.load_pem_x509_certificates(self._data.server_certificate.read_bytes())[0]
            key = load_key(self._data.server_key)
            certificate.verify_directly_issued_by(self._template.authority.intermediate)
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (OSError, ValueError, TypeError, IndexError, KeyFileError, InvalidSignature, x509.ExtensionNotFound):
            return False
        known = await self._db.read(certificates.by_serial(f"{certificate.serial_number:x}"))
        if known is not None and known.status == "revoked":
            return False
        start, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        return (
            spki_sha256(key.public_key()) == spki_sha256(certificate.public_key())
            and set(self._hosts) <= set(names.get_values_for_type(x509.DNSName))
            and {ip_address(one) for one in self._addresses} <= set(names.get_values_for_type(x509.IPAddress))
            and start <= self._clock() < start + (end - start) * 2 / 3
        )

    async def _renew(self) -> None:
        key = generate()
        now = self._clock()
        prepared = issue.prepare(
            self._template,
            names=self._hosts,
            ips=self._addresses,
            public_key=key.public_key(),
            serial=new_serial(),
            now=now,
        )
        serial = f"{prepared.serial:x}"
        reserved = Certificate(
            serial=serial,
            order_id=None,
            account_id=None,
            status="reserved",
            names=(*self._hosts, *self._addresses),
            key_hash=spki_sha256(key.public_key()),
            not_before=prepared.not_before,
            not_after=prepared.not_after,
            created_at=int(now),
        )
        await self._db.write(certificates.insert(reserved))
        issued = issue.sign(prepared, self._template.authority)

        def record() -> Steps[None]:
            yield from certificates.store_signed(serial, issued.der)

        await self._db.write(record())
        chain = issue.pem(issued.der) + self._template.authority.chain_pem
        # Key and certificate cannot change in one step: a mismatch after a crash in between is seen and mended.
        self._data.server_key.unlink(missing_ok=True)
        write_key(self._data.server_key, key)
        put(self._data.server_certificate, chain)
        _log.info("issued the server's own certificate", serial=serial, hosts=list(self._hosts))
