from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.cli.demo import trust
from zonemint.core.errors import NotHeld
from zonemint.pki import authority, issue
from zonemint.pki.keys import generate, write_key
from zonemint.pki.profiles import DEFAULT
from zonemint.pki.serials import new_serial

_NAME = "server-1.lab.test"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "pki"
    authority.create(folder, name="Lab", domains=["lab.test"], now=time.time())
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of another authority."""
    folder = tmp_path_factory.mktemp("data") / "pki"
    authority.create(folder, name="Lab", domains=["lab.test"], now=time.time())
    return folder / "root.crt"


@pytest.fixture(scope="module")
def live(pki: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as certbot leaves it."""
    folder, key, now = tmp_path_factory.mktemp("live"), generate(), time.time()
    ca = authority.load(pki, now=now)
    template = issue.template(ca.current, DEFAULT, crl_url=None, issuer_url=None)
    public, serial = key.public_key(), new_serial()
    prepared = issue.prepare(template, names=[_NAME], ips=[], public_key=public, serial=serial, now=now)
    write_key(folder / "privkey.pem", key)
    (folder / "fullchain.pem").write_bytes(issue.pem(issue.sign(prepared).der) + ca.current.chain_pem())
    return folder


def test_a_chain_is_told_from_leaf_to_root(live: Path, pki: Path) -> None:
    assert trust.verify(pki / "root.crt", live / "fullchain.pem").startswith(f"{_NAME} <- Lab ")


def test_a_chain_of_another_root_does_not_hold(live: Path, stranger: Path) -> None:
    with pytest.raises(NotHeld, match=r"fullchain\.pem does not verify"):
        trust.verify(stranger, live / "fullchain.pem")


def test_a_chain_without_its_intermediate_does_not_hold(live: Path, pki: Path, tmp_path: Path) -> None:
    leaf = x509.load_pem_x509_certificates((live / "fullchain.pem").read_bytes())[0]
    (tmp_path / "cert.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    with pytest.raises(NotHeld, match=r"cert\.pem does not verify"):
        trust.verify(pki / "root.crt", tmp_path / "cert.pem")


def test_tls_with_the_root_and_without(live: Path, pki: Path, stranger: Path) -> None:
    assert trust.connect(live, _NAME, pki / "root.crt").endswith(f"verified for {_NAME}")
    assert "issuer" in trust.refuse_stranger(live, _NAME)
    with pytest.raises(NotHeld, match="no TLS with"):
        trust.connect(live, _NAME, stranger)
    with pytest.raises(NotHeld, match="no TLS with"):
        trust.connect(live, "server-2.lab.test", pki / "root.crt")


def test_a_stranger_who_trusts_us_is_no_stranger(live: Path, pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pki / "root.crt"))
    with pytest.raises(NotHeld, match="does not know the root"):
        trust.refuse_stranger(live, _NAME)


def test_name_constraints_bite_or_it_is_told(pki: Path) -> None:
    assert trust.refuse_trespass(pki, "not-lab.test") == "permitted subtree violation"
    with pytest.raises(NotHeld, match="do not bite"):
        trust.refuse_trespass(pki, "server-2.lab.test")
