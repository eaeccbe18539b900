"""Finalize and download (RFC 8555 sections 7.4 and 7.4.2), and what a failing or vanishing signer leaves behind."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from tests.acme.client import Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_challenges import events_of
from tests.acme.test_requests import assert_refused
from tests.web.lab import Lab, running, settings
from zonemint.config import Issuance
from zonemint.pki.authority import Authority
from zonemint.pki.keys import Signer
from zonemint.store import sqlite

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "final.lab.test"


async def test_an_order_that_is_pending_is_not_ready(lab: Lab) -> None:
    client = await registered(lab)
    order = (await client.order(NAME)).json()
    assert_refused(await client.post(order["finalize"], {"csr": b64url(csr_of(NAME))}), 403, "orderNotReady")


def account_key(client: Client) -> bytes:
    assert isinstance(client.signer.key, ec.EllipticCurvePrivateKey)
    return csr_of(NAME, key=client.signer.key)


def broken_signature(client: Client) -> bytes:
    der = csr_of(NAME)
    return der[:-1] + bytes([der[-1] ^ 1])


REQUESTS: dict[str, tuple[Callable[[Client], bytes], str]] = {
    "not DER": (lambda _: b"hello", "badCSR"),
    "nothing": (lambda _: b"", "badCSR"),
    "the account's own key": (account_key, "badCSR"),
    "a signature that does not fit": (broken_signature, "badCSR"),
    "another name": (lambda _: csr_of("other.lab.test"), "badCSR"),
    "a name too many": (lambda _: csr_of(NAME, "other.lab.test"), "badCSR"),
    "a wildcard too many": (lambda _: csr_of(NAME, f"*.{NAME}"), "badCSR"),
}


@pytest.mark.parametrize(("make", "problem"), REQUESTS.values(), ids=REQUESTS)
async def test_a_bad_request_leaves_the_order_ready(lab: Lab, make: Callable[[Client], bytes], problem: str) -> None:
    client = await registered(lab)
    url, order = await client.ready_order(NAME)
    assert_refused(await client.post(order["finalize"], {"csr": b64url(make(client))}), 400, problem)
    assert (await client.post(url)).json()["status"] == "ready"
    async with asyncio.timeout(5):
        while "refused" not in [event.what for event in events_of(lab, url)]:  # noqa: ASYNC110 - written soon after
            await asyncio.sleep(0.01)
    good = await client.post(order["finalize"], {"csr": b64url(csr_of(NAME.upper()))})
    assert good.json()["status"] == "valid"


@pytest.mark.parametrize("payload", [{}, {"csr": None}, {"csr": "="}, {"csr": "a b"}, [], {"csr": [1]}], ids=str)
async def test_a_payload_of_another_shape_is_malformed(lab: Lab, payload: object) -> None:
    client = await registered(lab)
    _, order = await client.ready_order(NAME)
    assert_refused(await client.post(order["finalize"], payload), 400, "malformed")


async def test_extensions_of_the_request_are_not_copied(lab: Lab) -> None:
    client = await registered(lab)
    _, order = await client.ready_order(NAME)
    wishes = [
        x509.BasicConstraints(ca=True, path_length=None),
        x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CODE_SIGNING]),
    ]
    done = (await client.post(order["finalize"], {"csr": b64url(csr_of(NAME, extra=wishes))})).json()
    leaf = x509.load_pem_x509_certificates((await client.post(done["certificate"])).body)[0]
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


async def test_a_certificate_is_for_its_account_and_read_with_an_empty_payload(lab: Lab) -> None:
    client, other = await registered(lab), await registered(lab)
    _, order = await client.ready_order(NAME)
    url = (await client.post(order["finalize"], {"csr": b64url(csr_of(NAME))})).json()["certificate"]
    assert_refused(await other.post(url), 403, "unauthorized")
    assert_refused(await client.post(url, {}), 400, "malformed")
    chain = (await client.post(url)).body
    assert chain.count(b"BEGIN CERTIFICATE") == 2
    assert chain.endswith(lab.authority.current.chain_pem())


async def test_an_account_key_on_the_certificate_is_refused_only_for_that_account(lab: Lab) -> None:
    """Another account cannot know it; what counts is that one key does not both order and serve."""
    one, two = await registered(lab), await registered(lab)
    _, order = await two.ready_order(NAME)
    done = await two.post(order["finalize"], {"csr": b64url(account_key(one))})
    assert done.json()["status"] == "valid"


# Signers that fail, in servers of their own.


@dataclass(frozen=True)
class FailingSigner:
    """A key in a token that is not there any more: it signs lists, and raises for certificates once `armed`."""

    good: Signer
    error: BaseException
    armed: asyncio.Event

    @property
    def public_key(self) -> CertificatePublicKeyTypes:
        return self.good.public_key

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        if self.armed.is_set():
            raise self.error
        return self.good.sign_certificate(builder)

    @property
    def algorithm(self) -> bytes:
        return self.good.algorithm

    def sign(self, octets: bytes) -> bytes:
        return self.good.sign(octets)


async def _finalize_with(folder: Path, error: BaseException) -> tuple[Client, str, int]:
    """Finalize an order while the signer raises; returns the client, the order's URL and the reply's status, or 0."""
    armed = asyncio.Event()
    async with running(folder, refit=lambda ca: ca.with_key(FailingSigner(ca.current.signer, error, armed))) as lab:
        client = await registered(lab)
        url, order = await client.ready_order(NAME)
        armed.set()
        try:
            reply = await client.post(order["finalize"], {"csr": b64url(csr_of(NAME))})
        except asyncio.IncompleteReadError:
            return client, url, 0
        return client, url, reply.status


@pytest.mark.asyncio(loop_scope="function")
async def test_a_failed_signature_ends_the_order_with_an_error(tmp_path: Path) -> None:
    client, url, status = await _finalize_with(tmp_path / "data", OSError("the token is gone"))
    assert status == 200
    async with running(tmp_path / "data") as lab:
        client.lab = lab
        order = (await client.post(url)).json()
        assert order["status"] == "invalid"
        assert order["error"]["type"] == "urn:ietf:params:acme:error:serverInternal"
        assert "the token is gone" not in order["error"]["detail"]
        assert lab.rows("SELECT serial FROM certificates WHERE order_id IS NOT NULL") == []


@pytest.mark.asyncio(loop_scope="function")
async def test_an_issuance_that_was_cut_off_leaves_the_order_ready_and_its_serial_unused(tmp_path: Path) -> None:
    client, url, _ = await _finalize_with(tmp_path / "data", asyncio.CancelledError())
    ((status, reserved),) = client.lab.rows("SELECT status, serial FROM orders")
    assert status == "ready"
    assert client.lab.rows("SELECT serial FROM certificates WHERE order_id IS NOT NULL") == []
    async with running(tmp_path / "data") as lab:
        client.lab = lab
        order = (await client.post(url)).json()
        order = (await client.post(order["finalize"], {"csr": b64url(csr_of(NAME))})).json()
        assert order["status"] == "valid"
        leaf = x509.load_pem_x509_certificates((await client.post(order["certificate"])).body)[0]
        # The key may have signed with the first serial just before the end; nothing else may carry it.
        assert f"{leaf.serial_number:x}" != reserved
        assert lab.rows("SELECT serial FROM orders") == [(f"{leaf.serial_number:x}",)]


# Many requests for one order at once.


def slow_sync(log: int) -> None:
    """A disk that takes its time, so that requests meet in the middle of each other."""
    time.sleep(0.02)
    os.fdatasync(log)


@pytest.mark.asyncio(loop_scope="function")
async def test_whoever_comes_late_leaves_the_serial_of_a_valid_order_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        _, order = await client.ready_order(NAME)
        drafts = [await client.draft(order["finalize"], {"csr": b64url(csr_of(NAME))}) for _ in range(6)]
        monkeypatch.setattr(sqlite, "_sync", slow_sync)

        async def late(number: int) -> dict[str, str]:
            await asyncio.sleep(number * 0.006)
            found: dict[str, str] = (await client.send(order["finalize"], drafts[number].body())).json()
            return found

        async with asyncio.TaskGroup() as tasks:
            # Each makes a commit whose sync the others wait for.
            for number in range(20):
                tasks.create_task(delayed(number * 0.003, lab.send("POST", "/register")))
            done = [tasks.create_task(late(number)) for number in range(6)]
        assert {one.result()["status"] for one in done} == {"valid"}
        assert len({one.result()["certificate"] for one in done}) == 1
        assert (await client.post(done[-1].result()["certificate"])).status == 200
        assert lab.rows("SELECT serial FROM orders") == lab.rows(
            "SELECT serial FROM certificates WHERE order_id IS NOT NULL"
        )


async def delayed(seconds: float, work: Awaitable[object]) -> None:
    await asyncio.sleep(seconds)
    await work


@dataclass(frozen=True)
class RecordingSigner:
    """The CA's key, which remembers the serials that it signed with."""

    good: Signer
    serials: list[int] = field(default_factory=list)

    @property
    def public_key(self) -> CertificatePublicKeyTypes:
        return self.good.public_key

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        certificate = self.good.sign_certificate(builder)
        self.serials.append(certificate.serial_number)
        return certificate

    @property
    def algorithm(self) -> bytes:
        return self.good.algorithm

    def sign(self, octets: bytes) -> bytes:
        return self.good.sign(octets)


