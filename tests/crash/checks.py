"""What must hold when all is over: the store has everything that was told, and nothing in it contradicts itself."""

from __future__ import annotations

import json

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cli.program import run
from tests.crash.lab import Lab
from zonemint.config import load
from zonemint.pki.keys import spki_sha256

__all__ = ["check_audit", "check_files", "check_promises", "check_store", "check_words"]


async def check_promises(lab: Lab) -> None:
    """Every certificate, account, value, revocation and record that a client was told of is there as it was told."""
    ledger = lab.ledger
    assert ledger.issued
    stored = {
        row[0]: row[1:] for row in await lab.rows("SELECT serial, der, account_id, names, status FROM certificates")
    }
    for serial, issued in ledger.issued.items():
        der, account, names, status = stored[serial]
        assert bytes(der) == x509.load_pem_x509_certificate(issued.chain).public_bytes(Encoding.DER)
        assert issued.account.endswith(f"/{account}")
        assert json.loads(names) == [issued.name]
        assert status == ("revoked" if serial in ledger.revoked else "valid"), serial
    accounts = dict(await lab.rows("SELECT id, thumbprint FROM accounts WHERE status = 'valid'"))
    for url, thumbprint in ledger.accounts.items():
        assert accounts[url.rpartition("/")[2]] == thumbprint
    orders = dict(await lab.rows("SELECT id, account_id FROM orders"))
    for url, kid in ledger.orders.items():
        assert orders[url.rpartition("/")[2]] == kid.rpartition("/")[2]
    subdomains = dict(await lab.rows("SELECT username, subdomain FROM txt_accounts"))
    assert {one.username: one.subdomain for one in ledger.txt_accounts.values()}.items() <= subdomains.items()
    kept = load(lab.data.config).acmedns.values
    values: dict[str, list[str]] = {}
    for subdomain, value in await lab.rows("SELECT subdomain, value FROM txt_values ORDER BY sequence DESC"):
        values.setdefault(subdomain, []).append(value)
    for subdomain, told in ledger.values.items():
        newest = list(dict.fromkeys(reversed(told)))[:kept]
        assert values[subdomain] == newest, subdomain
    records = set(await lab.rows("SELECT name, type, data FROM records"))
    assert records == {record for record, present in ledger.records.items() if present}


async def check_store(lab: Lab) -> None:
    """Nothing is half done, done twice or contradicts another row."""
    intermediate = x509.load_pem_x509_certificate((lab.data.pki / "intermediate.crt").read_bytes())
    assert await lab.rows("SELECT * FROM validations") == []
    statuses = dict(await lab.rows("SELECT status, count(*) FROM orders GROUP BY status"))
    assert statuses.keys() == {"valid"}, f"orders that did not end: {statuses}"
    orders = {row[0]: row[1:] for row in await lab.rows("SELECT id, serial, identifiers, authorizations FROM orders")}
    reserved = [row[0] for row in orders.values()]
    assert len(set(reserved)) == len(reserved), "two orders have one serial"
    certificates = await lab.rows("SELECT serial, order_id, status, names, der, key_hash FROM certificates")
    of_orders = [row[1] for row in certificates if row[1] is not None]
    assert sorted(of_orders) == sorted(orders), "an order has no certificate, or two"
    for serial, order_id, status, names, der, key_hash in certificates:
        if status == "reserved":
            # What a crash leaves of a server's own certificate: a serial that is never used again.
            assert order_id is None
            assert der is None
            continue
        leaf = x509.load_der_x509_certificate(bytes(der))
        leaf.verify_directly_issued_by(intermediate)
        assert f"{leaf.serial_number:x}" == serial
        assert spki_sha256(leaf.public_key()) == key_hash
        assert leaf.not_valid_after_utc <= intermediate.not_valid_after_utc
        if order_id is not None:
            assert orders[order_id][0] == serial
            assert [one["value"] for one in json.loads(orders[order_id][1])] == json.loads(names)
    undecided = await lab.rows("SELECT id FROM authorizations WHERE status <> 'valid'")
    assert not undecided, "an authorization of a valid order is not valid"
    told = {row[0] for row in await lab.rows("SELECT order_id FROM traces WHERE events LIKE '%\"issued\"%'")}
    assert told == set(of_orders), "an issuance is missing in its order's story"
    revoked = {row[0] for row in await lab.rows("SELECT serial FROM certificates WHERE status = 'revoked'")}
    assert revoked == lab.ledger.revoked


async def check_audit(lab: Lab) -> None:
    """The chain is whole, and has every issuance and revocation that a client was told of, once."""
    verified = run("audit", "verify", "--data", lab.data.path)
    assert verified.returncode == 0, verified.stderr
    for event, told in (
        ("certificate.issued", lab.ledger.issued.keys()),
        ("certificate.revoked", lab.ledger.revoked),
        ("account.created", {url.rpartition("/")[2] for url in lab.ledger.accounts}),
    ):
        subjects = [row[0] for row in await lab.rows(f"SELECT subject FROM audit WHERE event = '{event}'")]
        assert len(set(subjects)) == len(subjects), f"{event} is told twice"
        assert told <= set(subjects), f"{event} is missing"


async def check_files(lab: Lab) -> None:
    """SQLite finds its file sound; PostgreSQL looks after its own."""
    if load(lab.data.config).store.database:
        return
    assert await lab.rows("PRAGMA integrity_check") == [("ok",)]
    assert await lab.rows("PRAGMA foreign_key_check") == []


def check_words(lab: Lab) -> None:
    """No server met what it did not expect."""
    for node in lab.nodes:
        said = node.log.read_text()
        for sign in ("Traceback", "unexpectedly", "periodic task failed"):
            assert sign not in said, said[said.index(sign) - 500 :][:4000]
