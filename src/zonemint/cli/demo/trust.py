"""Verification by others: OpenSSL as a library and as a program, and TLS between a server and two clients."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import crypto

from zonemint.core.errors import NotHeld
from zonemint.pki import authority as authority_
from zonemint.pki import issue
from zonemint.pki.keys import generate
from zonemint.pki.profiles import DEFAULT
from zonemint.pki.serials import new_serial

__all__ = ["connect", "names_of", "openssl_words", "refuse_stranger", "refuse_trespass", "verify"]

_TIMEOUT = 10.0  # seconds for a handshake
_GREETING = b"served with the new certificate\n"


def verify(root: Path, fullchain: Path) -> str:
    """Verify a chain strictly (X509_V_FLAG_X509_STRICT), and return its names from leaf to root; raises NotHeld."""
    leaf, *others = x509.load_pem_x509_certificates(fullchain.read_bytes())
    anchor = x509.load_pem_x509_certificate(root.read_bytes())
    try:
        chain = _verified(anchor, leaf, others)
    except crypto.X509StoreContextError as error:
        raise NotHeld(f"{fullchain.name} does not verify: {error}") from None
    return " <- ".join(_name(one) for one in chain)


def openssl_words(root: Path, live: Path) -> list[str] | None:
    """Return the command that verifies a certificate of certbot's; None where there is no `openssl`."""
    if shutil.which("openssl") is None:
        return None
    files = ["-CAfile", str(root), "-untrusted", str(live / "chain.pem"), str(live / "cert.pem")]
    return ["openssl", "verify", "-x509_strict", *files]


def refuse_trespass(pki: Path, name: str) -> str:
    """Sign for a name outside of the domain and return why OpenSSL refuses that; raises NotHeld if it does not."""
    now = time.time()
    authority = authority_.load(pki, now=now)
    prepared = issue.prepare(
        issue.template(authority.current, DEFAULT, crl_url=None, issuer_url=None),
        names=[name],
        ips=[],
        public_key=generate().public_key(),
        serial=new_serial(),
        now=now,
    )
    leaf = x509.load_der_x509_certificate(issue.sign(prepared).der)
    try:
        _verified(authority.root, leaf, [authority.intermediate])
    except crypto.X509StoreContextError as error:
        return str(error)
    raise NotHeld(f"a certificate for {name} is trusted: the name constraints do not bite")


def connect(live: Path, name: str, root: Path) -> str:
    """Serve TLS with a certificate of certbot's, connect trusting the root alone, and return what was agreed."""
    context = ssl.create_default_context(cafile=root)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with _serving(live) as port:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), _TIMEOUT) as plain,
                context.wrap_socket(plain, server_hostname=name) as tls,
            ):
                said, version, cipher, peer = tls.recv(64), tls.version(), tls.cipher(), tls.getpeercert(True)
        except OSError as error:
            raise NotHeld(f"no TLS with {name}: {error}") from None
    if said != _GREETING or cipher is None or peer is None:
        raise NotHeld(f"TLS with {name} carried {said!r}")
    return f"{version}, {cipher[0]}; verified for {', '.join(names_of(x509.load_der_x509_certificate(peer)))}"


def refuse_stranger(live: Path, name: str) -> str:
    """Connect with the machine's own roots and return why that is refused; raises NotHeld if it is not."""
    context = ssl.create_default_context()
    with _serving(live) as port:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), _TIMEOUT) as plain,
                context.wrap_socket(plain, server_hostname=name),
            ):
                raise NotHeld(f"a client that does not know the root trusts {name}")
        except ssl.SSLCertVerificationError as error:
            return error.verify_message


def _verified(
    anchor: x509.Certificate, leaf: x509.Certificate, others: list[x509.Certificate]
) -> list[x509.Certificate]:
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(anchor))
    store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    context = crypto.X509StoreContext(
        store, crypto.X509.from_cryptography(leaf), [crypto.X509.from_cryptography(one) for one in others]
    )
    return [one.to_cryptography() for one in context.get_verified_chain()]


@contextmanager
def _serving(live: Path) -> Iterator[int]:
    """Greet one client over TLS on a free port of the loopback address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(live / "fullchain.pem", live / "privkey.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_TIMEOUT)

        def greet() -> None:
            # A client that refuses us ends the handshake; what it thinks of it is told by the client.
            with suppress(OSError):
                plain, _ = listener.accept()
                plain.settimeout(_TIMEOUT)
                with context.wrap_socket(plain, server_side=True) as tls:
                    tls.sendall(_GREETING)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(_TIMEOUT)


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names that a certificate is for."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()
