"""The data folder: where it is, and what lies where in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zonemint.config.values import check, database

__all__ = ["DataDir", "data_dir", "database_url"]


@dataclass(frozen=True, slots=True)
class DataDir:
    """The layout of the data folder; nothing is read or made by asking for a path."""

    path: Path

    @property
    def config(self) -> Path:
        """The settings."""
        return self.path / "zonemint.toml"

    @property
    def zones(self) -> Path:
        """The user's zone files, one for each domain."""
        return self.path / "zones"

    def zone_file(self, origin: str) -> Path:
        """The zone file of a domain."""
        return self.zones / f"{origin}.zone"

    @property
    def secondary(self) -> Path:
        """Copies of the zones that other servers are the source of."""
        return self.path / "secondary"

    @property
    def pki(self) -> Path:
        """The certificates and keys of the authority."""
        return self.path / "pki"

    @property
    def server_certificate(self) -> Path:
        """The chain that our own HTTPS listener shows."""
        return self.pki / "server.crt"

    @property
    def server_key(self) -> Path:
        """The key of that chain."""
        return self.pki / "server.key"

    @property
    def lock(self) -> Path:
        """What the server holds where no keys are."""
        return self.path / "zonemint.lock"

    @property
    def database(self) -> Path:
        """The embedded store."""
        return self.path / "zonemint.db"


def data_dir(option: Path | None) -> Path:
    """Choose the data folder: the option, else $ZONEMINT_DATA, else the place that fits the user.

    That place is /var/lib/zonemint for root, and `zonemint` in the XDG data folder for others (XDG Base
    Directory Specification: a relative $XDG_DATA_HOME is ignored).
    """
    if option is not None:
        return option
    if chosen := os.environ.get("ZONEMINT_DATA"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/zonemint")
    xdg = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".local/share") / "zonemint"


def database_url(option: str | None, setting: str) -> str:
    """Choose the database: the option, else $ZONEMINT_DATABASE, else the setting; empty is the file in the folder.

    Raises SettingError.
    """
    if option is not None:
        return check("--database", option, database) if option else ""
    if chosen := os.environ.get("ZONEMINT_DATABASE"):
        return check("$ZONEMINT_DATABASE", chosen, database)
    return setting
