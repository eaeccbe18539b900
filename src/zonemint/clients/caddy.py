"""Caddy, built with its module dns.providers.acmedns."""

from __future__ import annotations

from zonemint.clients.accounts import Registered

__all__ = ["tell"]


def tell(registered: Registered) -> str:
    """Return a site block for the Caddyfile.

    `ca_root` covers the ACME server only; the requests to the acme-dns API go by SSL_CERT_FILE, which a Caddyfile
    cannot set.
    """
    account, roots = registered.account, registered.roots
    lines = []
    if roots is not None:
        lines += [
            "# Start Caddy with this in its environment, for the acme-dns API:",
            f"#   SSL_CERT_FILE={roots.file}",
        ]
    lines += [f"{registered.name} {{", "\ttls {", f"\t\tca {_quoted(registered.directory_url)}"]
    if roots is not None:
        lines.append(f"\t\tca_root {_quoted(str(roots.file))}")
    lines.append("\t\tdns acmedns {")
    for field in ("username", "password", "subdomain", "server_url"):
        lines.append(f"\t\t\t{field} {_quoted(getattr(account, field))}")
    lines += ["\t\t}", "\t}", '\trespond "Hello"', "}"]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Write one token of a Caddyfile, in which a backslash before anything but a quote stands for itself."""
    return '"' + text.replace('"', '\\"') + '"'
