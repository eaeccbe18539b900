"""The way of a step-ca into a new data folder: its root, intermediate and key, its settings, and what it issued."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from zonemint.acme import keys
from zonemint.config import Config, DataDir, render
from zonemint.core.errors import AcmeError, ConfigError
from zonemint.core.files import put, sync
from zonemint.core.hash_chain import Detail
from zonemint.importers import step_ca, step_ca_issued
from zonemint.importers.findings import Mapped, Refused
from zonemint.importers.step_ca import StepCa
from zonemint.importers.step_ca_database import read_postgres
from zonemint.importers.step_ca_issued import NOTHING, Content, Issued
from zonemint.importers.step_ca_keys import Hierarchy, hierarchy
from zonemint.importers.step_ca_settings import Settings, settings
from zonemint.pki import authority, constraints, folder
from zonemint.pki.issuer import key_id_of
from zonemint.store import accounts, audit, authorities, blocked_keys, certificates, inventory, token_issuers
from zonemint.store.accounts import Account
from zonemint.store.certificates import Certificate
from zonemint.store.database import Steps
from zonemint.store.opening import open_store
from zonemint.store.token_issuers import TokenIssuer

__all__ = ["Found", "Report", "Wanted", "bring", "check_free", "read"]

_DRAFT = ".import."
_BATCH = 500  # certificates in a transaction
_BY = "zonemint import"
_COMPROMISED = 1  # RFC 5280 section 5.3.1


class Wanted(NamedTuple):
    """What a person asked for; empty and None are as the folder has it.

    `revoked` is a file with revoked serials, `provisioners` one with what `step ca provisioner list` printed.
    """

    source: Path
    domains: tuple[str, ...]
    database: str
    password_file: Path | None
    provisioners: Path | None
    revoked: Path | None


class Report(msgspec.Struct, frozen=True):
    """What comes and what does not; `constrained` is whether the intermediate is held to domains by its certificate."""

    domains: tuple[str, ...]
    external_url: str
    root_sha256: str
    intermediate: str
    intermediate_not_after: str
    constrained: bool
    root_key: bool
    acme: tuple[str, ...]
    token_issuers: tuple[str, ...]
    accounts: int
    certificates: int
    revoked: int
    outside: tuple[str, ...]
    settings: tuple[Mapped, ...]
    refused: tuple[Refused, ...]


class Found(NamedTuple):
    """All that was read and checked: nothing of it can fail any more but for the disk and the store."""

    settings: Settings
    hierarchy: Hierarchy
    password: bytes | None
    accounts: tuple[Account, ...]
    certificates: tuple[Certificate, ...]
    issuers: tuple[TokenIssuer, ...]
    refused: tuple[Refused, ...]

    @property
    def config(self) -> Config:
        """The settings of the new folder."""
        return self.settings.config

    def report(self) -> Report:
        """Say what comes."""
        intermediate = self.hierarchy.chain[0]
        names = {name for one in self.certificates for name in one.names}
        domains = self.config.domains
        outside = sorted(one for one in names if not _is_inside(one, domains))
        return Report(
            domains,
            self.config.external_url,
            _sha256(self.hierarchy),
            intermediate.subject.rfc4514_string(),
            f"{intermediate.not_valid_after_utc:%Y-%m-%d}",
            bool(constraints.permitted_domains(intermediate)),
            self.hierarchy.root_key is not None,
            self.settings.acme,
            tuple(one.name for one in self.issuers),
            len(self.accounts),
            sum(one.der is not None for one in self.certificates),
            sum(one.revoked_at is not None for one in self.certificates),
            tuple(outside),
            self.settings.mapped,
            self.refused,
        )


async def read(wanted: Wanted, password: Callable[[], bytes | None], *, actor: str, now: float) -> Found:
    """Read and check all; nothing is written. Raises ForeignDataError, KeyFileError, OSError."""
    source = step_ca.load(wanted.source, wanted.provisioners)
    password_file = str(wanted.password_file.absolute()) if wanted.password_file else ""
    chosen = settings(source, domains=wanted.domains, database=wanted.database, password_file=password_file)
    found = hierarchy(source, password, domains=chosen.config.domains, now=now)
    content, refused = await _content(source, wanted, found, now)
    refused = [*chosen.refused, *found.refused, *content.refused, *refused]
    kept = tuple(_accounts(content, chosen, refused))
    issued = {one.serial: one for one in content.certificates}
    if wanted.revoked is not None:
        for one in step_ca_issued.revoked_in(wanted.revoked, issuer=found.chain[0], now=now):
            known = issued.get(one.serial)
            issued[one.serial] = one if known is None else known._replace(revoked=known.revoked or one.revoked)
    key_id, ids = key_id_of(found.chain[0]), {one.id for one in kept}
    return Found(
        chosen,
        found,
        password() if wanted.password_file else None,
        kept,
        tuple(_row(one, key_id, ids) for one in issued.values()),
        tuple(_issuers(chosen, refused, actor, int(now))),
        tuple(refused),
    )


def check_free(data: DataDir) -> None:
    """Raise ConfigError when a folder has anything in it but what an import left that was cut off."""
    if data.path.exists() and any(not one.name.startswith(_DRAFT) for one in data.path.iterdir()):
        raise ConfigError("something is in this folder already: choose another one with --data", file=data.path)


async def bring(found: Found, data: DataDir, *, actor: str, now: float, step: Callable[[int], None]) -> None:
    """Make the data folder, all of it or nothing; raises ConfigError where one is there, StoreError, OSError.

    step: called with the number of certificates that each transaction was for.
    """
    made = not data.path.exists()
    check_free(data)
    data.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for half in data.path.glob(f"{_DRAFT}*"):
        shutil.rmtree(half)
    draft = DataDir(Path(tempfile.mkdtemp(prefix=_DRAFT, dir=data.path)))
    try:
        keys_ = found.hierarchy
        authority.adopt(draft.pki, keys_.chain, key=keys_.key, root_key=keys_.root_key, password=found.password)
        for root in keys_.roots:
            folder.add(draft.pki, root)
        put(draft.config, render(found.config).encode(), private=True)
        await _fill(found, draft, actor, now, step)
        sync(draft.path)
        # The settings come last: without them nothing starts here.
        for one in sorted(draft.path.iterdir(), key=lambda one: one == draft.config):
            one.rename(data.path / one.name)
        sync(data.path)
    finally:
        shutil.rmtree(draft.path, ignore_errors=True)
        if made and not any(data.path.iterdir()):
            data.path.rmdir()


async def _fill(found: Found, draft: DataDir, actor: str, now: float, step: Callable[[int], None]) -> None:
    """Write into the store, which a database of its own may be; what is there from a try before stays."""
    db = await open_store(found.config.store.database, draft.database)
    try:
        await db.write(_begin(found, now=int(now)))
        for start in range(0, len(found.certificates), _BATCH):
            batch = found.certificates[start : start + _BATCH]
            await db.write(_add(batch, now=int(now)))
            step(len(batch))
        report = found.report()
        told: Detail = {
            "from": "step-ca",
            "certificates": report.certificates,
            "revoked": report.revoked,
            "accounts": report.accounts,
            "token_issuers": report.token_issuers,
        }
        fact = audit.Fact(audit.Kind.AUTHORITY_IMPORTED, actor, report.root_sha256, told)
        await db.write(audit.append(fact, now=now))
    finally:
        await db.close()


def _begin(found: Found, *, now: int) -> Steps[None]:
    """Add accounts and issuers of tokens; raises ConfigError when the store is another authority's."""
    yield authorities.lock()
    stored = yield from authorities.current()
    signed = yield from inventory.page(inventory.Wanted(), after=None, by_end=False, limit=1)
    ours = {one.serial for one in found.certificates}
    if stored is not None or (signed and signed[0].serial not in ours):
        raise ConfigError("the database belongs to a CA already: use an empty one with --database")
    for account in found.accounts:
        yield from accounts.insert(account)
    for issuer in found.issuers:
        yield from token_issuers.insert(issuer)


