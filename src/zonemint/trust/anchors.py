"""The system's store on Linux: a folder of anchors, and a program that makes bundles of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zonemint.core.errors import TrustError
from zonemint.core.files import put
from zonemint.trust.machine import Machine
from zonemint.trust.roots import Root, holds
from zonemint.trust.stores import Kind, Unusable

__all__ = ["LAYOUTS", "Anchors", "Layout", "find"]

_LARGEST = 1 << 20  # octets of an anchor that we look into


@dataclass(frozen=True, slots=True)
class Layout:
    """How a family of distributions does it: where anchors lie, what is run, and the bundle that comes of it."""

    name: str
    folder: str
    command: str
    bundle: str
    package: str


LAYOUTS = (
    Layout(
        "Fedora, RHEL",
        "/etc/pki/ca-trust/source/anchors",
        "update-ca-trust",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "ca-certificates",
    ),
    Layout(
        "Arch",
        "/etc/ca-certificates/trust-source/anchors",
        "update-ca-trust",
        "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
        "ca-certificates-utils",
    ),
    Layout(
        "SUSE",
        "/etc/pki/trust/anchors",
        "update-ca-certificates",
        "/var/lib/ca-certificates/ca-bundle.pem",
        "ca-certificates",
    ),
    # Debian, Ubuntu and Alpine, whose programs differ and whose folders do not.
    Layout(
        "Debian, Ubuntu, Alpine",
        "/usr/local/share/ca-certificates",
        "update-ca-certificates",
        "/etc/ssl/certs/ca-certificates.crt",
        "ca-certificates",
    ),
)
"""The layouts, those first whose folder no other has."""


def find(machine: Machine) -> Anchors:
    """Find the system's store of a machine; raises Unusable."""
    for layout in LAYOUTS:
        if machine.at(layout.folder).is_dir():
            return Anchors(machine, layout)
    folders = ", ".join(layout.folder for layout in LAYOUTS)
    raise Unusable(f"no store of the system's is here (none of {folders}): is the package ca-certificates there?")


@dataclass(frozen=True, slots=True)
class Anchors:
    """The store of one machine."""

    machine: Machine
    layout: Layout
    kind: Kind = "system"

    @property
    def place(self) -> str:
        """The folder of the anchors."""
        return str(self._folder)

    def has(self, root: Root) -> bool:
        """Tell whether the bundle has a root, since that is what programs read."""
        bundle = self.machine.at(self.layout.bundle)
        try:
            return holds(bundle.read_bytes(), root)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TrustError(f"{bundle}: {error.strerror}") from None

    def add(self, root: Root) -> None:
        """See Store.add."""
        program = self._program()
        file = self._folder / f"{root.label}.crt"
        try:
            put(file, root.pem)
            # Others must read it, whatever the umask is.
            file.chmod(0o644)
        except OSError as error:
            raise TrustError(f"{file}: {error.strerror}") from None
        try:
            self.machine.run([program])
            if not self.has(root):
                raise TrustError(f"{self.layout.command} ran, and {self.layout.bundle} does not have the root")
        except TrustError:
            file.unlink(missing_ok=True)
            raise

    def remove(self, root: Root) -> None:
        """See Store.remove."""
        program = self._program()
        files = self._files(root)
        if not files:
            raise TrustError(f"the root does not come from {self._folder}: whoever brought it must take it away")
        try:
            for file in files:
                file.unlink()
        except OSError as error:
            raise TrustError(f"{file}: {error.strerror}") from None
        self.machine.run([program])
        if self.has(root):
            raise TrustError(f"{self.layout.command} ran, and {self.layout.bundle} still has the root")

    @property
    def _folder(self) -> Path:
        return self.machine.at(self.layout.folder)

    def _program(self) -> str:
        program = self.machine.program(self.layout.command)
        if program is None:
            raise Unusable(f"{self.layout.command} is missing: install the package {self.layout.package}")
        if not self.machine.is_ours:
            raise TrustError("the system's store needs root: run this with sudo, or leave it out with --only nss")
        return program

    def _files(self, root: Root) -> list[Path]:
        """Return the anchors that are the root and nothing else, under whatever name; raises TrustError."""
        found = []
        for file in sorted(self._folder.rglob("*")):
            try:
                if not file.is_file() or file.stat().st_size > _LARGEST:
                    continue
                content = file.read_bytes()
            except OSError:
                continue
            if content == root.der or holds(content, root):
                if content.count(b"-----BEGIN ") > 1:
                    raise TrustError(f"{file} has other certificates beside the root: take it out by hand")
                found.append(file)
        return found
