"""A clock that jumps: nothing is stuck or lost, and no certificate leaves the life of its issuer."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.web.lab import DOMAIN, Clock, Lab, running
from tests.web.wire import exchange, request

DAY, HOUR = 86400, 3600
JUMPS = [[DAY], [-HOUR], [DAY, 0], [-HOUR, 0], [DAY, -HOUR, DAY]]
BAD_NONCE = "urn:ietf:params:acme:error:badNonce"


def clock_of(lab: Lab) -> datetime:
    return datetime.fromtimestamp(lab.clock(), UTC)


async def revocation_list(lab: Lab) -> x509.CertificateRevocationList:
    reply = await exchange(lab.server.http_port, request("GET", "/crl", "ca.lab.test"))
    return x509.load_der_x509_crl(reply.body)


async def serial_of(lab: Lab) -> int:
    (soa,) = (await lab.ask(DOMAIN, "SOA")).answer
    return int(soa[0].serial)


async def check_all(lab: Lab, client: Client, number: int) -> None:
    """Everything that a client can want is to be had, and is right for the time that the clock says."""
    issuer = lab.authority.intermediate
    name = f"n{number}.{DOMAIN}"
    before = await serial_of(lab)
    leaf = await client.certificate(name)
    assert await serial_of(lab) > before, "the alias of the new name is a change of the zone"
    assert issuer.not_valid_before_utc <= leaf.not_valid_before_utc < leaf.not_valid_after_utc
    assert leaf.not_valid_after_utc <= issuer.not_valid_after_utc
    assert clock_of(lab) < leaf.not_valid_after_utc
    if issuer.not_valid_before_utc <= clock_of(lab):
        assert leaf.not_valid_before_utc <= clock_of(lab)
    assert await lab.texts(lab.txt["fulldomain"])
    revocation = {"certificate": b64url(leaf.public_bytes(Encoding.DER)), "reason": 4}
    assert (await client.post(f"{BASE}/revoke-cert", revocation)).status == 200
    for _ in range(300):
        crl = await revocation_list(lab)
        if crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None:
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("the revocation is in no list")
    assert crl.next_update_utc is not None
    assert crl.last_update_utc <= clock_of(lab) < crl.next_update_utc


@pytest.mark.parametrize("jumps", JUMPS, ids=str)
async def test_a_running_server_goes_on(tmp_path: Path, jumps: list[int]) -> None:
    clock = Clock()
    async with running(tmp_path / "data", clock=clock) as lab:
        client = await registered(lab)
        await check_all(lab, client, 0)
        numbers = [(await revocation_list(lab)).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number]
        for number, jump in enumerate(jumps, 1):
            ready, waiting = f"r{number}.{DOMAIN}", f"w{number}.{DOMAIN}"
            url, order = await client.ready_order(ready)
            pending = await client.order(waiting)
            old, place = await client.nonce(), pending.header("Location")
            assert client.kid is not None
            assert place is not None
            clock.offset = jump
            # A nonce from before is taken or refused with a fresh one; the client goes on either way.
            reply = await client.send(client.kid, (await client.draft(client.kid, {}, nonce=old)).body())
            assert reply.status == 200 or (reply.json()["type"] == BAD_NONCE and reply.header("Replay-Nonce"))
            # An order from before goes on or has expired.
            done = await client.post(order["finalize"], {"csr": b64url(csr_of(ready))})
            now = (await client.post(url)).json()
            assert (done.status, now["status"]) in {(200, "valid"), (403, "invalid")}
            assert (await client.post(place)).json()["status"] in {"pending", "invalid"}
            await check_all(lab, client, number)
            crl = await revocation_list(lab)
            numbers.append(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("jump", [DAY, -HOUR])
async def test_a_start_after_the_jump_goes_on(tmp_path: Path, jump: int) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        await check_all(lab, client, 0)
        before = await serial_of(lab)
        issued = lab.rows("SELECT serial FROM certificates")
    async with running(tmp_path / "data", clock=Clock(jump)) as lab:
        client.lab = lab
        assert await serial_of(lab) >= before
        assert set(issued) <= set(lab.rows("SELECT serial FROM certificates"))
        served = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", lab.server.https_port))
        own = x509.load_pem_x509_certificate(served.encode())
        assert lab.authority.intermediate.not_valid_before_utc <= own.not_valid_before_utc
        assert own.not_valid_after_utc <= lab.authority.intermediate.not_valid_after_utc
        await check_all(lab, client, 1)
    async with running(tmp_path / "data") as lab:
        client.lab = lab
        await check_all(lab, client, 2)
