"""An account of an acme-dns server and the file of accounts that its clients share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from zonemint.clients import certbot_hook
from zonemint.core.errors import ConfigError

__all__ = ["Account", "Registered", "Roots", "domain_of", "load", "locked", "read_roots", "save", "tell"]


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
    """All that a client may have to be told about names that were registered for it together.

    names: as they were asked for, so perhaps with `*.`, each once; accounts: by domain, which a name and its wildcard
    share; storage: the file that `save` wrote; roots: None where the machine trusts them already.
    """

    names: tuple[str, ...]
    accounts: Mapping[str, Account]
    directory_url: str
    storage: Path
    roots: Roots | None = None

    @property
    def domain(self) -> str:
        """The domain of the first name, after which what has to have one name is called."""
        return domain_of(self.names[0])

    @property
    def server_url(self) -> str:
        """The URL of the acme-dns server, which all accounts share."""
        return self.accounts[self.domain].server_url

    @property
    def contact(self) -> str:
        """An address for the ACME account, for clients that demand one (RFC 2142 section 7 names the mailbox)."""
        return f"hostmaster@{self.domain}"


def domain_of(name: str) -> str:
    """Return the domain of a name, which it shares with its wildcard and which is its account's key."""
    return name.removeprefix("*.")


def read_roots(file: Path) -> Roots:
    """Read the roots to trust; raises ConfigError."""
    try:
        return Roots(file, file.read_text("ascii"))
    except OSError as error:
        raise ConfigError(f"the roots to trust cannot be read: {error.strerror}", file=file) from None
    except UnicodeDecodeError:
        raise ConfigError("the roots to trust are not PEM", file=file) from None


def tell(registered: Registered) -> str:
    """Return the file of accounts with these accounts alone, for every client that reads such a file."""
    return msgspec.json.format(msgspec.json.encode(registered.accounts), indent=4).decode()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep others from changing the file of accounts between `load` and `save`; raises ConfigError."""
    with ExitStack() as stack:
        try:
            stack.enter_context(certbot_hook.locked(str(file)))
        except certbot_hook.HookError as error:
            raise ConfigError(str(error)) from None
        yield


def load(file: Path, domains: Iterable[str]) -> dict[str, Account]:
    """Return the accounts of those domains that have one in the file of accounts; raises ConfigError."""
    found: dict[str, Account] = {}
    try:
        stored = certbot_hook.read_accounts(str(file))
    except certbot_hook.HookError as error:
        raise ConfigError(str(error)) from None
    for domain in domains:
        if domain in stored:
            try:
                found[domain] = msgspec.convert(stored[domain], Account)
            except msgspec.ValidationError as error:
                raise ConfigError(f"the account of {domain} is not whole: {error}", file=file) from None
    return found


def save(file: Path, new: Mapping[str, Account]) -> None:
    """Put accounts, by domain, into the file of accounts (0600), beside those of others; raises ConfigError."""
    try:
        accounts = certbot_hook.read_accounts(str(file))
        accounts.update(msgspec.to_builtins(new))
        certbot_hook.write_accounts(str(file), accounts)
    except certbot_hook.HookError as error:
        raise ConfigError(str(error)) from None
