"""dehydrated, through a hook of a few lines around curl."""

from __future__ import annotations

import json
import shlex

from zonemint.clients.accounts import Account, Registered

__all__ = ["tell"]


def tell(registered: Registered) -> str:
    """Return lines to be pasted into a shell: a folder with configuration and hook, and the commands to run.

    dehydrated and its hook both call curl, and CURL_CA_BUNDLE covers both; CURL_OPTS would be split at spaces.
    """
    folder = f"dehydrated-{registered.domain}"
    command = ["dehydrated", "--config", f"{folder}/config"]
    lines = [
        f"(umask 077 && mkdir -p {folder})",
        f"cat > {folder}/config <<'CONFIG'",
        *_config(registered),
        "CONFIG",
        f"cat > {folder}/hook <<'HOOK'",
        *_hook(registered),
        "HOOK",
        f"chmod 700 {folder}/hook",
        shlex.join([*command, "--register", "--accept-terms"]),
        # A wildcard needs another name for its folder, and other names do not mind one.
        shlex.join([*command, "--cron", "--domain", " ".join(registered.names), "--alias", registered.domain]),
    ]
    return "\n".join(lines)


def _config(registered: Registered) -> list[str]:
    trust = [] if registered.roots is None else [shlex.join(["export", f"CURL_CA_BUNDLE={registered.roots.file}"])]
    return [f"CA={shlex.quote(registered.directory_url)}", "CHALLENGETYPE=dns-01", 'HOOK="$BASEDIR/hook"', *trust]


def _hook(registered: Registered) -> list[str]:
    """Return a script for deploy_challenge DOMAIN FILE VALUE; the headers go through a pipe, unseen by ps(1)."""
    url = shlex.quote(registered.server_url + "/update")
    return [
        "#!/bin/sh",
        "set -eu",
        '[ "$1" = deploy_challenge ] || exit 0',
        'case "$2" in',
        *[f"  {shlex.quote(domain)}) {_words(account)} ;;" for domain, account in registered.accounts.items()],
        '  *) echo "there is no account for $2" >&2; exit 1 ;;',
        "esac",
        f"""body=$(printf {shlex.quote(json.dumps({"subdomain": "%s", "txt": "%s"}))} "$subdomain" "$4")""",
        r"""printf 'header = "X-Api-%s"\n' "User: $user" "Key: $key" |""",
        f"""  curl -fsS --config - --data "$body" --output /dev/null {url}""",
    ]


def _words(account: Account) -> str:
    words = {"user": account.username, "key": account.password, "subdomain": account.subdomain}
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in words.items())
