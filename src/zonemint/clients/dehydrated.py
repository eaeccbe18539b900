"""dehydrated, through a hook of a few lines around curl."""

from __future__ import annotations

import json
import shlex

from zonemint.clients.accounts import Registered

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
        shlex.join([*command, "--cron", "--domain", registered.name, "--alias", registered.domain]),
    ]
    return "\n".join(lines)


def _config(registered: Registered) -> list[str]:
    trust = [] if registered.roots is None else [shlex.join(["export", f"CURL_CA_BUNDLE={registered.roots.file}"])]
    return [f"CA={shlex.quote(registered.directory_url)}", "CHALLENGETYPE=dns-01", 'HOOK="$BASEDIR/hook"', *trust]


def _hook(registered: Registered) -> list[str]:
    """Return a script for deploy_challenge DOMAIN FILE VALUE; the headers go through a pipe, unseen by ps(1)."""
    account = registered.account
    headers = [f"X-Api-User: {account.username}", f"X-Api-Key: {account.password}"]
    body = json.dumps({"subdomain": account.subdomain, "txt": "%s"})
    return [
        "#!/bin/sh",
        "set -eu",
        '[ "$1" = deploy_challenge ] || exit 0',
        f"""body=$(printf {shlex.quote(body)} "$4")""",
        rf"""printf 'header = "%s"\n' {shlex.join(headers)} |""",
        f"""  curl -fsS --config - --data "$body" --output /dev/null {shlex.quote(account.server_url + "/update")}""",
    ]
