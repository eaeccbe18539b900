"""What Java and Go, which have verifiers of their own, say of each kind of hierarchy, and outside its constraints."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.programs import require_program
from zonemint.pki import authority, issue, keys, profiles
from zonemint.pki.authority import Plan
from zonemint.pki.serials import new_serial

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent / "verifiers"
KINDS = ["p256", "p384", "p521", "ed25519", "rsa2048"]
NAMES = ["a.lab.test", "a.other.test"]


def chains(folder: Path, kind: str) -> list[str]:
    """A root, and a chain for a name inside of the constraints and one for a name outside."""
    now = time.time()
    made = authority.create(folder, name="Lab", domains=["lab.test"], now=now, plan=Plan(kind))
    template = issue.template(made.current, profiles.DEFAULT, crl_url=None, issuer_url=None)
    public = keys.generate().public_key()
    for name in NAMES:
        prepared = issue.prepare(template, names=[name], ips=[], public_key=public, serial=new_serial(), now=now)
        (folder / f"{name}.pem").write_bytes(issue.pem(issue.sign(prepared).der) + made.current.chain_pem())
    return [str(folder / "root.crt"), *(str(folder / f"{name}.pem") for name in NAMES)]


def said(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_java(tmp_path: Path, kind: str) -> None:
    java = require_program("java")
    inside, outside = said(java, str(HERE / "Verify.java"), *chains(tmp_path / "pki", kind))
    assert inside == "accepted"
    assert outside == "refused: name constraints check failed"


@pytest.fixture(scope="module")
def go_verifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        pytest.skip("Go is not on this machine")
    built = tmp_path_factory.mktemp("go") / "verify"
    subprocess.run([go, "build", "-o", built, "."], cwd=HERE, check=True, capture_output=True, timeout=300)
    return str(built)


@pytest.mark.parametrize("kind", KINDS)
def test_go(tmp_path: Path, kind: str, go_verifier: str) -> None:
    inside, outside = said(go_verifier, *chains(tmp_path / "pki", kind))
    assert inside == "accepted"
    assert "is not permitted by any constraint" in outside
