"""Traefik, whose ACME client is lego's library."""

from __future__ import annotations

import json

from zonemint.clients import lego
from zonemint.clients.accounts import Registered

__all__ = ["tell"]


def tell(registered: Registered) -> str:
    """Return a certificate resolver for the static configuration (YAML), under the environment that it needs."""
    lines = ["# Start Traefik with this in its environment:"]
    lines += [f"#   {setting}" for setting in lego.environment(registered)]
    lines += [
        "certificatesResolvers:",
        "  zonemint:",
        "    acme:",
        # A JSON string is a YAML string.
        f"      caServer: {json.dumps(registered.directory_url)}",
        f"      email: {json.dumps(registered.contact)}",
        "      storage: acme.json",
        "      dnsChallenge:",
        "        provider: acme-dns",
        "# A router gets its certificate with:",
        "#   tls:",
        "#     certResolver: zonemint",
        "#     domains:",
        f"#       - main: {json.dumps(registered.names[0])}",
    ]
    if registered.names[1:]:
        lines.append(f"#         sans: {json.dumps(registered.names[1:])}")
    return "\n".join(lines)
