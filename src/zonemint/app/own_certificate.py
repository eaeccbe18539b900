"""The certificate of our own listener: of our own CA, for a key that stays here; swapped while connections go on."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from zonemint.app.host_certificates import HostIssuer
from zonemint.app.tls import Contexts
from zonemint.config import DataDir
from zonemint.core.clock import Clock
from zonemint.core.errors import KeyFileError
from zonemint.core.files import put
from zonemint.pki import issue
from zonemint.pki.authority import Authority
from zonemint.pki.keys import generate, load_key, spki_sha256, write_key
from zonemint.store import certificates
from zonemint.store.database import Database

__all__ = ["OwnCertificate"]


class OwnCertificate:
    """Keeps `server.crt` and `server.key` good for the hosts that we are reached by, and the TLS contexts with them."""

    def __init__(
        self,
        db: Database,
        data: DataDir,
        authority: Callable[[], Authority],
        issuer: Callable[[], HostIssuer],
        hosts: tuple[str, ...],
        addresses: tuple[str, ...],
        clock: Clock,
    ) -> None:
        self._db = db
        self._data = data
        self._authority = authority
        self._issuer = issuer
        self._hosts = hosts
        self._addresses = addresses
        self._clock = clock
        self.contexts = Contexts()

    async def renew_if_due(self) -> None:
        """Issue a new certificate when the present one is missing, wrong, revoked, or past two thirds of its life."""
        if not await self._serves():
            await self._renew()
        self.contexts.load(self._data.server_certificate, self._data.server_key)

    async def _serves(self) -> bool:
        """Tell whether the present certificate fits its key, our CA and our hosts, is not revoked and young enough."""
        try:
            certificate = x509.load_pem_x509_certificates(self._data.server_certificate.read_bytes())[0]
            key = load_key(self._data.server_key)
            certificate.verify_directly_issued_by(self._authority().intermediate)
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
        signed = await self._issuer().issue(self._hosts, self._addresses, key)
        assert signed.der is not None
        # Key and certificate cannot change in one step: a mismatch after a crash in between is seen and mended.
        self._data.server_key.unlink(missing_ok=True)
        write_key(self._data.server_key, key)
        issuer = self._authority().issuer(signed.issuer) or self._authority().current
        put(self._data.server_certificate, issue.pem(signed.der) + issuer.chain_pem())
