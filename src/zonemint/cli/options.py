"""The options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DataOption", "JsonOption"]

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data folder; else $ZONEMINT_DATA, else root's /var/lib/zonemint, else ~/.local/share/zonemint.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
