"""An account of an acme-dns server and the file of accounts that its clients share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from zonemint.clients import certbot_hook
from zonemint.core.errors import ConfigError

__all__ = ["Account", "Registered", "Roots", "load", "locked", "read_roots", "save", "tell"]


class Account(msgspec.Struct, frozen=True):
    """What /register answers, in its order, and the URL of the server, which many clients look for.

    `server_url` ends without a slash.
    """

    username: str
    password: str
    fulldomain: str
    subdomain: str
    allowfrom: tuple[str, ...]
    server_url: str


class Roots(msgspec.Struct, frozen=True):
    """The roots to trust: the file they are in, and its text (PEM) for clients on other machines."""

    file: Path
    pem: str


class Registered(msgspec.Struct, frozen=True):
    """All that a client may have to be told about a name that was registered for it.

    name: as it was asked for, so perhaps with `*.`; storage: the file that `save` wrote; roots: None where the
    machine trusts them already.
    """

    name: str
    account: Account
    directory_url: str
    storage: Path
    roots: Roots | None = None

    @property
    def domain(self) -> str:
        """The key of the account in the file, which a name and its wildcard share."""
        return self.name.removeprefix("*.")

    @property
    def contact(self) -> str:
        """An address for the ACME account, for clients that demand one (RFC 2142 section 7 names the mailbox)."""
        return f"hostmaster@{self.domain}"


def read_roots(file: Path) -> Roots:
    """Read the roots to trust; raises ConfigError."""
    try:
        return Roots(file, file.read_text("ascii"))
    except OSError as error:
        raise ConfigError(f"the roots to trust cannot be read: {error.strerror}", file=file) from None
    except UnicodeDecodeError:
        raise ConfigError("the roots to trust are not PEM", file=file) from None


def tell(registered: Registered) -> str:
    """Return the file of accounts with this one account, for every client that reads such a file."""
    return msgspec.json.format(msgspec.json.encode({registered.domain: registered.account}), indent=4).decode()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep others from changing the file of accounts between `load` and `save`; raises ConfigError."""
    with ExitStack() as stack:
        try:
            stack.enter_context(certbot_hook.locked(str(file)))
        except certbot_hook.HookError as error:
            raise ConfigError(str(error)) from None
        yield


def load(file: Path, domain: str) -> Account | None:
    """Return the account of a domain in the file of accounts, if there is one; raises ConfigError."""
    try:
        stored = certbot_hook.read_accounts(str(file)).get(domain)
        return None if stored is None else msgspec.convert(stored, Account)
    except certbot_hook.HookError as error:
        raise ConfigError(str(error)) from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"the account of {domain} is not whole: {error}", file=file) from None


def save(file: Path, domain: str, account: Account) -> None:
    """Put an account into the file of accounts (0600), beside those of other domains; raises ConfigError."""
    try:
        accounts = certbot_hook.read_accounts(str(file))
        accounts[domain] = msgspec.to_builtins(account)
        certbot_hook.write_accounts(str(file), accounts)
    except certbot_hook.HookError as error:
        raise ConfigError(str(error)) from None
