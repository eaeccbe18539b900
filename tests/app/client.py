"""An ACME client of the certbot project, driven step by step, and the acme-dns API as a hook uses it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, cast

import requests
from acme import challenges, client, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from josepy.interfaces import JSONDeSerializable
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from tests.server import Running

__all__ = ["Client", "Prepared", "csr_for"]


def csr_for(*names: str) -> bytes:
    """Return a request for names with a new key, in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = builder.add_extension(alternatives, False).sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    return request.public_bytes(Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order with its challenges' answers known but not set."""

    order: messages.OrderResource
    challenges: list[messages.ChallengeBody]
    names: list[str]
    values: list[str]


class Client:
    """One account at one server; it goes on after the server was started again, like every client that retries."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self._key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        # requests takes a file of roots where the client's type says only whether to verify.
        roots = cast(bool, str(server.root))
        self._net = client.ClientNetwork(self._key, alg=ES256, verify_ssl=roots, timeout=20)
        directory = client.ClientV2.get_directory(server.directory, self._net)
        self.acme = client.ClientV2(directory, self._net)
        self.acme.new_account(messages.NewRegistration(terms_of_service_agreed=True))

    def close(self) -> None:
        """Give the connections back."""
        self._net.session.close()

    def order(self, *names: str) -> Prepared:
        """Make an order and look at its dns-01 challenges."""
        order = self.acme.new_order(csr_for(*names))
        bodies, hosts, values = [], [], []
        for authorization in order.authorizations:
            for body in authorization.body.challenges:
                if isinstance(body.chall, challenges.DNS01):
                    bodies.append(body)
                    hosts.append(str(authorization.body.identifier.value))
                    values.append(body.chall.validation(self._key))
        return Prepared(order, bodies, hosts, values)

    def set_values(self, prepared: Prepared) -> None:
        """Post the TXT values to the accounts of the names."""
        accounts = json.loads((self.server.folder / "acmedns.json").read_text())
        for name, value in zip(prepared.names, prepared.values, strict=True):
            account = accounts[name.removeprefix("*.")]
            body = json.dumps({"subdomain": account["subdomain"], "txt": value}).encode()
            self.server.get(
                "/update", body=body, headers={"X-Api-User": account["username"], "X-Api-Key": account["password"]}
            )

    def respond(self, prepared: Prepared) -> None:
        """Say that the challenges are prepared."""
        for body in prepared.challenges:
            self.acme.answer_challenge(body, challenges.DNS01Response())

    def status(self, prepared: Prepared) -> str:
        """Look at the order."""
        return str(self.view(prepared.order.uri)["status"])

    def view(self, url: str) -> dict[str, Any]:
        """Look at an object of the account."""
        return cast(dict[str, Any], self._post_as_get(url).json())

    def finish(self, prepared: Prepared) -> str:
        """Wait, finalize and download, whatever of this is left to do; return the PEM chain."""
        end = time.monotonic() + 60
        while (order := self.view(prepared.order.uri))["status"] != "valid":
            assert order["status"] != "invalid", order
            assert time.monotonic() < end, order
            if order["status"] == "ready":
                self.acme.begin_finalization(prepared.order)
            else:
                time.sleep(0.1)
        return self._post_as_get(order["certificate"]).text

    def prove(self, *names: str) -> Prepared:
        """Make an order, and do all that it takes to be ready."""
        prepared = self.order(*names)
        self.set_values(prepared)
        self.respond(prepared)
        return prepared

    def issue(self, *names: str) -> x509.Certificate:
        """Go the whole way, and return the certificate without its chain."""
        return x509.load_pem_x509_certificate(self.finish(self.prove(*names)).encode())

    def _post_as_get(self, url: str) -> requests.Response:
        nothing = cast(JSONDeSerializable, None)
        return self._net.post(url, nothing, new_nonce_url=str(self.acme.directory["newNonce"]))
