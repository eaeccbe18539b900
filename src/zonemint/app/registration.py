"""Names made ready for certificates: an account of the TXT API and a CNAME for each, in few transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from zonemint.acmedns import accounts
from zonemint.app.dynamic import change
from zonemint.app.zone_list import Plan, auth_of, owning, plan_of, served
from zonemint.app.zone_reading import fixed_records
from zonemint.clients.accounts import Account, load, save
from zonemint.config import Config, DataDir, advertised
from zonemint.core.errors import ConfigError
from zonemint.core.names import is_within
from zonemint.store import records, txt
from zonemint.store.database import Database, Steps
from zonemint.store.records import DynamicRecord
from zonemint.store.txt import TxtAccount
from zonemint.validation.dns01 import PREFIX
from zonemint.validation.dnsaccount01 import label

__all__ = ["Alias", "Registrar"]

TOGETHER = 200
"""Domains in one transaction: a zone is built once for each, and a running server waits for it."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The CNAME that leads from a domain's challenge to its account.

    zone: None when it is not ours to make; made: whether it was made just now; before: where it led until then.
    """

    domain: str
    name: str
    target: str
    zone: str | None
    made: bool = False
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registrar:
    """Registers domains; `file` is the file of accounts, which the caller keeps locked.

    actor: who it is, for the audit log; by: what the accounts and records were made by; account_url: the ACME account
    whose own name below the challenge's gets the CNAME (dns-account-01), empty for that of all.
    """

    db: Database
    config: Config
    data: DataDir
    file: Path
    actor: str
    by: str
    account_url: str = ""

    def check(self, domain: str) -> None:
        """Raise ConfigError for a domain that can have no CNAME."""
        if is_within(domain, auth := auth_of(self.config)):
            raise ConfigError(f"{domain} lies in {auth}, the zone of the TXT values: no CNAME can be made there")

    async def register(
        self, domains: Sequence[str], *, done: Callable[[int], None] = lambda count: None
    ) -> tuple[dict[str, Account], list[Alias]]:
        """Make the accounts and CNAMEs that lack; what is there stays. `done` is told how many more domains are ready.

        domains: each once, and each passed `check`. A group of them is registered whole or not at all, and its accounts
        are in the file before the next one begins, so that the same call after a failure goes on from there.
        Raises ConfigError, StoreError.
        """
        known = load(self.file, domains)
        for domain, account in known.items():
            if not await self._is_ours(account):
                raise ConfigError(
                    f"the account of {domain} is not one of this server: remove it to get a new one", file=self.file
                )
        aliases: dict[str, Alias] = {}
        for zone, group in _groups(served(self.config, self.data), domains):
            aliases |= await self._register(zone, group, known)
            done(len(group))
        return {domain: known[domain] for domain in domains}, [aliases[domain] for domain in domains]

    async def _register(self, zone: str | None, domains: Sequence[str], known: dict[str, Account]) -> dict[str, Alias]:
        """Register one group, and put its new accounts into `known` and the file."""
        now_ms = int(time.time() * 1000)
        stored: list[TxtAccount] = []
        new: dict[str, Account] = {}
        for domain in domains:
            if domain not in known:
                row, told = accounts.new(auth_of(self.config), (), self.by, now_ms=now_ms)
                stored.append(row)
                new[domain] = Account(
                    told.username,
                    told.password,
                    told.fulldomain,
                    told.subdomain,
                    told.allowfrom,
                    self.config.api_url,
                )

        def insert() -> Steps[None]:
            for row in stored:
                yield from accounts.insert(row, actor=self.actor)

        also = insert if stored else None
        targets = {domain: (known.get(domain) or new[domain]).fulldomain for domain in domains}
        if zone is None:
            if also is not None:
                await self.db.write(also())
            aliases = {d: Alias(d, self._challenge(d), target, None) for d, target in targets.items()}
        else:
            aliases = await self._alias(zone, targets, also, now_ms=now_ms)
        if new:
            save(self.file, new)
            known |= new
        return aliases

    async def _alias(
        self, zone: str, targets: Mapping[str, str], also: Callable[[], Steps[None]] | None, *, now_ms: int
    ) -> dict[str, Alias]:
        """Make the CNAMEs of a zone that lack, in one transaction with what belongs to it."""
        fixed = fixed_records(self.config, plan_of(self.config, self.data, zone), advertised(self.config.listen))
        there = {(one.name, one.data) for one in fixed if one.type == "CNAME"}
        add: list[DynamicRecord] = []
        stale: dict[str, list[DynamicRecord]] = {}
        for domain, target in targets.items():
            name, data = self._challenge(domain), f"{target}."
            if (name, data) in there:
                continue
            old = await self.db.read(records.at(zone, name, "CNAME"))
            if all(one.data != data for one in old):
                add.append(DynamicRecord(zone, name, "CNAME", data, int(self.config.dns.ttl), now_ms, self.by))
            stale[domain] = [one for one in old if one.data != data]
        gone = [one for old in stale.values() for one in old]
        if add or gone or also is not None:
            await change(self.db, self.config, self.data, zone, actor=self.actor, add=add, remove=gone, also=also)
        made = {one.name for one in add}
        return {
            domain: Alias(
                domain,
                name := self._challenge(domain),
                target,
                zone,
                made=name in made,
                before=tuple(one.data.removesuffix(".") for one in stale.get(domain, ())),
            )
            for domain, target in targets.items()
        }

    async def _is_ours(self, account: Account) -> bool:
        stored = await self.db.read(txt.by_username(account.username))
        return stored is not None and stored.fulldomain == account.fulldomain

    def _challenge(self, domain: str) -> str:
        own = f"{label(self.account_url)}." if self.account_url else ""
        return f"{own}{PREFIX}{domain}"


def _groups(zones: Mapping[str, Plan], domains: Sequence[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Split domains into groups of one zone, none of them large."""

    def zone(domain: str) -> str:
        return owning(domain, zones) or ""

    for origin, group in groupby(sorted(domains, key=zone), zone):
        members = list(group)
        for at in range(0, len(members), TOGETHER):
            yield origin or None, members[at : at + TOGETHER]
