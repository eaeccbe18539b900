"""The PostgreSQL store of step-ca, opened to read: one snapshot of its tables of keys and values."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from cryptography import x509

from zonemint.core.errors import ForeignDataError
from zonemint.core.text import shown
from zonemint.importers import step_ca_issued
from zonemint.importers.findings import Refused
from zonemint.importers.postgres import snapshot, url_of
from zonemint.importers.step_ca import Database
from zonemint.importers.step_ca_issued import Account, Content, Issued

__all__ = ["read_postgres"]

_READ = 600.0  # seconds for all of it
_PAGE = 500  # rows that are brought at once
_TABLES = (
    "x509_certs",
    "x509_certs_data",
    "revoked_x509_certs",
    "acme_accounts",
    "acme_serial_certs_index",
    "acme_certs",
)


async def read_postgres(database: Database, *, issuer: x509.Certificate, now: float) -> Content:
    """Read what an issuer signed and that has not ended, and the ACME accounts; raises ForeignDataError."""
    url = url_of(database.source)
    if database.name:
        url = urlunsplit(urlsplit(url)._replace(path=f"/{quote(database.name, safe='')}"))
    async with snapshot(url, "step-ca's database", within=_READ) as connection:
        return await _content(connection, issuer, now)


async def _content(connection: Any, issuer: x509.Certificate, now: float) -> Content:
    rows = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ANY(current_schemas(false))"
    )
    tables = {name for (name,) in rows}
    if "x509_certs" not in tables:
        raise ForeignDataError("this is no database of step-ca: it has no table x509_certs")
    # What an older version did not make yet is empty.
    tables_ = {
        name: name if name in tables else "(SELECT ''::bytea AS nkey, ''::bytea AS nvalue LIMIT 0)" for name in _TABLES
    }
    certificates: list[Issued] = []
    refused: list[Refused] = []
    ended = 0
    async for serial, der, data, acme, revoked in connection.cursor(
        f"SELECT c.nkey, c.nvalue, d.nvalue, a.nvalue, r.nvalue FROM x509_certs AS c "  # noqa: S608 - all constants
        f"LEFT JOIN {tables_['x509_certs_data']} AS d ON d.nkey = c.nkey "
        f"LEFT JOIN {tables_['acme_serial_certs_index']} AS s ON s.nkey = c.nkey "
        f"LEFT JOIN {tables_['acme_certs']} AS a ON a.nkey = s.nvalue "
        f"LEFT JOIN {tables_['revoked_x509_certs']} AS r ON r.nkey = c.nkey",
        prefetch=_PAGE,
    ):
        try:
            found = step_ca_issued.certificate(der, data, acme, revoked, issuer=issuer, now=now)
        except ValueError as error:
            refused.append(Refused(f"certificate {_text(serial)}", str(error)))
            continue
        if found is None:
            ended += 1
        else:
            certificates.append(found)
    for serial, revoked in await connection.fetch(
        f"SELECT r.nkey, r.nvalue FROM {tables_['revoked_x509_certs']} AS r "  # noqa: S608 - all constants
        "WHERE NOT EXISTS (SELECT 1 FROM x509_certs AS c WHERE c.nkey = r.nkey)"
    ):
        try:
            if (found := step_ca_issued.unknown(_text(serial), revoked, issuer=issuer, now=now)) is not None:
                certificates.append(found)
        except ValueError as error:
            refused.append(Refused(f"revocation {_text(serial)}", str(error)))
    kept = await connection.fetch(f"SELECT nvalue FROM {tables_['acme_accounts']} AS a ORDER BY nkey")  # noqa: S608
    told = list(step_ca_issued.accounts(row for (row,) in kept))
    refused += [one for one in told if isinstance(one, Refused)]
    accounts = tuple(one for one in told if isinstance(one, Account))
    return Content(tuple(certificates), accounts, ended, tuple(refused))


def _text(key: bytes) -> str:
    return shown(key.decode("ascii", "replace"), 60)
