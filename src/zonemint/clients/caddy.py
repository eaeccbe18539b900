"""Caddy, built with its module dns.providers.acmedns."""

from __future__ import annotations

from zonemint.clients.accounts import Account, Registered

__all__ = ["tell"]


def tell(registered: Registered) -> str:
    """Return a site block for the Caddyfile.

    `ca_root` covers the ACME server only; the requests to the acme-dns API go by SSL_CERT_FILE, which a Caddyfile
    cannot set.
    """
    roots = registered.roots
    lines = []
    if roots is not None:
        lines += [
            "# Start Caddy with this in its environment, for the acme-dns API:",
            f"#   SSL_CERT_FILE={roots.file}",
        ]
    lines += [f"{', '.join(registered.names)} {{", "\ttls {", f"\t\tca {_quoted(registered.directory_url)}"]
    if roots is not None:
        lines.append(f"\t\tca_root {_quoted(str(roots.file))}")
    lines += ["\t\tdns acmedns {", *[f"\t\t\t{line}" for line in _provider(registered)], "\t\t}"]
    lines += ["\t}", '\trespond "Hello"', "}"]
    return "\n".join(lines)


def _provider(registered: Registered) -> list[str]:
    """Return the settings of the module: its short form for one account, else its map of them."""
    [(_, first), *others] = registered.accounts.items()
    if not others:
        return _account(first)
    lines = ["config {"]
    for domain, account in registered.accounts.items():
        lines += [f"\t{domain} {{", *[f"\t\t{line}" for line in _account(account)], "\t}"]
    return [*lines, "}"]


def _account(account: Account) -> list[str]:
    return [
        f"{field} {_quoted(getattr(account, field))}" for field in ("username", "password", "subdomain", "server_url")
    ]


def _quoted(text: str) -> str:
    """Write one token of a Caddyfile, in which a backslash before anything but a quote stands for itself."""
    return '"' + text.replace('"', '\\"') + '"'
