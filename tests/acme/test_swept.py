"""What clients see of an order that was removed: nothing, as of one that never was."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme.client import BASE, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_requests import assert_refused
from tests.web.lab import running
from zonemint.store import sweep
from zonemint.store.sqlite import SqliteDatabase

NAME = "swept.lab.test"


async def test_a_removed_order_is_not_there_with_all_that_is_its(tmp_path: Path) -> None:
    async with running(tmp_path) as lab:
        client = await registered(lab)
        url, order = await client.ready_order(NAME)
        done = (await client.post(order["finalize"], {"csr": b64url(csr_of(NAME))})).json()
        failed = (await client.order(f"failed.{NAME}")).header("Location")
        assert failed is not None
        challenge = await client.challenge(order["authorizations"][0])
        later = int(time.time()) + 1000 * 86400
        db = SqliteDatabase(lab.data.database)
        # The last one is a valid order: the others that end are found behind it.
        assert (await db.write(sweep.orders("", ended_before=later, limit=10))).gone == {
            "orders": 1,
            "authorizations": 1,
        }
        assert (await client.post(url)).json()["status"] == "valid"
        await db.write(sweep.certificates(ended_before=later, limit=10))
        await db.close()
        for gone in (url, failed, order["authorizations"][0], challenge["url"], done["certificate"]):
            assert_refused(await client.post(gone), 404, "malformed")
        assert_refused(await client.post(order["finalize"], {"csr": b64url(csr_of(NAME))}), 404, "malformed")
        assert (await client.post(f"{client.kid}/orders")).json() == {"orders": []}
        # The account goes on, and so does the name.
        assert await client.certificate(NAME)


async def test_who_meets_an_order_while_it_is_removed_is_told_so(tmp_path: Path) -> None:
    """On a server database, a transaction can see the order and, a statement later, its authorizations no more."""
    async with running(tmp_path) as lab:
        owner, other = await registered(lab), await registered(lab)
        leaf = await owner.certificate(NAME)
        _, order = await other.ready_order(NAME)
        with closing(sqlite3.connect(lab.data.database, isolation_level=None)) as connection:
            connection.execute(
                "DELETE FROM authorizations WHERE id = ?", (order["authorizations"][0].rpartition("/")[2],)
            )
        assert_refused(await other.post(order["finalize"], {"csr": b64url(csr_of(NAME))}), 404, "malformed")
        revocation = {"certificate": b64url(leaf.public_bytes(Encoding.DER))}
        assert_refused(await other.post(f"{BASE}/revoke-cert", revocation), 403, "unauthorized")
