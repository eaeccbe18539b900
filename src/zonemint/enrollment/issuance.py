"""One certificate that no order asks for: its serial on disk before the key is used, and all about it on record."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from zonemint.acme.context import Lint
from zonemint.core.errors import CsrError, IssuanceError
from zonemint.core.hash_chain import Detail
from zonemint.pki import issue as issue_
from zonemint.pki import lint as lint_
from zonemint.pki.issue import Prepared, Template
from zonemint.pki.keys import spki_sha256
from zonemint.pki.serials import new_serial
from zonemint.store import audit, blocked_keys, certificates
from zonemint.store.certificates import Certificate
from zonemint.store.database import Database, Steps

__all__ = ["Asked", "issue", "refuse_blocked", "sign"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who gets a certificate for which key.

    `actor` and `via` are for the audit log; `enrolled_by` is why the certificate may be renewed with itself, None that
    it may not.
    """

    public_key: CertificatePublicKeyTypes
    actor: str
    via: str = ""
    enrolled_by: str | None = None


def _nothing() -> Steps[None]:
    yield from ()


def refuse_blocked(key_hash: str) -> Steps[None]:
    """Raise CsrError for a key (hex SHA-256 of its SubjectPublicKeyInfo) that no certificate may carry again."""
    if (why := (yield from blocked_keys.reason(key_hash))) is not None:
        raise CsrError(f"the key is blocked ({why}): make a new key")


async def issue(
    db: Database,
    template: Template,
    asked: Asked,
    *,
    names: tuple[str, ...],
    ips: tuple[str, ...],
    lint: Lint,
    now: float,
    not_before: int | None = None,
    not_after: int | None = None,
    first: Callable[[], Steps[None]] = _nothing,
) -> Certificate:
    """Issue for names and addresses; dates in seconds, None is as the profile says. Otherwise as `sign`."""
    prepared = issue_.prepare(
        template,
        names=names,
        ips=ips,
        public_key=asked.public_key,
        serial=new_serial(),
        now=now,
        not_before=not_before,
        not_after=not_after,
    )
    shape = lint_.shape(template, names=names, ips=ips, key=asked.public_key, until=prepared.not_after)
    return await sign(db, prepared, asked, hosts=(*names, *ips), shape=shape, lint=lint, now=now, first=first)


async def sign(
    db: Database,
    prepared: Prepared,
    asked: Asked,
    *,
    hosts: tuple[str, ...],
    shape: Hashable,
    lint: Lint,
    now: float,
    first: Callable[[], Steps[None]] = _nothing,
) -> Certificate:
    """Sign what was prepared; `first` is done in the transaction that reserves the serial, and what it raises ends all.

    Raises StoreError, IssuanceError.
    """
    if flaw := await lint(shape, lambda: lint_.stand_in(prepared)):
        raise IssuanceError(f"the CA does not sign what a linter refuses: {flaw}")
    serial = f"{prepared.serial:x}"
    reserved = Certificate(
        serial=serial,
        order_id=None,
        account_id=None,
        status="reserved",
        names=hosts,
        key_hash=spki_sha256(asked.public_key),
        not_before=prepared.not_before,
        not_after=prepared.not_after,
        created_at=int(now),
        issuer=prepared.issuer.key_id,
        enrolled_by=asked.enrolled_by,
    )

    def reserve() -> Steps[None]:
        yield from first()
        yield from certificates.insert(reserved)

    await db.write(reserve())
    issued = issue_.sign(prepared)

    def record() -> Steps[Certificate | None]:
        yield from certificates.store_signed(serial, issued.der)
        signed = yield from certificates.by_serial(serial)
        told: Detail = {
            "names": reserved.names,
            "key": reserved.key_hash,
            "not_before": issued.not_before,
            "not_after": issued.not_after,
            **({"via": asked.via} if asked.via else {}),
        }
        yield from audit.append(audit.Fact(audit.Kind.CERTIFICATE_ISSUED, asked.actor, serial, told), now=now)
        return signed

    signed = await db.write(record())
    assert signed is not None
    return signed
