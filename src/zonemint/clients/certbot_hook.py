#!/usr/bin/env python3
"""A manual-auth-hook for certbot that answers dns-01 through any acme-dns server, zonemint's or another.

    certbot certonly --manual --manual-auth-hook zonemint-certbot-hook --preferred-challenges dns -d NAME ...

It is one file for Python 3.8 and later that needs nothing else, so that it can also be copied to a machine.
Its settings are environment variables, which certbot hands on to its hooks:

    ACMEDNS_URL       the server; else the `server_url` that stands with the accounts
    ACMEDNS_STORAGE   the accounts; /etc/letsencrypt/acmedns.json
    ACMEDNS_CA        a file or folder of roots to trust; else REQUESTS_CA_BUNDLE, else SSL_CERT_FILE
    ACMEDNS_RESOLVER  the DNS server, HOST or HOST:PORT, that is asked for the CNAME; else those of /etc/resolv.conf
    ACMEDNS_TOKEN     a token of a zonemint server, which then makes the CNAME; it is sent to ACMEDNS_URL only
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import struct
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

__all__ = [
    "STORAGE",
    "HookError",
    "answer",
    "cname_in",
    "locked",
    "main",
    "nameservers",
    "question",
    "read_accounts",
    "write_accounts",
]

STORAGE = "/etc/letsencrypt/acmedns.json"
_ACCOUNT = {
    "username": re.compile(r"[!-~]{1,200}"),
    "password": re.compile(r"[!-~]{1,200}"),
    "subdomain": re.compile(r"[A-Za-z0-9_.-]{1,253}"),
    "fulldomain": re.compile(r"[A-Za-z0-9_.-]{1,253}"),
}
_LONGEST_CHAIN = 8


class HookError(Exception):
    """The challenge cannot be answered; `str()` of it is one line for a person, without secrets."""


def main() -> None:
    """Answer the challenge that certbot describes in the environment; exit status 1 and one line on failure."""
    try:
        answer(os.environ, lambda text: print(text, flush=True))
    except HookError as error:
        print(f"zonemint-certbot-hook: {_printable(str(error))}", file=sys.stderr)
        sys.exit(1)


def _printable(text: str) -> str:
    """Keep the words of strangers from steering the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def answer(env: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Answer the challenge that the settings and certbot's variables describe; raises HookError.

    `tell` takes what a person has to do, if there is something.
    """
    domain = re.sub(r"^\*\.", "", env.get("CERTBOT_DOMAIN", "").lower())
    if not domain or not env.get("CERTBOT_VALIDATION"):
        raise HookError("CERTBOT_DOMAIN and CERTBOT_VALIDATION are not set; certbot sets them for its hooks")
    path = env.get("ACMEDNS_STORAGE") or STORAGE
    accounts = read_accounts(path)
    new = domain not in accounts
    if new:
        with locked(path):
            accounts = read_accounts(path)
            if domain not in accounts:
                accounts[domain] = _register(path, accounts, env)
                write_accounts(path, accounts)
    account = _account(accounts[domain], f"{path}: what stands for {domain} is no account of acme-dns")
    url = env.get("ACMEDNS_URL") or str(account.get("server_url") or "")
    if not url:
        raise HookError(f"{path}: {domain} has no server_url; set ACMEDNS_URL to the address of the server")
    lack = _lack(domain, account["fulldomain"], env, new=new)
    if lack and _authorization(env):
        lack = _make_alias(url, domain, account, lack, env)
    if lack:
        tell(_hint(lack, domain, account["fulldomain"]))
    body = json.dumps({"subdomain": account["subdomain"], "txt": env["CERTBOT_VALIDATION"]}).encode()
    headers = {"X-Api-User": account["username"], "X-Api-Key": account["password"]}
    _post(f"{url.rstrip('/')}/update", body, headers, env)


def _register(path: str, accounts: dict[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """Ask for a new account, from the server of the accounts at hand where none is configured."""
    known = {str(account["server_url"]) for account in accounts.values() if "server_url" in account}
    url = env.get("ACMEDNS_URL") or (known.pop() if len(known) == 1 else None)
    if not url:
        raise HookError("no server is known to register with; set ACMEDNS_URL to its address")
    # An account that could not be saved would be lost on the server: see that the file can be written first.
    write_accounts(path, accounts)
    account = _post(f"{url.rstrip('/')}/register", b"", _authorization(env), env)
    return dict(_account(account, f"{url} answered with something that is no account"), server_url=url.rstrip("/"))


# --- the accounts: {domain: account}, as acme-dns clients share them


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Keep the others of us from changing the file meanwhile; its folder bears the lock. Raises HookError."""
    try:
        folder = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY)
    except OSError as error:
        raise HookError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def read_accounts(path: str) -> dict[str, Any]:
    """Read the accounts by domain; none when there is no file. Raises HookError."""
    try:
        with open(path, encoding="utf-8") as file:
            accounts = json.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HookError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise HookError(f"{path}: not JSON: {error}") from None
    if not isinstance(accounts, dict) or not all(isinstance(account, dict) for account in accounts.values()):
        raise HookError(f"{path}: not a JSON object of accounts by domain")
    return accounts


