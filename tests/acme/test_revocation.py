"""Revocation (RFC 8555 section 7.6): who may, what for, and who learns of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme import signing
from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_requests import assert_refused
from tests.store.test_sweep import DAY, Case, add, opened
from tests.web.lab import Lab
from tests.web.wire import exchange, request
from zonemint.acme import revocation
from zonemint.store.database import Steps

pytestmark = pytest.mark.asyncio(loop_scope="module")

REVOKE = f"{BASE}/revoke-cert"


def _named(certificate: x509.Certificate) -> str:
    return b64url(certificate.public_bytes(Encoding.DER))


async def _listed(lab: Lab, serial: int) -> x509.RevokedCertificate | None:
    """What the list on the plain listener says of a serial, once it is one newer than the revocation or never."""
    reply = await exchange(lab.server.http_port, request("GET", "/crl", "ca.lab.test"))
    assert reply.header("Content-Type") == "application/pkix-crl"
    revocations = x509.load_der_x509_crl(reply.body)
    assert revocations.is_signature_valid(lab.authority.intermediate.public_key())  # type: ignore[arg-type]
    return revocations.get_revoked_certificate_by_serial_number(serial)


async def _becomes_listed(lab: Lab, serial: int) -> x509.RevokedCertificate:
    async with asyncio.timeout(5):
        while (entry := await _listed(lab, serial)) is None:  # noqa: ASYNC110 - the other side is a server
            await asyncio.sleep(0.005)
    return entry


async def test_the_issuing_account_revokes_once(lab: Lab) -> None:
    client = await registered(lab)
    certificate = await client.certificate("revoked.lab.test")
    assert await _listed(lab, certificate.serial_number) is None
    done = await client.post(REVOKE, {"certificate": _named(certificate), "reason": 4})
    assert (done.status, done.body) == (200, b"")
    assert done.header("Replay-Nonce")
    entry = await _becomes_listed(lab, certificate.serial_number)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.superseded
    assert_refused(await client.post(REVOKE, {"certificate": _named(certificate)}), 400, "alreadyRevoked")


async def test_without_a_reason_the_list_gives_none(lab: Lab) -> None:
    client = await registered(lab)
    certificate = await client.certificate("plain.lab.test")
    assert (await client.post(REVOKE, {"certificate": _named(certificate)})).status == 200
    entry = await _becomes_listed(lab, certificate.serial_number)
    assert not list(entry.extensions)


@pytest.mark.parametrize("reason", [-1, 2, 6, 7, 8, 10, 11, 10**30])
async def test_a_reason_that_is_not_a_subscribers(lab: Lab, reason: int) -> None:
    client = await registered(lab)
    assert_refused(await client.post(REVOKE, {"certificate": "", "reason": reason}), 400, "badRevocationReason")


async def test_another_account_may_when_it_holds_all_the_names(lab: Lab) -> None:
    owner, other = await registered(lab), await registered(lab)
    certificate = await owner.certificate("held.lab.test", "*.held.lab.test")
    revocation = {"certificate": _named(certificate)}
    assert_refused(await other.post(REVOKE, revocation), 403, "unauthorized")
    await other.ready_order("held.lab.test")
    assert_refused(await other.post(REVOKE, revocation), 403, "unauthorized")
    await other.ready_order("*.held.lab.test")
    assert (await other.post(REVOKE, revocation)).status == 200


async def test_a_stranger_with_many_orders_costs_few_reads(tmp_path: Path) -> None:
    def fill() -> Steps[None]:
        for number in range(60):
            yield from add(number, Case(0, "pending", DAY, names=50), 0)

    def counted(steps: Steps[bool]) -> Steps[int]:
        count, rows = 0, None
        while True:
            try:
                step = next(steps) if rows is None else steps.send(rows)
            except StopIteration:
                return count
            rows, count = (yield step), count + 1

    async with opened(tmp_path) as db:
        await db.write(fill())
        assert await db.read(counted(revocation.holds("a", frozenset({"victim.test"}), now=1))) <= 61
        # Names that are theirs, with nothing proved, are looked for within a bound.
        assert await db.read(counted(revocation.holds("a", frozenset({"x.test"}), now=1))) <= 61 + 2000


async def test_the_certificates_own_key_revokes_and_is_blocked(lab: Lab) -> None:
    client = await registered(lab)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = await client.certificate("stolen.lab.test", key=key)
    finder = Client(lab, signing.of(key))
    assert (await finder.post(REVOKE, {"certificate": _named(certificate), "reason": 0})).status == 200
    entry = await _becomes_listed(lab, certificate.serial_number)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise

    url, order = await client.ready_order("stolen.lab.test")
    refused = await client.post(order["finalize"], {"csr": b64url(csr_of("stolen.lab.test", key=key))})
    assert_refused(refused, 400, "badCSR")
    assert "key compromise" in refused.json()["detail"]
    assert (await client.post(url)).json()["status"] == "ready"


async def test_a_stranger_with_some_key_may_not(lab: Lab) -> None:
    client = await registered(lab)
    certificate = await client.certificate("safe.lab.test")
    assert_refused(await Client(lab).post(REVOKE, {"certificate": _named(certificate)}), 403, "unauthorized")
    assert await _listed(lab, certificate.serial_number) is None


async def foreign_certificate(client: Client) -> str:
    return _named(client.lab.authority.root)


async def altered_certificate(client: Client) -> str:
    """One of ours with another signature: the serial is known, the certificate is not."""
    der = (await client.certificate("altered.lab.test")).public_bytes(Encoding.DER)
    return b64url(der[:-1] + bytes([der[-1] ^ 1]))


async def no_certificate(client: Client) -> str:
    return b64url(b"hello")


async def certificate_of_another_version(client: Client) -> str:
    der = client.lab.authority.root.public_bytes(Encoding.DER)
    return b64url(der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020104"), 1))


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (foreign_certificate, 404),
        (altered_certificate, 404),
        (no_certificate, 400),
        (certificate_of_another_version, 400),
    ],
)
async def test_what_is_not_ours_cannot_be_revoked(
    lab: Lab, make: Callable[[Client], Awaitable[str]], status: int
) -> None:
    client = await registered(lab)
    assert_refused(await client.post(REVOKE, {"certificate": await make(client)}), status, "malformed")


async def test_eight_revocations_at_once_have_one_success(lab: Lab) -> None:
    client = await registered(lab)
    certificate = await client.certificate("race.lab.test")
    bodies = [(await client.draft(REVOKE, {"certificate": _named(certificate)})).body() for _ in range(8)]
    replies = await asyncio.gather(*(client.send(REVOKE, body) for body in bodies))
    assert sorted(reply.status for reply in replies) == [200] + [400] * 7
