"""`zonemint certs show`: all that is known about a certificate."""

from __future__ import annotations

from typing import Annotated

import typer

from zonemint.cli.certs.finding import find, row
from zonemint.cli.options import DataOption, JsonOption

__all__ = ["show"]


def show(
    which: Annotated[
        str, typer.Argument(metavar="SERIAL|NAME", help="The serial number, or a name: its newest certificate.")
    ],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a certificate: what is known about it, and its PEM."""
    import ssl
    from hashlib import sha256

    from zonemint.cli.output import show_facts
    from zonemint.cli.session import run

    found = run(data, lambda session: find(session, which))
    assert found.der is not None  # only a reserved serial has none, and those are not found
    facts = {**row(found), "sha256": sha256(found.der).hexdigest()}
    pem = ssl.DER_cert_to_PEM_cert(found.der)
    if as_json:
        show_facts({**facts, "pem": pem}, as_json=True)
        return
    show_facts(facts, as_json=False)
    print(pem, end="")