def write_accounts(path: str, accounts: dict[str, Any]) -> None:
    """Put the file in place whole and for its owner alone; a symbolic link to it stays one. Raises HookError."""
    path = os.path.realpath(path)
    try:
        handle, half = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".acmedns.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(accounts, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, path)
        except BaseException:
            os.unlink(half)
            raise
    except OSError as error:
        raise HookError(f"{path}: cannot be written: {error.strerror}") from None


def _account(value: dict[str, Any], complaint: str) -> dict[str, Any]:
    """Return the value if it is an account; its texts go into HTTP headers and onto the screen."""
    for key, pattern in _ACCOUNT.items():
        if not isinstance(value.get(key), str) or not pattern.fullmatch(value[key]):
            raise HookError(complaint)
    return value


# --- HTTP


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Credentials go to the configured server only."""

    def redirect_request(self, *_: object) -> None:
        return None


def _post(url: str, body: bytes, headers: Mapping[str, str], env: Mapping[str, str]) -> dict[str, Any]:
    """POST and return the JSON object of a 2xx answer."""
    _, content = _send(url, body, headers, env)
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise HookError(f"{url} gave no answer that can be read: {error}") from None
    if not isinstance(answer, dict):
        raise HookError(f"{url} gave no answer that can be read: not a JSON object")
    return answer


def _send(url: str, body: bytes, headers: Mapping[str, str], env: Mapping[str, str]) -> tuple[int, bytes]:
    """POST and return the status and the body of a 2xx answer."""
    if not url.startswith(("https://", "http://")):
        raise HookError(f"'{url}' is no http or https URL; set ACMEDNS_URL to the address of the server")
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=_trust(env)))
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})  # noqa: S310
        with opener.open(request, timeout=30) as reply:
            return reply.status, reply.read(65536)
    except urllib.error.HTTPError as error:
        with error:
            raise HookError(f"{url} answered {error.code}{_complaint(error)}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            advice = "set ACMEDNS_CA to a file with its root"
            raise HookError(f"{url} is not trusted: {error.reason.verify_message}; {advice}") from None
        raise HookError(f"{url} cannot be reached: {error.reason}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise HookError(f"{url} gave no answer that can be read: {error}") from None


def _authorization(env: Mapping[str, str]) -> dict[str, str]:
    token = env.get("ACMEDNS_TOKEN", "")
    if not re.fullmatch(r"[!-~]*", token):
        raise HookError("ACMEDNS_TOKEN is no token")
    return {"Authorization": f"Bearer {token}"} if token and env.get("ACMEDNS_URL") else {}


def _make_alias(url: str, domain: str, account: dict[str, Any], lack: str, env: Mapping[str, str]) -> str:
    """Have the server make the CNAME, by lego's storage protocol; say what lacks all the same.

    201 says that it is made, any other 2xx that its owner has to.
    """
    place = f"{url.rstrip('/')}/storage/{domain}"
    try:
        status, _ = _send(place, json.dumps(account).encode(), _authorization(env), env)
    except HookError as error:
        return f"{lack}, and the server does not make it: {error}"
    return "" if status == 201 else f"{lack}, and its zone is not the server's"


def _complaint(reply: IO[bytes]) -> str:
    """Read the `error` of an acme-dns answer, such as `forbidden`, if it is one."""
    try:
        error = json.loads(reply.read(4096))["error"]
        return f": {error}" if re.fullmatch(r"[a-z_ ]{1,60}", error) else ""
    except (OSError, ValueError, TypeError, KeyError, http.client.HTTPException):
        return ""


def _trust(env: Mapping[str, str]) -> ssl.SSLContext:
    roots = env.get("ACMEDNS_CA") or env.get("REQUESTS_CA_BUNDLE") or env.get("SSL_CERT_FILE")
    try:
        if roots and os.path.isdir(roots):
            return ssl.create_default_context(capath=roots)
        return ssl.create_default_context(cafile=roots)
    except OSError as error:
        raise HookError(f"{roots}: roots to trust cannot be read: {error.strerror or error}") from None


# --- DNS: is the CNAME there?


def _lack(domain: str, fulldomain: str, env: Mapping[str, str], *, new: bool) -> str:
    """Say what the DNS lacks, "" for nothing; for a new account also when the DNS cannot be asked."""
    owner, goal = f"_acme-challenge.{domain}", fulldomain.lower().rstrip(".")
    resolvers = _resolvers(env)
    try:
        end = _chain_end(owner, goal, resolvers)
    except HookError as error:
        return f"{error}, so this record may be missing" if new else ""
    if end == goal:
        return ""
    return f"{owner} is no CNAME yet" if end == owner else f"{owner} leads to {end}"


def _hint(lack: str, domain: str, fulldomain: str) -> str:
    """Return the record to add, and why."""
    why = f"{_printable(lack)}. Add this line to the zone, once; renewals need nothing more:"
    return f"{why}\n\n_acme-challenge.{domain}. IN CNAME {fulldomain.lower().rstrip('.')}.\n"


def _chain_end(name: str, goal: str, resolvers: Sequence[tuple[str, int]]) -> str:
    """Follow CNAMEs from a name until the goal or the last of them."""
    for _ in range(_LONGEST_CHAIN):
        target = None if name == goal else _cname_of(name, resolvers)
        if target is None:
            break
        name = target
    return name


def _cname_of(name: str, resolvers: Sequence[tuple[str, int]]) -> str | None:
    """Ask one resolver after the other; raises HookError when none answers."""
    failure = "no resolver is known"
    for host, port in resolvers:
        query = question(name, secrets.randbelow(65536))
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, protocol) as connection:
                connection.settimeout(2)
                connection.connect(address)
                connection.send(query)
                return cname_in(connection.recv(4096), query)
        except (OSError, HookError) as error:
            failure = f"the resolver {host} port {port} does not answer ({error})"
    raise HookError(failure)


def question(name: str, number: int) -> bytes:
    """Write the DNS query (RFC 1035 section 4) for the CNAME of a name; raises HookError for an impossible name."""
    labels = name.encode("ascii", "replace").split(b".")
    if len(name) > 253 or not all(0 < len(label) < 64 for label in labels):
        raise HookError(f"'{name}' is not a domain name")
    wire = b"".join(bytes([len(label)]) + label for label in labels)
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + wire + b"\0" + struct.pack("!2H", 5, 1)


def cname_in(message: bytes, query: bytes) -> str | None:
    """Return the CNAME that a DNS message gives as the answer to a query, in lower case; None without one.

    Raises HookError when it does not answer this query, when it says that the server failed, or when it is broken.
    """
    try:
        _, flags, _, count = struct.unpack_from("!4H", message)
        at = len(query)
        if message[:2] != query[:2] or not flags & 0x8000 or message[12:at].lower() != query[12:].lower():
            raise HookError("an answer to something else")
        if flags & 0xF not in (0, 3):
            raise HookError(f"rcode {flags & 0xF}")
        owner, _ = _name_at(query, 12)
        for _ in range(count):
            name, at = _name_at(message, at)
            kind, class_, _, length = struct.unpack_from("!2HIH", message, at)
            at += 10
            if (name, kind, class_) == (owner.lower(), 5, 1):
                return _name_at(message, at)[0]
            at += length
    except (struct.error, IndexError):
        raise HookError("a broken answer") from None
    return None


def _name_at(message: bytes, at: int) -> tuple[str, int]:
    """Read a name in lower case and the offset behind it; raises IndexError, or HookError for a bad pointer."""
    labels, behind, limit = [], 0, at
    while size := message[at]:
        if size >= 0xC0:
            behind = behind or at + 2
            at = (size & 0x3F) << 8 | message[at + 1]
            # Pointers lead backwards only (RFC 1035 section 4.1.4: to a prior occurrence), so this comes to an end.
            if at >= limit:
                raise HookError("a broken answer")
            limit = at
            continue
        labels.append(message[at + 1 : at + 1 + size].decode("ascii", "backslashreplace").lower())
        at += 1 + size
    return ".".join(labels), behind or at + 1


def _resolvers(env: Mapping[str, str]) -> list[tuple[str, int]]:
    """Read ACMEDNS_RESOLVER, or the name servers of resolv.conf(5)."""
    chosen = env.get("ACMEDNS_RESOLVER")
    if chosen:
        match = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", chosen)
        if match is None or int(match[3] or 53) > 65535:
            raise HookError(f"ACMEDNS_RESOLVER: '{chosen}' is not HOST or HOST:PORT")
        return [(match[1] or match[2], int(match[3] or 53))]
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
            return nameservers(file.read())
    except OSError:
        return []


def nameservers(text: str) -> list[tuple[str, int]]:
    """Read the name servers of resolv.conf(5), of which three count."""
    lines = (line.split() for line in text.splitlines())
    return [(words[1], 53) for words in lines if len(words) > 1 and words[0] == "nameserver"][:3]


if __name__ == "__main__":
    main()
