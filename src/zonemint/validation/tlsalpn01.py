"""The tls-alpn-01 challenge (RFC 8737, RFC 8738): a certificate that a TLS server shows for the protocol acme-tls/1."""

from __future__ import annotations

import asyncio
import hmac
import ssl
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from time import perf_counter

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from zonemint.core.errors import AcmeErrorType, Unproven
from zonemint.core.text import shown
from zonemint.core.trace import Event
from zonemint.core.unreadable import UNREADABLE
from zonemint.validation.method import Claim, Method, Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.reach import Reach
from zonemint.validation.stream import Stream, client_context, reason

__all__ = ["ACME_IDENTIFIER", "PROTOCOL", "TlsAlpn01", "method", "server_name"]

PROTOCOL = "acme-tls/1"
ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")

_OCTET_STRING = b"\x04\x20"  # of 32 octets
_ADVICE = "is the name at the machine that runs the ACME client, and does TLS end there?"


@dataclass(frozen=True, slots=True)
class TlsAlpn01:
    """Looks for the certificate of a challenge on one port."""

    reach: Reach
    port: int

    async def check(self, claim: Claim, tell: Tell) -> Outcome:
        """Shake hands once and hold the certificate against the challenge; it is an event with what TLS showed."""
        name = server_name(claim)
        what = f"TLS for {name} with {PROTOCOL}"
        try:
            with await self.reach.connect(claim.value, self.port, what, tell) as stream:
                await self._look(stream, claim, name, what, tell)
        except Unproven as failure:
            return Outcome(failure.type, failure.detail, failure.again)
        return Outcome(None, "", again=False)

    async def _look(self, stream: Stream, claim: Claim, name: str, what: str, tell: Tell) -> None:
        began, at = perf_counter(), self.reach.clock()
        data = {"name": name, "address": stream.place}
        failure: Unproven | None = None
        try:
            async with asyncio.timeout(self.reach.timeout):
                tls = await stream.start_tls(client_context(PROTOCOL), name)
            data["version"] = tls.version() or ""
            _judge(tls, claim, data)
            seen = "the certificate of the challenge"
        except TimeoutError:
            failure = Unproven(AcmeErrorType.CONNECTION, f"no TLS handshake within {self.reach.timeout:g} s; {_ADVICE}")
        except ssl.SSLError as error:
            failure = Unproven(AcmeErrorType.TLS, f"{_refused(error)}; {_ADVICE}")
        except OSError as error:
            failure = Unproven(AcmeErrorType.CONNECTION, f"{reason(error)}; {_ADVICE}")
        except Unproven as unproven:
            failure = unproven
        if failure is not None:
            seen = failure.detail
        tell(Event(at, "tls-alpn", "ca", stream.place, f"{what}: {seen}", (perf_counter() - began) * 1000, data))
        if failure is not None:
            raise Unproven(failure.type, f"{what}, asked of {stream.place}: {failure.detail}", again=failure.again)


def method(reach: Reach, port: int) -> Method:
    """Return the method, which connects through `reach`."""
    return Method("tls-alpn-01", frozenset({"dns", "ip"}), wildcards=False, check=TlsAlpn01(reach, port).check)


def server_name(claim: Claim) -> str:
    """Return the name that the server is asked for: of an address it is the one of its reverse mapping (RFC 8738)."""
    return ip_address(claim.value).reverse_pointer if claim.identifier_type == "ip" else claim.value


def _judge(tls: ssl.SSLObject, claim: Claim, data: dict[str, str]) -> None:
    """Hold what the server showed against RFC 8737 section 3; raises Unproven, and adds the facts to `data`."""
    chosen = tls.selected_alpn_protocol()
    data["alpn"] = chosen or ""
    if chosen != PROTOCOL:
        seen = f"chose '{shown(chosen)}'" if chosen else "chose no protocol"
        raise Unproven(AcmeErrorType.TLS, f"the server {seen}, expected '{PROTOCOL}'; {_ADVICE}")
    try:
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
        extensions = certificate.extensions
        names = _names(extensions)
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        raise _wrong("a certificate that it did not sign itself", "a self-signed one") from None
    except UNREADABLE as error:
        raise _wrong(f"a certificate that cannot be read ({shown(str(error))})", "a self-signed one") from None
    data["san"] = " ".join(shown(value) for _, value in names[:10])
    if names != [(claim.identifier_type, claim.value)]:
        # Some clients write an address as a DNS name, which looks the same without its type.
        seen = " ".join(f"{type_}:{shown(value)}" for type_, value in names[:10])
        raise _wrong(f"a certificate for {seen or 'no name'}", f"one for {claim.identifier_type}:{claim.value} alone")
    try:
        extension = extensions.get_extension_for_oid(ACME_IDENTIFIER)
    except x509.ExtensionNotFound:
        raise _wrong("a certificate without the extension acmeIdentifier", "that of the challenge") from None
    value = extension.value.value if isinstance(extension.value, x509.UnrecognizedExtension) else b""
    data["acmeIdentifier"] = value.hex()[:128]
    if not extension.critical:
        raise _wrong("a certificate whose acmeIdentifier is not critical", "a critical one")
    expected = sha256(claim.key_authorization.encode("ascii")).digest()
    if not hmac.compare_digest(value, _OCTET_STRING + expected):
        seen = value.removeprefix(_OCTET_STRING).hex()[:80]
        raise Unproven(
            AcmeErrorType.UNAUTHORIZED,
            f"saw acmeIdentifier {seen or 'empty'}, expected {expected.hex()}; it is made anew for each order",
        )


def _names(extensions: x509.Extensions) -> list[tuple[str, str]]:
    """Return the type and the value of each entry of the subjectAltName."""
    try:
        alternatives = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [_identifier(one) for one in alternatives]


def _identifier(name: x509.GeneralName) -> tuple[str, str]:
    match name:
        case x509.DNSName():
            return "dns", name.value.lower()
        case x509.IPAddress():
            return "ip", str(name.value)
    return "other", f"a {type(name).__name__}"


def _wrong(seen: str, expected: str) -> Unproven:
    return Unproven(AcmeErrorType.INCORRECT_RESPONSE, f"saw {seen}, expected {expected}; {_ADVICE}")


def _refused(error: ssl.SSLError) -> str:
    why = reason(error)
    return f"the server knows no '{PROTOCOL}'" if "no application protocol" in why else why
