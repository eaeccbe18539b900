"""What the settings say of profiles and policy, seen by a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.web.lab import Lab, running, settings
from zonemint.config import Acme, Profile, Provisioner, Seconds

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = settings(
    acme=Acme(certificate_lifetime=Seconds(30 * 86400)),
    profiles={
        "machines": Profile(
            lifetime=Seconds(86400),
            keys=("p384",),
            extended_key_usages=("serverAuth", "clientAuth"),
            subject={"O": "Zufar Labs", "C": "DE"},
            pointers=("crl",),
            description="for machines",
        ),
        "unused": Profile(),
    },
    provisioners={
        "acme": Provisioner(
            profiles=("default", "machines"), allow=("*.lab.test",), deny=("ca.lab.test",), wildcards=False
        )
    },
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with running(tmp_path_factory.mktemp("data"), CONFIG) as lab:
        yield lab


async def issued(client: Client, profile: str, curve: ec.EllipticCurve) -> x509.Certificate:
    _, order = await client.ready_order("web.lab.test", profile=profile)
    csr = csr_of("web.lab.test", key=ec.generate_private_key(curve))
    done = await client.post(order["finalize"], {"csr": b64url(csr)})
    assert done.status == 200, done
    chain = await client.post(done.json()["certificate"])
    return x509.load_pem_x509_certificates(chain.body)[0]


async def test_the_directory_shows_the_provisioners_profiles(lab: Lab) -> None:
    directory = (await lab.send("GET", "/acme/acme/directory")).json()
    assert directory["meta"]["profiles"] == {
        "default": "server certificates that live 30 days",
        "machines": "for machines",
    }


async def test_a_certificate_is_what_its_profile_says(lab: Lab) -> None:
    certificate = await issued(await registered(lab), "machines", ec.SECP384R1())
    assert certificate.subject.rfc4514_string() == "CN=web.lab.test,O=Zufar Labs,C=DE"
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life.total_seconds() + 1 == 86400
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {x509.OID_SERVER_AUTH, x509.OID_CLIENT_AUTH}
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)


async def test_a_key_of_another_kind_is_refused_and_the_order_stays_ready(lab: Lab) -> None:
    client = await registered(lab)
    url, order = await client.ready_order("key.lab.test", profile="machines")
    refused = await client.post(order["finalize"], {"csr": b64url(csr_of("key.lab.test"))})
    assert (refused.status, refused.problem) == (400, "badCSR")
    assert refused.json()["detail"] == "the profile 'machines' takes keys of the kinds p384, not p256"
    assert (await client.post(url)).json()["status"] == "ready"


@pytest.mark.parametrize("profile", ["unused", "shortlived", "nothing"])
async def test_a_profile_of_others_is_invalid(lab: Lab, profile: str) -> None:
    client = await registered(lab)
    refused = await client.order("web.lab.test", profile=profile)
    assert (refused.status, refused.problem) == (400, "invalidProfile")
    assert refused.json()["detail"].endswith("choose one of default, machines")


async def test_each_refused_name_is_told(lab: Lab) -> None:
    client = await registered(lab)
    refused = await client.order("ok.lab.test", "lab.test", "ca.lab.test", "*.lab.test")
    assert (refused.status, refused.problem) == (400, "rejectedIdentifier")
    told = {sub["identifier"]["value"]: sub["detail"] for sub in refused.json()["subproblems"]}
    assert told == {
        "lab.test": "'lab.test' is none of the names that are issued for here",
        "ca.lab.test": "'ca.lab.test' is refused: it is, or could stand for, a name that is not issued for here",
        "*.lab.test": "'*.lab.test' is refused: no wildcards are issued here",
    }
    orders = await client.post(f"{client.kid}/orders")
    assert orders.json() == {"orders": []}
    assert client.kid is not None
    assert client.kid.startswith(BASE)


async def test_a_stricter_policy_holds_for_older_orders_too(tmp_path: Path) -> None:
    async with running(tmp_path, settings()) as lab:
        client = await registered(lab)
        _, order = await client.ready_order("old.lab.test")
    stricter = settings(provisioners={"acme": Provisioner(deny=("old.lab.test",))})
    async with running(tmp_path, stricter) as lab:
        client.lab = lab
        for _ in range(2):
            refused = await client.post(order["finalize"], {"csr": b64url(csr_of("old.lab.test"))})
            assert (refused.status, refused.problem) == (400, "rejectedIdentifier")
    async with running(tmp_path, settings()) as lab:
        client.lab = lab
        done = await client.post(order["finalize"], {"csr": b64url(csr_of("old.lab.test"))})
        assert (done.status, done.json()["status"]) == (200, "valid")


async def test_the_servers_own_certificate_needs_no_policy(lab: Lab) -> None:
    certificate = x509.load_pem_x509_certificate(lab.data.server_certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "ca.lab.test" in names.get_values_for_type(x509.DNSName)
