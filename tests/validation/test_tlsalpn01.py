"""tls-alpn-01 (RFC 8737, RFC 8738) against TLS servers with good, bad and no certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validation.certificates import made, server_context
from tests.validation.servers import CLAIM, EXPECTED, HOST, Talk, looked, reach, serving
from zonemint.core.errors import AcmeErrorType
from zonemint.core.trace import Event
from zonemint.validation.method import Claim
from zonemint.validation.outcome import Outcome
from zonemint.validation.tlsalpn01 import ACME_IDENTIFIER, PROTOCOL, TlsAlpn01, server_name

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
DIGEST = sha256(EXPECTED.encode()).digest()
NAME = x509.DNSName(HOST)


def identifier(value: bytes = b"\x04\x20" + DIGEST, *, critical: bool = True) -> tuple[x509.ExtensionType, bool]:
    return x509.UnrecognizedExtension(ACME_IDENTIFIER, value), critical


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def look(
    tls: ssl.SSLContext | None, talk: Talk = silent, claim: Claim = CLAIM, *, wait: float = 5.0
) -> tuple[Outcome, list[Event]]:
    async with serving(talk, tls=tls) as port:
        way = reach(f"{HOST} A 127.0.0.1", timeout=wait)
        return await looked(TlsAlpn01(way, port).check, claim)


def showing(folder: Path, certificate: x509.Certificate, *protocols: str) -> ssl.SSLContext:
    return server_context(folder, certificate=certificate, key=KEY, protocols=protocols or (PROTOCOL,))


async def test_proof_with_the_facts_of_tls(tmp_path: Path) -> None:
    tls = showing(tmp_path, made([NAME], [identifier()], key=KEY), "h2", PROTOCOL)
    asked: list[str | None] = []
    tls.sni_callback = lambda _, name, __: asked.append(name)
    outcome, events = await look(tls)
    assert outcome.error is None, outcome.detail
    assert asked == [HOST]
    assert [event.what for event in events] == ["dns-query", "dns-query", "tls-alpn"]
    assert events[-1].data == {
        "name": HOST,
        "address": events[-1].peer,
        "version": "TLSv1.3",
        "alpn": PROTOCOL,
        "san": HOST,
        "acmeIdentifier": "0420" + DIGEST.hex(),
    }


async def test_tls_1_2_is_enough(tmp_path: Path) -> None:
    tls = showing(tmp_path, made([NAME], [identifier()], key=KEY))
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    outcome, events = await look(tls)
    assert (outcome.error, events[-1].data["version"]) == (None, "TLSv1.2")


async def test_a_name_in_capitals_is_the_same(tmp_path: Path) -> None:
    outcome, _ = await look(showing(tmp_path, made([x509.DNSName(HOST.upper())], [identifier()], key=KEY)))
    assert outcome.error is None


REVERSED = {
    "127.0.0.1": "1.0.0.127.in-addr.arpa",
    "::1": "1." + "0." * 31 + "ip6.arpa",
}


@pytest.mark.parametrize(("address", "name"), REVERSED.items())
async def test_an_address_is_asked_for_by_its_reverse_name(tmp_path: Path, address: str, name: str) -> None:
    claim = replace(CLAIM, identifier_type="ip", value=address)
    assert server_name(claim) == name
    tls = showing(tmp_path, made([x509.IPAddress(ip_address(address))], [identifier()], key=KEY))
    asked: list[str | None] = []
    tls.sni_callback = lambda _, name, __: asked.append(name)
    async with serving(silent, host=address, tls=tls) as port:
        outcome, _ = await looked(TlsAlpn01(reach(), port).check, claim)
    assert outcome.error is None, outcome.detail
    assert asked == [name]


async def test_an_address_as_a_dns_name_is_no_proof_for_it(tmp_path: Path) -> None:
    claim = replace(CLAIM, identifier_type="ip", value="127.0.0.1")
    tls = showing(tmp_path, made([x509.DNSName("127.0.0.1")], [identifier()], key=KEY))
    outcome, _ = await look(tls, claim=claim)
    assert outcome.error is AcmeErrorType.INCORRECT_RESPONSE
    assert "saw a certificate for dns:127.0.0.1, expected one for ip:127.0.0.1 alone" in outcome.detail


# An x400Address, which cryptography does not read.
STRANGE_NAMES = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3004a3020500"))
Made = Callable[[], x509.Certificate]
WRONG = AcmeErrorType.INCORRECT_RESPONSE
CERTIFICATES: dict[str, tuple[Made, AcmeErrorType, str]] = {
    "another digest": (
        lambda: made([NAME], [identifier(b"\x04\x20" + b"x" * 32)], key=KEY),
        AcmeErrorType.UNAUTHORIZED,
        b"x".hex() * 32,
    ),
    "the digest without its tag": (lambda: made([NAME], [identifier(DIGEST)], key=KEY), AcmeErrorType.UNAUTHORIZED, ""),
    "the digest and more": (
        lambda: made([NAME], [identifier(b"\x04\x20" + DIGEST + b"x")], key=KEY),
        AcmeErrorType.UNAUTHORIZED,
        "",
    ),
    "an empty extension": (lambda: made([NAME], [identifier(b"")], key=KEY), AcmeErrorType.UNAUTHORIZED, "empty"),
    "an extension that is not critical": (
        lambda: made([NAME], [identifier(critical=False)], key=KEY),
        WRONG,
        "not critical",
    ),
    "no extension": (lambda: made([NAME], key=KEY), WRONG, "without the extension acmeIdentifier"),
    "another name": (lambda: made([x509.DNSName("other.lab.test")], [identifier()], key=KEY), WRONG, "other.lab.test"),
    "a second name": (
        lambda: made([NAME, x509.DNSName("other.lab.test")], [identifier()], key=KEY),
        WRONG,
        f"dns:{HOST} dns:other.lab.test",
    ),
    "a wildcard": (lambda: made([x509.DNSName("*.lab.test")], [identifier()], key=KEY), WRONG, "*.lab.test"),
    "a name of another kind beside it": (
        lambda: made([NAME, x509.RFC822Name("a@lab.test")], [identifier()], key=KEY),
        WRONG,
        "RFC822Name",
    ),
    "an address beside it": (
        lambda: made([NAME, x509.IPAddress(ip_address("10.0.0.1"))], [identifier()], key=KEY),
        WRONG,
        "10.0.0.1",
    ),
    "no names": (lambda: made([], [identifier()], key=KEY), WRONG, "no name"),
    "another's signature": (
        lambda: made([NAME], [identifier()], key=KEY, signer=OTHER),
        WRONG,
        "did not sign itself",
    ),
    "names of a kind that cannot be read": (
        lambda: made([], [identifier(), (STRANGE_NAMES, False)], key=KEY),
        WRONG,
        "cannot be read",
    ),
    "another issuer": (lambda: made([NAME], [identifier()], key=KEY, issuer="ca"), WRONG, "cannot be read"),
}


@pytest.mark.parametrize(("certificate", "error", "seen"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_a_wrong_certificate_is_told(tmp_path: Path, certificate: Made, error: AcmeErrorType, seen: str) -> None:
    outcome, events = await look(showing(tmp_path, certificate()))
    assert (outcome.error, outcome.again) == (error, True)
    for part in (f"TLS for {HOST} with acme-tls/1, asked of 127.0.0.1:", seen, "expected"):
        assert part in outcome.detail
    assert events[-1].what == "tls-alpn"
    assert events[-1].data["version"] == "TLSv1.3"


async def test_a_server_that_does_not_know_the_protocol(tmp_path: Path) -> None:
    certificate = made([NAME], [identifier()], key=KEY)
    tls = server_context(tmp_path, certificate=certificate, key=KEY)
    outcome, _ = await look(tls)
    assert outcome.error is AcmeErrorType.TLS
    assert "chose no protocol" in outcome.detail


async def test_a_server_of_old_tls_only(tmp_path: Path) -> None:
    tls = showing(tmp_path, made([NAME], [identifier()], key=KEY))
    tls.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        tls.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    outcome, _ = await look(tls)
    assert outcome.error is AcmeErrorType.TLS


def saying(answer: bytes, *, end: bool = True) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        if not end:
            await reader.read()

    return talk


NO_TLS: dict[str, tuple[Talk, AcmeErrorType, str]] = {
    "HTTP": (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), AcmeErrorType.TLS, "TLS failed"),
    "no such protocol": (saying(b"\x15\x03\x03\0\x02\x02\x78"), AcmeErrorType.TLS, "knows no 'acme-tls/1'"),
    "no such name": (saying(b"\x15\x03\x03\0\x02\x02\x70"), AcmeErrorType.TLS, "unrecognized name"),
    "an internal error": (saying(b"\x15\x03\x03\0\x02\x02\x50"), AcmeErrorType.TLS, "internal error"),
    "nothing": (saying(b""), AcmeErrorType.TLS, "ended within the TLS handshake"),
    "silence": (saying(b"", end=False), AcmeErrorType.CONNECTION, "no TLS handshake within"),
    "half a record": (saying(b"\x16\x03\x03\x10\0abc", end=False), AcmeErrorType.CONNECTION, "no TLS handshake within"),
    "warnings without end": (
        saying(b"\x15\x03\x03\0\x02\x01\x5a" * 60_000, end=False),
        AcmeErrorType.TLS,
        "TLS failed",
    ),
}


@pytest.mark.parametrize(("talk", "error", "seen"), NO_TLS.values(), ids=NO_TLS)
async def test_a_server_without_a_handshake(talk: Talk, error: AcmeErrorType, seen: str) -> None:
    outcome, events = await look(None, talk, wait=0.3)
    assert (outcome.error, outcome.again) == (error, True), outcome.detail
    for part in (f"TLS for {HOST}", "127.0.0.1:", seen):
        assert part in outcome.detail
    assert events[-1].what == "tls-alpn"


RECORDS = st.tuples(
    st.sampled_from([20, 21, 22, 23, 24, 128]),
    st.sampled_from([b"\x03\x03", b"\x03\x01", b"\x03\x04"]),
    st.binary(max_size=60),
).map(lambda one: bytes([one[0]]) + one[1] + len(one[2]).to_bytes(2, "big") + one[2])


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(RECORDS, max_size=6).map(b"".join)))
def test_whatever_a_server_says_there_is_an_outcome_in_words(answer: bytes) -> None:
    outcome, _ = asyncio.run(look(None, saying(answer), wait=2.0))
    assert outcome.error in {AcmeErrorType.TLS, AcmeErrorType.CONNECTION}
    assert outcome.detail.isprintable()
    assert len(outcome.detail) < 600


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=120))
def test_whatever_the_extension_holds_there_is_an_outcome_in_words(
    tmp_path_factory: pytest.TempPathFactory, value: bytes
) -> None:
    certificate = made([NAME], [identifier(value)], key=KEY)
    outcome, _ = asyncio.run(look(showing(tmp_path_factory.mktemp("tls"), certificate)))
    assert outcome.error is AcmeErrorType.UNAUTHORIZED