def _add(batch: Sequence[Certificate], *, now: int) -> Steps[None]:
    for one in batch:
        if (yield from certificates.by_serial(one.serial)) is not None:
            continue
        yield from certificates.insert(one)
        if one.revoked_at is not None:
            reason = one.revocation_reason or 0
            yield from certificates.revoke(one.serial, now=one.revoked_at, reason=reason)
            if reason == _COMPROMISED and one.key_hash:
                yield from blocked_keys.block(one.key_hash, now=now, reason="keyCompromise, told to step-ca")


async def _content(source: StepCa, wanted: Wanted, found: Hierarchy, now: float) -> tuple[Content, list[Refused]]:
    """Read what step-ca's store has, if that can be read."""
    kind = source.database.type.lower()
    if kind in ("postgresql", "postgres"):
        return await read_postgres(source.database, issuer=found.chain[0], now=now), []
    what = "issued and revoked certificates, ACME accounts"
    if not kind:
        return NOTHING, [Refused(what, "ca.json names no database, so step-ca kept none")] if not wanted.revoked else []
    where = f"its database is {kind}, which is not read. ACME clients have to make accounts again"
    if wanted.revoked is not None:
        return NOTHING, [Refused("issued certificates, ACME accounts", where)]
    return NOTHING, [
        Refused(
            what,
            f"{where}. What was revoked comes with --revoked FILE: set crl.enabled in ca.json, start step-ca again, "
            "and fetch its /1.0/crl; or write the serials, one a line",
        )
    ]