@pytest.mark.asyncio(loop_scope="function")
async def test_a_serial_signs_once_though_the_store_refuses_what_was_signed(tmp_path: Path) -> None:
    signers: list[RecordingSigner] = []

    def record(ca: Authority) -> Authority:
        signers.append(RecordingSigner(ca.current.signer))
        return ca.with_key(signers[0])

    async with running(tmp_path / "data", refit=record) as lab:
        client = await registered(lab)
        url, order = await client.ready_order(NAME)
        drafts = [await client.draft(order["finalize"], {"csr": b64url(csr_of(NAME))}) for _ in range(6)]
        with closing(sqlite3.connect(lab.data.database, isolation_level=None)) as other:
            refusal = "CREATE TRIGGER full BEFORE INSERT ON certificates BEGIN SELECT RAISE(ABORT, 'full'); END"
            other.execute(refusal)
            replies = await asyncio.gather(*(client.send(order["finalize"], draft.body()) for draft in drafts))
            assert {reply.status for reply in replies} == {500}
            other.execute("DROP TRIGGER full")
        assert (await client.post(url)).json()["status"] == "ready"
        done = (await client.post(order["finalize"], {"csr": b64url(csr_of(NAME))})).json()
        assert done["status"] == "valid"
        assert (await client.post(done["certificate"])).status == 200
    (signer,) = signers
    assert len(signer.serials) >= 7
    assert len(set(signer.serials)) == len(signer.serials)


@pytest.mark.asyncio(loop_scope="function")
async def test_a_key_of_the_list_of_known_keys_is_refused(tmp_path: Path) -> None:
    known, other = (ec.derive_private_key(number, ec.SECP256R1()) for number in (5, 6))
    x = known.public_key().public_numbers().x.to_bytes(32, "big").lstrip(b"\0")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/known.dat").write_bytes(hashlib.sha256(x).digest()[:15] + b"\x01")
    async with running(tmp_path / "data", settings(issuance=Issuance(known_keys="known.dat"))) as lab:
        client = await registered(lab)
        _, order = await client.ready_order(NAME)
        refused = await client.post(order["finalize"], {"csr": b64url(csr_of(NAME, key=known))})
        assert_refused(refused, 400, "badCSR")
        assert "is public" in refused.json()["detail"]
        assert (await client.post(order["finalize"], {"csr": b64url(csr_of(NAME, key=other))})).json()[
            "status"
        ] == "valid"
