"""A running server takes up a new issuer, and a new root, and goes on with what the old one signed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification

from tests.acme.client import Client, csr_of, registered
from tests.acme.signing import b64url
from tests.app.nodes import nodes
from tests.pki.test_issuers import crossed, intermediate_of, other_root, pem
from tests.postgres import Postgres
from tests.web.lab import Lab, running
from tests.web.wire import Reply, exchange, request
from zonemint.app.authority_keeper import AuthorityKeeper
from zonemint.pki import authority, folder, keys
from zonemint.pki.issuer import key_id_of
from zonemint.store.sqlite import SqliteDatabase

NAME = "a.lab.test"


async def issued(client: Client, name: str = NAME) -> tuple[str, list[x509.Certificate]]:
    """A certificate's URL, and its chain."""
    at, order = await client.ready_order(name)
    order = (await client.post(order["finalize"], {"csr": b64url(csr_of(name))})).json()
    async with asyncio.timeout(30):
        # Another node may be the one that signs.
        while order["status"] == "processing":
            await asyncio.sleep(0.02)
            order = (await client.post(at)).json()
    return order["certificate"], await chain(client, order["certificate"])


async def chain(client: Client, url: str) -> list[x509.Certificate]:
    reply = await client.post(url)
    assert reply.status == 200
    return x509.load_pem_x509_certificates(reply.body)


async def fetch(lab: Lab, path: str, status: int = 200) -> bytes:
    reply = await exchange(lab.server.http_port, request("GET", path, "ca.lab.test", headers={"Accept": "*/*"}))
    assert reply.status == status
    return reply.body


def key_of(leaf: x509.Certificate) -> str:
    found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert found is not None
    return found.hex()


def list_url(leaf: x509.Certificate) -> str:
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    return str(point.full_name[0].value)


def path_of(url: str) -> str:
    return "/" + url.removeprefix("http://").partition("/")[2]


async def renewed_with(client: Client, issuer: x509.Certificate) -> tuple[str, list[x509.Certificate]]:
    """Certificates until one is of a new issuer, as the server looks each second."""
    async with asyncio.timeout(15):
        while True:
            url, found = await issued(client)
            if key_of(found[0]) == key_id_of(issuer):
                return url, found


async def test_a_new_issuer_without_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        old_url, old = await issued(client)
        key = keys.generate()
        new = intermediate_of(lab.data.pki, time.time(), key)
        folder.install(lab.data.pki, (new, lab.authority.root), pem(key))
        url, now = await renewed_with(client, new)
        assert now[1:] == [new]
        # What the old one signed is downloaded with the old one's chain.
        assert await chain(client, old_url) == old
        assert old[1:] == [lab.authority.intermediate]
        served = x509.load_pem_x509_certificates(await fetch(lab, "/intermediates.pem"))
        assert served == [new, lab.authority.intermediate]
        assert x509.load_der_x509_certificate(await fetch(lab, "/intermediate.crt")) == new
        # Those who watch see the end of the old one, too.
        watched = (await fetch(lab, "/metrics")).decode()
        for what, one in (("root", lab.authority.root), ("intermediate", new), ("earlier intermediate", old[1])):
            assert f'certificate="{what}",sha256="{one.fingerprint(SHA256()).hex()}"' in watched
        # Each has a list of its own, at the URL in what it signed.
        assert list_url(old[0]) != list_url(now[0])
        for leaf, issuer in ((old[0], lab.authority.intermediate), (now[0], new)):
            body = {"certificate": b64url(leaf.public_bytes(Encoding.DER))}
            assert (await client.post("https://ca.lab.test/acme/acme/revoke-cert", body)).status == 200
            made = await listed(lab, leaf)
            public = issuer.public_key()
            assert isinstance(public, ec.EllipticCurvePublicKey)
            assert made.is_signature_valid(public)
            assert [one.serial_number for one in made] == [leaf.serial_number]
            access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
            at = path_of(str(access[0].access_location.value))
            assert x509.load_der_x509_certificate(await fetch(lab, at)) == issuer
        await fetch(lab, "/crl/00", 404)
        await fetch(lab, "/intermediate/00", 404)
    async with running(tmp_path / "data") as again:
        client.lab = again
        assert await chain(client, url) == now
        assert await chain(client, old_url) == old


