"""acme.sh, through its dns_acmedns."""

from __future__ import annotations

import shlex

from zonemint.clients.accounts import Registered

__all__ = ["tell"]


def tell(registered: Registered) -> str:
    """Return lines to be pasted into a shell: the environment, and the command that gets the certificate.

    Without --dnssleep it would ask public resolvers for the TXT record, which know nothing of a private name; a
    second is enough, since /update answers when the DNS does.
    """
    account = registered.account
    env = [
        f"ACMEDNS_BASE_URL={account.server_url}",
        f"ACMEDNS_USERNAME={account.username}",
        f"ACMEDNS_PASSWORD={account.password}",
        f"ACMEDNS_SUBDOMAIN={account.subdomain}",
    ]
    if registered.roots is not None:
        env.append(f"CA_BUNDLE={registered.roots.file}")
    words = ["acme.sh", "--issue", "--server", registered.directory_url, "--dns", "dns_acmedns", "--dnssleep", "1"]
    words += ["-d", registered.name]
    return "\n".join([*(shlex.join(["export", setting]) for setting in env), shlex.join(words)])
