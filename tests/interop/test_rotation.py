"""certbot and lego order without a pause while the intermediate and then the root are changed."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme.signing import b64url
from tests.cli.program import run
from tests.interop.programs import run_program
from tests.interop.test_clients import write_hook
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Ports, Running, running, until
from zonemint.pki.issuer import pem_of

pytestmark = pytest.mark.interop

VENV = Path(sys.executable).parent
Chain = list[x509.Certificate]


class Customer:
    """Orders one certificate after the other; what fails is kept, and is the end."""

    def __init__(self, order: Callable[[int], Path]) -> None:
        self.chains: list[Chain] = []
        self.failure: BaseException | None = None
        self._order = order
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            while not self._stopped.is_set():
                pem = self._order(len(self.chains)).read_bytes()
                self.chains.append(x509.load_pem_x509_certificates(pem))
        except BaseException as failure:
            self.failure = failure

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


class Clients:
    """certbot and lego with what they keep, and the roots that they trust."""

    def __init__(self, server: Running, folder: Path) -> None:
        self.server = server
        self.trusted = folder / "trusted.pem"
        self.trusted.write_bytes(server.root.read_bytes())
        self._folder = folder
        self._certbot, self._lego = f"certbot.{DOMAIN}", f"lego.{DOMAIN}"
        for name in (self._certbot, self._lego):
            assert server.register(name).returncode == 0
        self._hook = write_hook(server, folder / "hook", self._lego, when='[ "$1" = present ]', value="$3")

    def certbot(self, *words: str) -> str:
        words += tuple(f"--{kind}-dir={self._folder}/{kind}" for kind in ("config", "work", "logs"))
        env = {
            "PATH": f"{VENV}:/usr/bin:/bin",
            "ACMEDNS_STORAGE": str(self.server.folder / "acmedns.json"),
            "ACMEDNS_RESOLVER": f"{HOST}:{self.server.ports.dns}",
            "REQUESTS_CA_BUNDLE": str(self.trusted),
        }
        return run_program([str(VENV / "certbot"), *words, "--non-interactive"], env)

    def certbot_orders(self, number: int) -> Path:
        words = ["certonly", "--manual", "--manual-auth-hook", "zonemint-certbot-hook", "--preferred-challenges", "dns"]
        words += ["--server", self.server.directory, "--agree-tos", "-m", "admin@example.org", "-d", self._certbot]
        name = f"{number:03}"
        self.certbot(*words, "--cert-name", name, "--duplicate")
        return self._folder / "config/live" / name / "fullchain.pem"

    def lego_orders(self, number: int, *more: str) -> Path:
        path = self._folder / f"lego-{number:03}"
        words = [require_program("lego"), "--server", self.server.directory, "--accept-tos", "--path", str(path)]
        words += ["--email", "admin@example.org", "--domains", self._lego, "--dns", "exec"]
        words += ["--dns.resolvers", f"{HOST}:{self.server.ports.dns}", "--dns.disable-cp", "run", *more]
        env = {"LEGO_CA_CERTIFICATES": str(self.trusted), "EXEC_PATH": str(self._hook), "EXEC_SEQUENCE_INTERVAL": "1"}
        run_program(words, env)
        return path / f"certificates/{self._lego}.crt"


@contextmanager
def ordering(clients: Clients) -> Iterator[list[Customer]]:
    """Have both order until the end."""
    both = [Customer(clients.certbot_orders), Customer(clients.lego_orders)]
    try:
        yield both
    finally:
        for one in both:
            one.stop()


def more_of_each(both: list[Customer], issuer: str) -> None:
    """Wait until each has one more of an issuer that began after this call."""
    had = [len(one.chains) for one in both]

    def have() -> bool:
        assert not any(one.failure for one in both), [one.failure for one in both]
        return all(
            any(key_of(chain[0]) == issuer for chain in one.chains[before:])
            for one, before in zip(both, had, strict=True)
        )

    until(have, f"each has a certificate of {issuer}", seconds=90)


def key_of(leaf: x509.Certificate) -> str:
    found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert found is not None
    return found.hex()


def current(server: Running) -> str:
    (one, *_) = json.loads(run("ca", "show", "--json", "--data", server.folder).stdout)
    return str(one["key_id"])


def rotated(server: Running, *words: str) -> str:
    """Change something; return the key identifier of the issuer that signs then."""
    done = run("ca", *words, "--data", server.folder)
    assert done.returncode == 0, done.stderr
    return current(server)


def verify(folder: Path, root: x509.Certificate, chain: Chain, beside: Chain) -> None:
    trusted, given, leaf = folder / "root.pem", folder / "given.pem", folder / "leaf.pem"
    trusted.write_bytes(pem_of((root,)))
    given.write_bytes(pem_of([*chain[1:], *beside]))
    leaf.write_bytes(pem_of(chain[:1]))
    words = ["-x509_strict", "-purpose", "sslserver", "-CAfile", str(trusted), "-untrusted", str(given), str(leaf)]
    run_program([require_program("openssl"), "verify", *words])


def window(server: Running, leaf: x509.Certificate) -> tuple[datetime, datetime]:
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1, "big")
    name = f"{b64url(bytes.fromhex(key_of(leaf)))}.{b64url(serial)}"
    told = json.loads(server.get(f"/acme/acme/renewal-info/{name}"))["suggestedWindow"]
    return datetime.fromisoformat(told["start"]), datetime.fromisoformat(told["end"])


def check_list(server: Running, folder: Path, leaf: x509.Certificate, issuers: Chain) -> None:
    """The revocation list that a certificate names is signed by its issuer, and young."""
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    path = "/" + str(point.full_name[0].value).removeprefix("http://").partition("/")[2]
    der = server.fetch(path)
    crl = x509.load_der_x509_crl(der)
    assert crl.next_update_utc is not None
    assert crl.next_update_utc > datetime.now(UTC)
    (folder / "list.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    (folder / "issuers.pem").write_bytes(pem_of(issuers))
    words = ["crl", "-in", str(folder / "list.pem"), "-CAfile", str(folder / "issuers.pem"), "-noout"]
    assert "verify OK" in run_program([require_program("openssl"), *words])


def test_no_order_fails_while_intermediate_and_root_change(tmp_path: Path) -> None:
    data, ports = tmp_path / "data", Ports.free()
    with running(data, ports):
        pass
    settings = data / "zonemint.toml"
    settings.write_text(settings.read_text().replace('# renew_within = "7d"', 'renew_within = "1s"'))
    with running(data, ports) as server:
        old = x509.load_pem_x509_certificate(server.root.read_bytes())
        clients = Clients(server, tmp_path)
        first = current(server)
        with ordering(clients) as both:
            more_of_each(both, first)
            second = rotated(server, "rotate-intermediate")
            more_of_each(both, second)
            third = rotated(server, "rotate-root")
            more_of_each(both, third)
            before = [list(one.chains) for one in both]
            # Until here they knew the old root only.
            _, new = x509.load_pem_x509_certificates(server.fetch("/roots.pem"))
            other = clients.lego_orders(900, "--preferred-chain", "lab.test Root CA 2")
            alternate = x509.load_pem_x509_certificates(other.read_bytes())
            assert len(alternate) == 2
            beside = x509.load_pem_x509_certificates(server.fetch("/intermediates.pem"))
            clients.trusted.write_bytes(server.fetch("/roots.pem"))
            assert rotated(server, "rotate-root", "--finish", "--force") == third
            until(lambda: server.fetch("/roots.pem").count(b"BEGIN") == 1, "the old root is dropped", seconds=10)
            clients.trusted.write_bytes(server.fetch("/roots.pem"))
            more_of_each(both, third)
        assert not any(one.failure for one in both), [one.failure for one in both]
        assert {first, second, third} == {key_of(chain[0]) for one in before for chain in one}
        for chain in [each for one in before for each in one]:
            verify(tmp_path, old, chain, [])
            # What comes with it has all, if the new root signed its issuer; else there is an alternate.
            verify(tmp_path, new, chain, [] if key_of(chain[0]) == third else beside)
        for chain in [alternate, *(one.chains[-1] for one in both)]:
            verify(tmp_path, new, chain, [])
        for chain in (before[0][0], before[1][-1]):
            check_list(server, tmp_path, chain[0], beside)
        # Those of an issuer that was replaced are to be renewed, and are.
        now = datetime.now(UTC)
        assert window(server, before[0][0][0])[1] < now < window(server, before[0][-1][0])[0]
        lineage = tmp_path / "config/live/000/fullchain.pem"
        assert key_of(x509.load_pem_x509_certificates(lineage.read_bytes())[0]) == first
        clients.certbot("renew", "--cert-name", "000", "--no-random-sleep-on-renew")
        assert key_of(x509.load_pem_x509_certificates(lineage.read_bytes())[0]) == third
        orders = json.loads(run("orders", "list", "--json", "--data", data).stdout)
        assert {one["status"] for one in orders} == {"valid"}
        assert len(orders) >= sum(len(one.chains) for one in both) + 2