async def test_a_crossed_root_makes_an_alternate_chain(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        url, first = await issued(client)
        assert not alternates(await client.post(url))
        root_key, root = other_root(time.time())
        folder.add(lab.data.pki, root)
        folder.add(lab.data.pki, crossed(lab.authority.root, root, root_key))
        async with asyncio.timeout(15):
            while not alternates(await client.post(url)):  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.05)
        assert x509.load_pem_x509_certificates(await fetch(lab, "/roots.pem")) == [lab.authority.root, root]
        reply = await client.post(url)
        assert x509.load_pem_x509_certificates(reply.body) == first
        assert alternates(reply) == [f"{url}/1"]
        other = await client.post(f"{url}/1")
        assert alternates(other) == [url]
        alternate = x509.load_pem_x509_certificates(other.body)
        assert path_is_valid(root, alternate, NAME)
        assert not path_is_valid(root, first, NAME)
        assert path_is_valid(lab.authority.root, first, NAME)
        assert (await client.post(f"{url}/2")).status == 404
        assert (await client.post(f"{url}/x")).status == 404
        for one in (root, lab.authority.root):
            body = await fetch(lab, f"/root/{one.fingerprint(SHA256()).hex()}")
            assert x509.load_pem_x509_certificate(body) == one
        await fetch(lab, f"/root/{'0' * 64}", 404)


async def test_a_folder_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    made = authority.create(tmp_path / "pki", name="Lab", domains=["lab.test"], now=time.time())
    db = SqliteDatabase(tmp_path / "store.db")
    kept = AuthorityKeeper(db, tmp_path / "pki", made, time.time, shared=False)
    assert not await kept.look()
    file = tmp_path / "pki/intermediate.crt"
    good = file.read_bytes()
    file.write_bytes(b"nonsense")
    assert not await kept.look()
    assert kept.current() is made
    file.write_bytes(good)
    assert await kept.look()
    assert kept.current().intermediate == made.intermediate
    assert not await kept.look()
    await db.close()


async def test_nodes_learn_of_an_issuer_through_the_store(tmp_path: Path, postgres: Postgres) -> None:
    async with nodes(tmp_path, postgres.database(), keys=(True, False)) as both:
        one, two = both.each
        client = Client(two)
        await client.register()
        old_url, old = await issued(client)
        key = keys.generate()
        new = intermediate_of(one.data.pki, time.time() + 1, key)
        folder.install(one.data.pki, (new, one.authority.root), pem(key))
        found = (await renewed_with(client, new))[1]
        assert found[1:] == [new]
        assert _current(two) == key_id_of(new)
        assert await chain(client, old_url) == old
        assert not (two.data.pki / "intermediate.key").exists()


def alternates(reply: Reply) -> list[str]:
    return [one.split(">")[0][1:] for one in reply.all("link") if one.endswith(';rel="alternate"')]


def path_is_valid(root: x509.Certificate, given: list[x509.Certificate], name: str) -> bool:
    builder = verification.PolicyBuilder().store(verification.Store([root]))
    try:
        builder.build_server_verifier(x509.DNSName(name)).verify(given[0], given[1:])
    except verification.VerificationError:
        return False
    return True


def _current(lab: Lab) -> str:
    return key_id_of(x509.load_pem_x509_certificates((lab.data.pki / "intermediate.crt").read_bytes())[0])


async def listed(lab: Lab, leaf: x509.Certificate) -> x509.CertificateRevocationList:
    """The list that a certificate names, once it is on it."""
    async with asyncio.timeout(15):
        while True:
            made = x509.load_der_x509_crl(await fetch(lab, path_of(list_url(leaf))))
            if made.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None:
                return made
            await asyncio.sleep(0.02)
