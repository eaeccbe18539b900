"""`zonemint certs`: what was issued, what expires, and revocation; a file for each command."""

from __future__ import annotations

import typer

from zonemint.cli.certs.details import show
from zonemint.cli.certs.issuance import issue
from zonemint.cli.certs.keys import block_key, blocked_keys, unblock_key
from zonemint.cli.certs.listing import expiring, list_certificates
from zonemint.cli.certs.revocation import revoke

__all__ = ["app"]

app = typer.Typer(help="Certificates: what was issued, what expires, and revocation.", no_args_is_help=True)
app.command("list")(list_certificates)
app.command("show")(show)
app.command("expiring")(expiring)
app.command("issue")(issue)
app.command("revoke")(revoke)
app.command("block-key")(block_key)
app.command("unblock-key")(unblock_key)
app.command("blocked-keys")(blocked_keys)
