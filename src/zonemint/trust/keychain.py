"""The system's store on macOS: the System keychain, by Apple's program `security`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from zonemint.core.errors import TrustError
from zonemint.trust.machine import Machine
from zonemint.trust.roots import Root, holds
from zonemint.trust.stores import Kind, Unusable

__all__ = ["KEYCHAIN", "Keychain"]

KEYCHAIN = "/Library/Keychains/System.keychain"


@dataclass(frozen=True, slots=True)
class Keychain:
    """The System keychain of this machine."""

    machine: Machine
    kind: Kind = "system"

    @property
    def place(self) -> str:
        """The file of the keychain."""
        return str(self.machine.at(KEYCHAIN))

    def has(self, root: Root) -> bool:
        """Tell whether the keychain has a root."""
        return holds(self.machine.run([self._program(), "find-certificate", "-a", "-p", KEYCHAIN]), root)

    def add(self, root: Root) -> None:
        """See Store.add."""
        self._change(root, "add-trusted-cert", "-d", "-r", "trustRoot", "-k", KEYCHAIN)

    def remove(self, root: Root) -> None:
        """See Store.remove."""
        self._change(root, "remove-trusted-cert", "-d")
        self.machine.run([self._program(), "delete-certificate", "-Z", root.sha1, KEYCHAIN])

    def _change(self, root: Root, *words: str) -> None:
        if not self.machine.is_ours:
            raise TrustError("the system's store needs root: run this with sudo, or leave it out with --only nss")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{root.label}.crt"
            file.write_bytes(root.pem)
            self.machine.run([self._program(), *words, str(file)])

    def _program(self) -> str:
        program = self.machine.program("security")
        if program is None:
            raise Unusable("the program security is missing")
        return program
