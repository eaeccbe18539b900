"""acme.sh, through its dns_acmedns."""

from __future__ import annotations

import shlex

from zonemint.clients.accounts import Account, Registered, domain_of

__all__ = ["tell"]


def tell(registered: Registered) -> str:
    """Return lines to be pasted into a shell: the environment, and the commands that get the certificates.

    acme.sh has one account for a certificate, so each domain gets a certificate of its own. Without --dnssleep it would
    ask public resolvers for the TXT record, which know nothing of a private name; a second is enough, since /update
    answers when the DNS does.
    """
    lines = [] if registered.roots is None else [_export("CA_BUNDLE", str(registered.roots.file))]
    for domain, account in registered.accounts.items():
        lines += _exports(account)
        words = ["acme.sh", "--issue", "--server", registered.directory_url, "--dns", "dns_acmedns", "--dnssleep", "1"]
        words += [word for name in registered.names if domain_of(name) == domain for word in ("-d", name)]
        lines.append(shlex.join(words))
    return "\n".join(lines)


def _exports(account: Account) -> list[str]:
    return [
        _export("ACMEDNS_BASE_URL", account.server_url),
        _export("ACMEDNS_USERNAME", account.username),
        _export("ACMEDNS_PASSWORD", account.password),
        _export("ACMEDNS_SUBDOMAIN", account.subdomain),
    ]


def _export(name: str, value: str) -> str:
    return shlex.join(["export", f"{name}={value}"])
