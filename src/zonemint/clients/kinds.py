"""The clients that `zonemint register --for` knows: a client is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zonemint.clients import accounts, acme_sh, caddy, cert_manager, certbot, dehydrated, lego, traefik
from zonemint.clients.accounts import Registered

__all__ = ["KINDS"]

KINDS: Mapping[str, Callable[[Registered], str]] = {
    "certbot": certbot.tell,
    "lego": lego.tell,
    "acme.sh": acme_sh.tell,
    "dehydrated": dehydrated.tell,
    "caddy": caddy.tell,
    "traefik": traefik.tell,
    "cert-manager": cert_manager.tell,
    "json": accounts.tell,
}
"""By kind, the function that makes what stdout gets: lines for a shell, a file's content."""
