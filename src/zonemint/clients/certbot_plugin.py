"""The certbot plugin `dns-zonemint`: dns-01 through zonemint or any acme-dns server, without a hook.

    certbot certonly -a dns-zonemint -d NAME --server https://ca.lab.test/acme/acme/directory

It is what the hook does, as options that certbot remembers for renewals, with one way more to make the CNAME: on the
server's own machine, in its data folder. Nothing else of ours imports this module, so certbot stays optional.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from certbot import configuration, errors
from certbot.display import util as display_util
from certbot.plugins import dns_common

from zonemint.clients import certbot_hook
from zonemint.clients.certbot_hook import HookError

__all__ = ["Authenticator"]

_PATIENCE = 60.0  # seconds for `zonemint register`


class Authenticator(dns_common.DNSAuthenticator):
    """Registers each name, makes its CNAME where that can be done, and sets the value."""

    description = "Answer dns-01 through the acme-dns API of zonemint, or of another acme-dns server."

    def __init__(self, config: configuration.NamespaceConfig, name: str) -> None:
        super().__init__(config, name)
        self._token = ""

    @classmethod
    def add_parser_arguments(cls, add: Callable[..., None], default_propagation_seconds: int = 0) -> None:
        """Declare the options; nothing has to propagate, since an update is answered when the DNS serves it."""
        super().add_parser_arguments(add, default_propagation_seconds)
        add("url", help="The acme-dns server; else the one of the account, else the host of --server.")
        add("storage", help="The file of accounts (JSON), made when it lacks; else acmedns.json in certbot's folder.")
        add("credentials", help="A file (INI) with dns_zonemint_token, with which the server makes the CNAME.")
        add("data", help="The data folder of a server on this machine, in which the CNAME is made.")
        add("ca", help="Roots to trust for the acme-dns server; else REQUESTS_CA_BUNDLE, else the system's.")
        add("resolver", help="The DNS server, HOST or HOST:PORT, that is asked for the CNAME; else the system's.")

    def more_info(self) -> str:
        """Tell what certbot's user gets."""
        return "This plugin registers names with the acme-dns API of zonemint and sets their TXT values there."

    def auth_hint(self, failed_achalls: Any) -> str:
        """Tell where the reason of a failure is, beside the CA's own words."""
        return (
            "The authority asked for the TXT record at _acme-challenge of each name above and did not find the value. "
            "The CNAME there must lead to the account of the name; `zonemint orders explain` on the server tells what "
            "was asked and answered."
        )

    def _setup_credentials(self) -> None:
        for option in ("storage", "credentials", "data", "ca"):
            if not os.path.isabs(self.conf(option) or "/"):
                raise errors.PluginError(
                    f"{self.option_name(option)}: write the whole path, for a renewal runs elsewhere"
                )
        if self.conf("credentials"):
            found = dns_common.CredentialsConfiguration(self.conf("credentials"), self.dest)
            found.require({"token": "a token of the zonemint server"})
            self._token = found.conf("token") or ""

    def _perform(self, domain: str, validation_name: str, validation: str) -> None:
        storage = self.conf("storage") or os.path.join(self.config.config_dir, "acmedns.json")
        try:
            if self.conf("data"):
                _register(domain, self.conf("data"), storage)
            certbot_hook.answer(self._environment(domain, validation, storage), display_util.notify)
        except HookError as error:
            raise errors.PluginError(str(error)) from None

    def _cleanup(self, domain: str, validation_name: str, validation: str) -> None:
        """Do nothing: values end by themselves, and acme-dns knows no removal."""

    def _environment(self, domain: str, validation: str, storage: str) -> dict[str, str]:
        """Return what the hook would find in its environment."""
        url = self.conf("url") or ""
        if not url and (self._token or domain not in certbot_hook.read_accounts(storage)):
            url = _origin(self.config.server)
        trust = {name: os.environ.get(name, "") for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}
        return trust | {
            "CERTBOT_DOMAIN": domain,
            "CERTBOT_VALIDATION": validation,
            "ACMEDNS_URL": url,
            "ACMEDNS_STORAGE": storage,
            "ACMEDNS_CA": self.conf("ca") or "",
            "ACMEDNS_RESOLVER": self.conf("resolver") or "",
            "ACMEDNS_TOKEN": self._token,
        }


def _origin(directory: str) -> str:
    """Return the host of an ACME directory, which has the acme-dns API too where it is zonemint's."""
    parts = urlsplit(directory)
    return f"{parts.scheme}://{parts.netloc}"


def _register(domain: str, data: str, storage: str) -> None:
    """Have the server's folder make account and CNAME, as they lack; raises HookError."""
    words = [sys.executable, "-m", "zonemint", "register", f"{domain}.", "--for", "json"]
    words += ["--data", data, "--storage", storage]
    try:
        done = subprocess.run(  # noqa: S603 - it is this program
            words, capture_output=True, text=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HookError(f"{data}: the name cannot be registered there: {error}") from None
    # A name of somebody else's zone has an account and a status that tells of the CNAME, as the hook will.
    if not done.stdout:
        raise HookError(f"{data}: {done.stderr.strip() or f'exit status {done.returncode}'}")
