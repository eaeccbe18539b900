from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.programs import require_program
from tests.server import Running
from tests.trust.authorities import Ca, pem
from zonemint.core.errors import TrustError
from zonemint.trust import roots
from zonemint.trust.java import PASSWORD, KeyStore, find
from zonemint.trust.machine import Machine
from zonemint.trust.roots import Root

ROOT, OTHER = Root(Ca.named("Lab Root CA").root()), Root(Ca.named("Other").root())


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Java of the test's own: the program of this machine, and a new key store."""
    keytool = require_program("keytool")
    home = tmp_path / "java"
    (home / "lib/security").mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin/keytool").symlink_to(keytool)
    words = ["-importcert", "-noprompt", "-alias", "other", "-storepass", PASSWORD]
    store = ["-keystore", str(home / "lib/security/cacerts")]
    subprocess.run([keytool, *words, *store], input=pem(OTHER.certificate), capture_output=True, check=True)
    monkeypatch.setenv("JAVA_HOME", str(home))
    return home


def first(password: str = PASSWORD) -> KeyStore:
    return next(find(Machine(), password=password))


def test_a_root_comes_and_goes_and_others_stay(java: Path) -> None:
    store = first()
    assert store.place == str(java / "lib/security/cacerts")
    assert store.has(OTHER)
    assert not store.has(ROOT)
    store.add(ROOT)
    assert store.has(ROOT)
    store.remove(ROOT)
    assert not store.has(ROOT)
    assert store.has(OTHER)


CLIENT = """
public class Client {
    public static void main(String[] words) throws Exception {
        new java.net.URL(words[0]).openStream().readAllBytes();
    }
}
"""


def test_java_accepts_the_server_while_the_root_is_there(java: Path, shared: Running, tmp_path: Path) -> None:
    (tmp_path / "Client.java").write_text(CLIENT)
    words = [require_program("java"), f"-Djavax.net.ssl.trustStore={java}/lib/security/cacerts"]
    words += [
        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
        str(tmp_path / "Client.java"),
        f"{shared.url}/roots.pem",
    ]
    store = first()
    (root,), _ = roots.read(shared.root.read_bytes(), now=time.time())
    for change in (store.add, store.remove):
        change(root)
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        assert (done.returncode == 0) == (change == store.add), done.stderr
    assert "unable to find valid certification path" in done.stderr


def test_it_is_removed_whatever_its_alias_is(java: Path) -> None:
    store = first()
    store.remove(OTHER)
    assert not store.has(OTHER)


def test_another_password_is_asked_for(java: Path) -> None:
    with pytest.raises(TrustError, match="--store-password-file"):
        first("anotherone").has(ROOT)


def test_a_key_store_that_the_system_makes_is_left_to_it(tmp_path: Path) -> None:
    java = tmp_path / "usr/lib/jvm/java-21"
    (java / "lib/security").mkdir(parents=True)
    (java / "lib/security/cacerts").symlink_to("/etc/pki/java/cacerts")
    made = tmp_path / "etc/pki/java/cacerts"
    made.parent.mkdir(parents=True)
    made.touch()
    (store,) = find(Machine(tmp_path), password=PASSWORD)
    assert store.file == made
    with pytest.raises(TrustError, match="follows"):
        store.add(ROOT)


def test_what_debian_made_of_the_system_store_is_taken_away_here(java: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    made = image / "etc/ssl/certs/java/cacerts"
    made.parent.mkdir(parents=True)
    made.write_bytes((java / "lib/security/cacerts").read_bytes())
    store = KeyStore(Image(image), made, java, PASSWORD)
    assert store.has(OTHER)
    with pytest.raises(TrustError, match="follows"):
        store.add(ROOT)
    store.remove(OTHER)
    assert not store.has(OTHER)


class Image(Machine):
    """A file system below a folder, whose programs are this machine's."""

    def run(self, words: Sequence[str], **more: Any) -> bytes:
        return Machine().run([str(self.at(one)) if one.startswith("/etc/") else one for one in words], **more)

    def inside(self, path: Path) -> str:
        return f"/{path.relative_to(self.root)}" if path.is_relative_to(self.root) else str(path)
