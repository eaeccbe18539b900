"""Java's key stores: the `cacerts` of each Java that is found, by its own `keytool`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zonemint.core.errors import TrustError
from zonemint.trust.machine import Machine
from zonemint.trust.roots import Root, holds
from zonemint.trust.stores import Kind, Unusable

__all__ = ["PASSWORD", "KeyStore", "find"]

PASSWORD = "changeit"  # noqa: S105 - what every Java comes with
_HOMES = ("usr/lib/jvm/*", "usr/lib64/jvm/*", "opt/java/*", "Library/Java/JavaVirtualMachines/*/Contents/Home")
_STORES = ("lib/security/cacerts", "jre/lib/security/cacerts")
_DEBIAN = "/etc/ssl/certs/java/"
_MADE = (
    _DEBIAN,
    "/etc/pki/ca-trust/extracted/",
    "/etc/pki/java/",
    "/etc/ca-certificates/extracted/",
    "/var/lib/ca-certificates/",
)
_ALIAS = re.compile(r"^Alias name: (.*)$", re.MULTILINE)


def find(machine: Machine, *, password: str) -> Iterator[KeyStore]:
    """Yield the key stores of a machine, that of $JAVA_HOME first, each once; `password` is that of them all."""
    seen = set()
    for home in _homes(machine):
        for store in _STORES:
            file = home / store
            real = _followed(machine, file)
            if real is not None and real not in seen and real.is_file():
                seen.add(real)
                yield KeyStore(machine, real, home, password)


@dataclass(frozen=True, slots=True)
class KeyStore:
    """One key store and the Java that it belongs to."""

    machine: Machine
    file: Path
    java: Path
    password: str
    kind: Kind = "java"

    @property
    def place(self) -> str:
        """The file."""
        return str(self.file)

    @property
    def is_made(self) -> bool:
        """Whether the system's store is what it is made from."""
        return self.machine.inside(self.file).startswith(_MADE)

    def has(self, root: Root) -> bool:
        """Tell whether the key store has a root."""
        return holds(self._listed().encode(), root)

    def add(self, root: Root) -> None:
        """See Store.add."""
        self._check(follows=self.is_made)
        self._keytool("-importcert", "-noprompt", "-alias", root.label, content=root.pem)
        if not self.has(root):
            raise TrustError("keytool ran, and the key store does not have the root")

    def remove(self, root: Root) -> None:
        """See Store.remove."""
        # Debian's program adds what is new in the system's store, and takes nothing away.
        self._check(follows=self.is_made and not self.machine.inside(self.file).startswith(_DEBIAN))
        parts = _ALIAS.split(self._listed())
        # What is before the first alias is a head; then names and what belongs to them take turns.
        for alias, entry in zip(parts[1::2], parts[2::2], strict=True):
            if holds(entry.encode(), root):
                self._keytool("-delete", "-alias", alias.strip())

    def _check(self, *, follows: bool) -> None:
        if follows:
            raise Unusable("it is made from the system's store, and follows that")
        if not os.access(self.file, os.W_OK):
            raise TrustError("it may not be written: run this with sudo, or leave it out with --only")

    def _listed(self) -> str:
        return self._keytool("-list", "-rfc").decode(errors="replace")

    def _keytool(self, *words: str, content: bytes = b"") -> bytes:
        program = self.java / "bin/keytool"
        if not program.exists() and not program.is_symlink():
            raise Unusable(f"{program} is missing")
        # The password is in the environment, which others cannot read, and not among the words.
        more = ["-keystore", self.machine.inside(self.file), "-storepass:env", "ZONEMINT_STORE_PASSWORD"]
        try:
            return self.machine.run(
                [self.machine.inside(program), *words, *more, "-J-Duser.language=en"],
                content=content,
                env={"ZONEMINT_STORE_PASSWORD": self.password},
            )
        except TrustError as error:
            if "password was incorrect" in str(error):
                raise TrustError("its password is another one: put it into a file for --store-password-file") from None
            raise


def _homes(machine: Machine) -> Iterator[Path]:
    if machine.is_here and (chosen := os.environ.get("JAVA_HOME")):
        yield Path(chosen)
    for pattern in _HOMES:
        with suppress(OSError):
            yield from sorted(machine.root.glob(pattern))


def _followed(machine: Machine, file: Path) -> Path | None:
    """Follow links as the machine itself would; None when they lead nowhere."""
    if machine.is_here:
        return file.resolve()
    for _ in range(20):
        parts = file.relative_to(machine.root).parts
        for length in range(1, len(parts) + 1):
            step = machine.root.joinpath(*parts[:length])
            if step.is_symlink():
                target = os.readlink(step)
                whole = target if target.startswith("/") else f"{machine.inside(step.parent)}/{target}"
                file = machine.at(os.path.normpath(whole)).joinpath(*parts[length:])
                break
        else:
            return file
    return None
