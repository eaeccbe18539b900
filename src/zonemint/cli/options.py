"""The options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DataOption", "DatabaseOption", "JsonOption", "OnlyOption"]

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data folder; else $ZONEMINT_DATA, else root's /var/lib/zonemint, else ~/.local/share/zonemint.",
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="A PostgreSQL database, as postgresql://USER@HOST/NAME; else $ZONEMINT_DATABASE, else the setting.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="ROLE", help="Of ca, dns and acmedns, the one that runs here; repeat it for another."
    ),
]
