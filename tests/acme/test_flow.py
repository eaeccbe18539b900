"""From nothing to a trusted certificate, request by request (RFC 8555 section 7)."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import crypto

from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.web.lab import HOST, Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_whole_flow_on_the_wire(lab: Lab, tmp_path: Path) -> None:
    client = Client(lab)
    index = f'<{BASE}/directory>;rel="index"'

    directory = await lab.send("GET", "/acme/acme/directory")
    assert directory.status == 200
    assert directory.header("Content-Type") == "application/json"
    assert directory.header("Link") is None
    assert directory.json() | {"meta": None} == {
        "newNonce": f"{BASE}/new-nonce",
        "newAccount": f"{BASE}/new-account",
        "newOrder": f"{BASE}/new-order",
        "revokeCert": f"{BASE}/revoke-cert",
        "keyChange": f"{BASE}/key-change",
        "renewalInfo": f"{BASE}/renewal-info",
        "meta": None,
    }
    assert set(directory.json()["meta"]["profiles"]) == {"default", "shortlived"}

    for method, status in (("HEAD", 200), ("GET", 204)):
        nonce = await lab.send(method, "/acme/acme/new-nonce")
        assert (nonce.status, nonce.body) == (status, b"")
        assert nonce.header("Replay-Nonce")
        assert nonce.header("Cache-Control") == "no-store"
        assert nonce.header("Link") == index

    made = await client.register(contact=["mailto:admin@lab.test"], termsOfServiceAgreed=True)
    assert made.status == 201
    assert made.json() == {
        "status": "valid",
        "contact": ["mailto:admin@lab.test"],
        "orders": f"{client.kid}/orders",
        "termsOfServiceAgreed": True,
    }

    order = await client.order("Server-1.Lab.Test")
    url = order.header("Location")
    assert order.status == 201
    assert url is not None
    assert order.json()["status"] == "pending"
    assert order.json()["identifiers"] == [{"type": "dns", "value": "server-1.lab.test"}]
    assert order.json()["finalize"] == f"{url}/finalize"

    (authorization_url,) = order.json()["authorizations"]
    authorization = await client.post(authorization_url)
    assert authorization.json()["status"] == "pending"
    assert authorization.json()["identifier"] == {"type": "dns", "value": "server-1.lab.test"}
    assert "wildcard" not in authorization.json()
    challenge = next(one for one in authorization.json()["challenges"] if one["type"] == "dns-01")
    assert (challenge["type"], challenge["status"]) == ("dns-01", "pending")

    await lab.delegate("server-1.lab.test")
    await client.publish(challenge)
    answered = await client.post(challenge["url"], {})
    assert answered.status == 200
    assert sorted(answered.all("Link")) == sorted([index, f'<{authorization_url}>;rel="up"'])
    assert answered.json()["status"] == "valid"
    assert "validated" in answered.json()
    assert (await client.post(authorization_url)).json()["status"] == "valid"
    assert (await client.post(url)).json()["status"] == "ready"

    key = ec.generate_private_key(ec.SECP256R1())
    finalized = await client.post(order.json()["finalize"], {"csr": b64url(csr_of("server-1.lab.test", key=key))})
    assert finalized.status == 200
    assert finalized.header("Location") == url
    assert finalized.json()["status"] == "valid"

    chain = await client.post(finalized.json()["certificate"])
    assert chain.header("Content-Type") == "application/pem-certificate-chain"
    assert chain.header("Link") == index
    leaf, intermediate = x509.load_pem_x509_certificates(chain.body)
    assert leaf.issuer == intermediate.subject
    assert leaf.public_key() == key.public_key()
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(lab.authority.root))
    crypto.X509StoreContext(
        store, crypto.X509.from_cryptography(leaf), [crypto.X509.from_cryptography(intermediate)]
    ).verify_certificate()

    file = tmp_path / "server.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(pem + chain.body)
    await _serve_and_connect(file, lab.authority.roots_pem.decode(), "server-1.lab.test")

    orders = await client.post(f"{client.kid}/orders")
    assert orders.json() == {"orders": [url]}


async def _serve_and_connect(file: Path, roots: str, name: str) -> None:
    """Serve TLS with a chain and connect to it, trusting only the root and checking the name."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(file)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"trusted")
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context) as server:
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(), ssl=ssl.create_default_context(cadata=roots), server_hostname=name
        )
        assert await reader.read() == b"trusted"
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_wildcard_and_base_name_in_one_certificate(lab: Lab) -> None:
    client = await registered(lab)
    _, order = await client.ready_order("*.apps.lab.test", "apps.lab.test")
    authorizations = [(await client.post(url)).json() for url in order["authorizations"]]
    assert [(one["identifier"]["value"], one.get("wildcard")) for one in authorizations] == [
        ("apps.lab.test", True),
        ("apps.lab.test", None),
    ]
    done = await client.post(order["finalize"], {"csr": b64url(csr_of("apps.lab.test", "*.APPS.lab.test"))})
    leaf = x509.load_pem_x509_certificates((await client.post(done.json()["certificate"])).body)[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"*.apps.lab.test", "apps.lab.test"}


async def test_urls_come_from_the_settings_and_never_from_the_host_header(lab: Lab) -> None:
    forged = await lab.send("GET", "/acme/acme/directory", {"X-Forwarded-Host": "evil.test"}, host="evil.test")
    assert b"evil.test" not in forged.body
    assert forged.json()["newOrder"] == f"https://{HOST}/acme/acme/new-order"


async def test_eight_parallel_finalizes_make_one_certificate_and_give_the_same_order(lab: Lab) -> None:
    client = await registered(lab)
    url, order = await client.ready_order("race.lab.test")
    bodies = [
        (await client.draft(order["finalize"], {"csr": b64url(csr_of("race.lab.test"))})).body() for _ in range(8)
    ]
    replies = await asyncio.gather(*(client.send(order["finalize"], body) for body in bodies))
    assert [reply.status for reply in replies] == [200] * 8
    assert {reply.header("Location") for reply in replies} == {url}
    assert {reply.json()["status"] for reply in replies} <= {"processing", "valid"}
    for reply in replies:
        assert (reply.header("Retry-After") is not None) == (reply.json()["status"] == "processing")
    final = (await client.post(url)).json()
    assert final["status"] == "valid"
    assert lab.rows("SELECT status FROM certificates WHERE order_id = ?", url.rpartition("/")[2]) == [("valid",)]
    again = await client.post(order["finalize"], {"csr": b64url(csr_of("race.lab.test"))})
    assert (again.status, again.json()) == (200, final)


async def test_the_same_nonce_eight_times_has_one_success_and_seven_fresh_nonces(lab: Lab) -> None:
    client = await registered(lab)
    assert client.kid is not None
    body = (await client.draft(client.kid)).body()
    replies = await asyncio.gather(*(client.send(client.kid, body) for _ in range(8)))
    assert sorted(reply.status for reply in replies) == [200] + [400] * 7
    refused = [reply for reply in replies if reply.status == 400]
    assert {reply.problem for reply in refused} == {"badNonce"}
    fresh = [reply.header("Replay-Nonce") for reply in refused]
    assert len(set(fresh)) == 7
    for nonce in fresh:
        retried = await client.send(client.kid, (await client.draft(client.kid, nonce=nonce)).body())
        assert retried.status == 200
