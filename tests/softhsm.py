"""A token of SoftHSM with keys of several kinds, made by opensc's program."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.programs import require_program
from zonemint.pki.key_source import KeySource

__all__ = ["KINDS", "Hsm", "hsm"]

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
KINDS = {"p256": "EC:prime256v1", "p384": "EC:secp384r1", "rsa2048": "rsa:2048", "ed25519": "EC:edwards25519"}


@dataclass(frozen=True)
class Hsm:
    """A token with a key of each kind, by its label."""

    module: str
    pin: Path
    folder: Path

    def uri(self, label: str, token: str = "zonemint") -> str:
        return f"pkcs11:token={token};object={label}?module-path={self.module}"

    def source(self, label: str) -> KeySource:
        return KeySource(lambda: None, self.uri(label), self.pin)


@pytest.fixture(scope="module")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Hsm:
    util, tool = require_program("softhsm2-util"), require_program("pkcs11-tool")
    module = next((one for one in MODULES if Path(one).exists()), "")
    if not module:
        pytest.skip("libsofthsm2.so is not installed")
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    # The module reads it when it is loaded, which is once for each process.
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    pin = folder / "pin"
    pin.write_text("1234\n")
    pin.chmod(0o600)

    def do(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, timeout=30)

    do(util, "--init-token", "--free", "--label", "zonemint", "--pin", "1234", "--so-pin", "5678")
    for number, (label, kind) in enumerate(KINDS.items(), 1):
        do(
            *(tool, "--module", module, "--token-label", "zonemint", "--login", "--pin", "1234"),
            *("--keypairgen", "--key-type", kind, "--label", label, "--id", f"0{number}"),
        )
    return Hsm(module, pin, folder)
