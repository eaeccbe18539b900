"""lego, through its provider acme-dns."""

from __future__ import annotations

import shlex

from zonemint.clients.accounts import Registered

__all__ = ["environment", "tell"]


def environment(registered: Registered) -> list[str]:
    """Return what lego's library reads from the environment, each as NAME=VALUE.

    LEGO_CA_CERTIFICATES covers the ACME server only; the requests to the acme-dns API go by SSL_CERT_FILE.
    """
    env = [f"ACME_DNS_API_BASE={registered.server_url}", f"ACME_DNS_STORAGE_PATH={registered.storage}"]
    if registered.roots is not None:
        env += [f"{name}={registered.roots.file}" for name in ("LEGO_CA_CERTIFICATES", "SSL_CERT_FILE")]
    return env


def tell(registered: Registered) -> str:
    """Return lines to be pasted into a shell: the environment, and the command that gets one certificate for the names.

    lego 5 takes the options after the command, lego 4 took them before it; a comment has that spelling.
    """
    options = ["--server", registered.directory_url, "--accept-tos", "--email", registered.contact, "--dns", "acme-dns"]
    options += [word for name in registered.names for word in ("--domains", name)]
    lines = [shlex.join(["export", setting]) for setting in environment(registered)]
    lines += [shlex.join(["lego", "run", *options]), f"# lego 4: {shlex.join(['lego', *options, 'run'])}"]
    return "\n".join(lines)