def _accounts(content: Content, chosen: Settings, refused: list[Refused]) -> Iterator[Account]:
    """Make rows of accounts with their ids, which are in URLs that clients keep."""
    for one in content.accounts:
        provisioner = one.provisioner or (chosen.acme[0] if len(chosen.acme) == 1 else "")
        if provisioner not in chosen.acme:
            refused.append(Refused(f"ACME account {one.id}", f"its provisioner '{provisioner}' did not come"))
            continue
        try:
            jwk = keys.canonical(one.jwk)
            keys.load(jwk.text)
        except AcmeError as error:
            refused.append(Refused(f"ACME account {one.id}", str(error)))
            continue
        yield Account(
            one.id, provisioner, jwk.thumbprint, jwk.text, one.status, one.contacts, None, one.created_at, _BY
        )


def _issuers(chosen: Settings, refused: list[Refused], actor: str, now: int) -> Iterator[TokenIssuer]:
    for one in chosen.tokens:
        try:
            jwk = keys.canonical(one.key)
            keys.load(jwk.text)
        except AcmeError as error:
            refused.append(Refused(f"provisioner {one.name} (JWK)", str(error)))
            continue
        yield TokenIssuer(str(one.key.get("kid") or jwk.thumbprint), one.name, jwk.text, one.encrypted_key, now, actor)


def _row(one: Issued, issuer: str, accounts_: set[str]) -> Certificate:
    kind, name = one.provisioner
    return Certificate(
        one.serial,
        None,
        one.account if one.account in accounts_ else None,
        "valid",
        one.names,
        one.key_hash,
        one.not_before,
        one.not_after,
        one.not_before,
        one.der,
        one.revoked.at if one.revoked else None,
        one.revoked.reason if one.revoked else None,
        issuer=issuer,
        # What a token was for may be renewed with itself, as it could be there.
        enrolled_by=f"one-time-token:{name}" if kind == "JWK" else None,
    )


def _is_inside(name: str, domains: Sequence[str]) -> bool:
    from zonemint.pki.policy import Policy

    return Policy(domains).refusal("dns", name) is None or Policy(domains).refusal("ip", name) is None


def _sha256(found: Hierarchy) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    return found.chain[-1].fingerprint(SHA256()).hex()
