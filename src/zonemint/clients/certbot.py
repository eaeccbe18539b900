"""certbot, through our manual-auth-hook."""

from __future__ import annotations

import shlex

from zonemint.clients.accounts import Registered
from zonemint.clients.certbot_hook import STORAGE

__all__ = ["tell"]


def tell(registered: Registered) -> str:
    """Return the command line, ready to be pasted into a shell, that gets one certificate for the names.

    certbot hands its environment on to the hook; REQUESTS_CA_BUNDLE serves both of them.
    """
    env = [] if str(registered.storage) == STORAGE else [f"ACMEDNS_STORAGE={registered.storage}"]
    if registered.roots is not None:
        env.append(f"REQUESTS_CA_BUNDLE={registered.roots.file}")
    words = ["certbot", "certonly", "--manual", "--manual-auth-hook", "zonemint-certbot-hook"]
    words += ["--preferred-challenges", "dns", "--debug-challenges"]
    words += [word for name in registered.names for word in ("-d", name)]
    words += ["--server", registered.directory_url]
    return shlex.join([*(["env", *env] if env else []), *words])
