"""Whether a store is sound: its engine's view of it, the rules between its rows, and the certificates in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import NamedTuple

from cryptography import x509

from zonemint.core.errors import AuditBroken
from zonemint.core.hash_chain import Chain
from zonemint.core.unreadable import UNREADABLE
from zonemint.store import audit, certificates, crls, migrations
from zonemint.store.certificates import Certificate
from zonemint.store.crls import Crl
from zonemint.store.invariants import RULES
from zonemint.store.transfer.ends import Progress, Snapshot

__all__ = ["Verdict", "examine"]

_BATCH = 256
_NEWEST = 1000  # certificates, and entries of the audit log, that are read unless all are wanted


class Verdict(NamedTuple):
    """What came out of one check: nothing wrong when `wrong` is empty, else what is, and what to do."""

    check: str
    wrong: list[str]
    advice: str


async def examine(store: Snapshot, *, every: bool, progress: Progress) -> AsyncIterator[Verdict]:
    """Do all checks on one moment of the store, the cheap ones of the engine first.

    every: read all certificates and the whole audit log, not the newest 1000 of each. Raises StoreError when the store
    cannot be read at all.
    """
    damages = await store.damages()
    yield Verdict("the engine finds no damage", damages, "stop the server and `zonemint restore` a backup")
    newest = migrations.newest()
    yield Verdict(
        f"the schema is {newest}",
        [] if store.schema == newest else [f"it is {store.schema}"],
        "start this release once, which brings it up to date" if store.schema < newest else "use a newer zonemint",
    )
    if damages or store.schema != newest:
        # The rest would tell the same again, or ask for what is not there.
        return
    for rule in RULES:
        yield Verdict(rule.name, await store.read(rule.broken()), rule.advice)
    advice = "restore a backup: this is not what was issued"
    yield Verdict("each certificate is what its row says", await _certificates(store, every, progress), advice)
    lists = await store.read(crls.all_current())
    wrong = [why for one in lists for why in _list(one)]
    yield Verdict("the revocation list has its number", wrong, "start a server with the CA's key")
    advice = "keep the store as it is, and see `zonemint audit verify`: somebody may have changed it"
    yield Verdict("the audit log follows from entry to entry", await _audit_log(store, every, progress), advice)


async def _certificates(store: Snapshot, every: bool, progress: Progress) -> list[str]:
    wrong: list[str] = []
    before = ""
    for done in count(0, _BATCH):
        if not every and done >= _NEWEST:
            break
        batch = await store.read(certificates.signed(before=before, limit=_BATCH))
        if not batch:
            break
        wrong += [f"{one.serial}: {why}" for one in batch if (why := _difference(one))]
        before = batch[-1].serial
        progress("reading certificates", done, done + len(batch))
    return wrong[:20]


async def _audit_log(store: Snapshot, every: bool, progress: Progress) -> list[str]:
    """Follow the chain, or its newest part; what it says beside a head that was kept is for `zonemint audit verify`."""
    last = (await store.read(audit.head())).sequence
    after = 0 if every else max(0, last - _NEWEST)
    chain = Chain(whole=after == 0)
    try:
        while entries := await store.read(audit.page(after=after, until=last, limit=_BATCH)):
            for entry in entries:
                chain.follow(entry)
            after = entries[-1].sequence
            progress("following the audit log", after, last)
    except AuditBroken as error:
        return [str(error)]
    return []


def _difference(row: Certificate) -> str:
    """Tell in what a certificate differs from its row, an empty text if in nothing."""
    assert row.der is not None
    try:
        certificate = x509.load_der_x509_certificate(row.der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        return f"its DER cannot be read: {error}"
    if f"{certificate.serial_number:x}" != row.serial:
        return f"its serial number is {certificate.serial_number:x}"
    if found != set(row.names):
        return f"it is for {', '.join(sorted(found))}, and the row says {', '.join(row.names)}"
    if int(certificate.not_valid_after_utc.timestamp()) != row.not_after:
        return f"it ends at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}, and the row says otherwise"
    return ""


def _list(current: Crl) -> list[str]:
    if current.revoked < 0:
        return []  # the next start makes one
    try:
        made = x509.load_der_x509_crl(current.der)
        number = made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        return [f"it cannot be read: {error}"]
    return [] if number == current.number else [f"it is {number}, and the row says {current.number}"]
