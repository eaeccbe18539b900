"""`zonemint ca rotate-intermediate` and `rotate-root`, as an administrator uses them."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from pathlib import Path
from ssl import PEM_cert_to_DER_cert

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cli.program import run
from tests.server import running, until
from zonemint.pki import hierarchy, keys
from zonemint.pki.keys import FileSigner


def made(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    done = run("init", "--domain", "lab.test", "--data", data)
    assert done.returncode == 0, done.stderr
    return data


def shown(data: Path) -> list[tuple[str, str]]:
    rows = json.loads(run("ca", "show", "--json", "--data", data).stdout)
    return [(one["role"], one["key"]) for one in rows]


def fingerprint(pem: str) -> str:
    return sha256(PEM_cert_to_DER_cert(pem)).hexdigest()


def test_a_change_of_root_from_begin_to_end(tmp_path: Path) -> None:
    data = made(tmp_path)
    old = (data / "pki/root.crt").read_text()
    before = sorted(one.name for one in data.rglob("*"))
    for command in ("rotate-intermediate", "rotate-root"):
        done = run("ca", command, "--dry-run", "--data", data)
        assert (done.returncode, done.stdout) == (0, "")
        assert "would" in done.stderr
    done = run("ca", "rotate-root", "--finish", "--data", data)
    assert done.returncode == 1
    assert "no change of root is under way: `zonemint ca rotate-root` begins one" in done.stderr
    assert {*before} <= {one.name for one in data.rglob("*")}
    assert shown(data) == [("issuer", "pki/"), ("root", "pki/")]
    done = run("ca", "rotate-intermediate", "--key-type", "p384", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "Lab" not in done.stdout
    assert shown(data) == [("issuer", "pki/"), ("earlier issuer", "pki/"), ("root", "pki/")]
    done = run("ca", "rotate-root", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "then: zonemint ca rotate-root --finish" in done.stderr
    assert shown(data)[3:] == [("root", "pki/"), ("root", "pki/roots/")]
    done = run("ca", "show", "--data", data)
    assert "the root is being changed to" in done.stderr
    done = run("ca", "rotate-root", "--data", data)
    assert done.returncode == 1
    assert "is being changed already" in done.stderr
    done = run("ca", "rotate-root", "--finish", "--data", data)
    assert done.returncode == 0, done.stderr
    assert f"pki/roots/{fingerprint(old)}.key: take it away" in done.stderr
    assert [one for one in shown(data) if one[0] == "root"] == [("root", "pki/")]
    assert (data / "pki/root.crt").read_text() != old
    events = [one["event"] for one in json.loads(run("audit", "list", "--json", "--data", data).stdout)]
    assert events == ["root.dropped", "root.rotated", "intermediate.rotated"]
    assert run("ca", "rotate-root", "--key-type", "rot13", "--data", data).returncode == 2
    with running(data):
        pass


def test_the_next_intermediate_by_a_root_that_is_elsewhere(tmp_path: Path) -> None:
    data = made(tmp_path)
    root = x509.load_pem_x509_certificate((data / "pki/root.crt").read_bytes())
    key = keys.load_key(data / "pki/root.key")
    (data / "pki/root.key").unlink()
    done = run("ca", "rotate-intermediate", "--data", data)
    assert done.returncode == 1
    assert "the root's key is not here" in done.stderr
    done = run("ca", "rotate-intermediate", "--csr", "--data", data)
    assert done.returncode == 0, done.stderr
    csr = x509.load_pem_x509_csr(done.stdout.encode())
    signed = hierarchy.make_intermediate(
        root,
        FileSigner(key),
        common_name="Signed elsewhere",
        public_key=csr.public_key(),
        domains=["lab.test"],
        now=time.time(),
    )
    file = tmp_path / "signed.pem"
    file.write_bytes(signed.public_bytes(Encoding.PEM))
    with running(data) as server:
        done = run("ca", "install-intermediate", file, "--data", data)
        assert done.returncode == 0, done.stderr
        der = signed.public_bytes(Encoding.DER)
        until(lambda: server.fetch("/intermediate.crt") == der, "the server took it up", seconds=10)
        assert shown(data) == [("issuer", "pki/"), ("earlier issuer", "pki/"), ("root", "elsewhere")]


def test_a_client_that_trusts_the_old_root_is_led_to_the_new_one(tmp_path: Path) -> None:
    data = made(tmp_path)
    old = fingerprint((data / "pki/root.crt").read_text())
    with running(data) as server:
        assert run("ca", "rotate-root", "--data", data).returncode == 0
        until(lambda: server.fetch("/roots.pem").count(b"BEGIN") == 2, "both roots are there", seconds=10)
        words: list[str | Path] = ["--url", server.url, "--fingerprint", old, "--root", tmp_path]
        done = run("trust", "install", *words)
        assert done.returncode == 0, done.stderr
        new = x509.load_pem_x509_certificates(server.fetch("/roots.pem"))[1]
        assert f"SHA-256 {sha256(new.public_bytes(Encoding.DER)).hexdigest()}" in done.stderr
        assert "left out" not in done.stderr
