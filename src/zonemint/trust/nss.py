"""Databases of NSS: Firefox's profiles, and the one that Chromium and others share, by the program `certutil`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zonemint.core.errors import TrustError
from zonemint.trust.machine import Home, Machine
from zonemint.trust.roots import Root
from zonemint.trust.stores import Kind, Unusable

__all__ = ["NssDatabase", "find"]

_FOLDERS = (
    ".pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
    ".mozilla/firefox/*",
    ".config/mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
    "Library/Application Support/Firefox/Profiles/*",
)
_LINE = re.compile(r"(.*\S)\s+([a-zA-Z]{0,6}),[a-zA-Z]{0,6},[a-zA-Z]{0,6}\s*")
_MOST = 1000  # certificates of a database that are looked into


def find(machine: Machine) -> Iterator[NssDatabase]:
    """Yield the databases in the homes of a machine; it is the file `cert9.db` that makes a folder one."""
    for home in machine.homes():
        for pattern in _FOLDERS:
            with suppress(OSError):
                for file in sorted(home.path.glob(f"{pattern}/cert9.db")):
                    yield NssDatabase(machine, file.parent, home)


@dataclass(frozen=True, slots=True)
class NssDatabase:
    """One database; its owner's rights are enough to change it, and no more are used."""

    machine: Machine
    folder: Path
    home: Home
    kind: Kind = "nss"

    @property
    def place(self) -> str:
        """The folder of the database."""
        return str(self.folder)

    def has(self, root: Root) -> bool:
        """Tell whether a root is trusted there for servers."""
        return any("C" in flags for _, flags in self._entries(root))

    def add(self, root: Root) -> None:
        """See Store.add."""
        known = self._entries(root)
        name = known[0][0] if known else f"{root.name} ({root.label})"
        try:
            # It changes the flags of a certificate that is there already.
            self._certutil("-A", "-n", name, "-t", "C,,", "-a", content=root.pem)
        except TrustError:
            if not known:
                # A database with a password has taken the certificate and refuses to trust it.
                with suppress(TrustError):
                    self._certutil("-D", "-n", name)
            raise
        if not self.has(root):
            raise TrustError("certutil ran, and the database does not trust the root")

    def remove(self, root: Root) -> None:
        """See Store.remove."""
        entries = self._entries(root)
        if len(entries) > 1:
            names = ", ".join(f"'{name}'" for name, _ in entries)
            raise TrustError(f"which of {names} is the root cannot be told: remove it in the browser's settings")
        for name, _ in entries:
            self._certutil("-D", "-n", name)
        if self._entries(root):
            raise TrustError("certutil ran, and the database still has the root")

    def _entries(self, root: Root) -> list[tuple[str, str]]:
        """Return the nickname under which a root is there, with its flags for servers; several if it may be any.

        certutil prints all certificates of a nickname's subject, so a root and its successor look alike: names of ours
        tell them apart.
        """
        listed = self._certutil("-L").decode(errors="replace").splitlines()
        matches = [match for line in listed if (match := _LINE.fullmatch(line))]
        if len(matches) > _MOST:
            raise TrustError(f"the database has more than {_MOST} certificates")
        maybe = []
        for match in matches:
            name, flags = match[1], match[2]
            if f"({root.label})" not in name and "(zonemint-" in name:
                continue
            printed = self._certutil("-L", "-n", name, "-r")
            if f"({root.label})" in name or printed == root.der:
                return [(name, flags)] if root.der in printed else []
            if root.der in printed:
                maybe.append((name, flags))
        return maybe

    def _certutil(self, *words: str, content: bytes = b"") -> bytes:
        program = self.machine.program("certutil")
        if program is None:
            raise Unusable("certutil is missing: install the package libnss3-tools (Fedora: nss-tools, Arch: nss)")
        where = f"sql:{self.machine.inside(self.folder)}"
        try:
            return self.machine.run([program, "-d", where, *words], owner=self.home, content=content)
        except TrustError as error:
            if "SEC_ERROR_BAD_PASSWORD" in str(error) or "password" in str(error).lower():
                raise TrustError("the database has a password: import the root in the browser's settings") from None
            raise
