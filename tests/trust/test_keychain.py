"""macOS is not here: `security` is a stand-in that keeps what it is given, and takes the words that Apple documents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.trust.authorities import Ca
from zonemint.core.errors import TrustError
from zonemint.trust.keychain import KEYCHAIN, Keychain
from zonemint.trust.machine import Machine
from zonemint.trust.roots import Root

ROOT = Root(Ca.named("Lab Root CA").root())
SECURITY = f"""#!/bin/sh
set -eu
here=$(dirname "$0")
case "$*" in
  "find-certificate -a -p {KEYCHAIN}") cat "$here/keychain" ;;
  "add-trusted-cert -d -r trustRoot -k {KEYCHAIN} "*) shift 6; cat "$1" >> "$here/keychain" ;;
  "remove-trusted-cert -d "*) test -s "$3" ;;
  "delete-certificate -Z {ROOT.sha1} {KEYCHAIN}") : > "$here/keychain" ;;
  *) echo "usage" >&2; exit 2 ;;
esac
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the System keychain is root's")
def test_a_root_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "security").write_text(SECURITY)
    (tmp_path / "security").chmod(0o755)
    (tmp_path / "keychain").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    keychain = Keychain(Machine())
    assert not keychain.has(ROOT)
    keychain.add(ROOT)
    assert keychain.has(ROOT)
    keychain.remove(ROOT)
    assert not keychain.has(ROOT)


def test_without_rights_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TrustError, match="sudo"):
        Keychain(Machine()).add(ROOT)
