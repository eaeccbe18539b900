"""Stores of step-ca on a real PostgreSQL: tables of keys and values, with what its version 0.28 writes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from tests.importers.test_step_ca import FOLDERS, PASSWORD, Tree, copied, imported, left_out, refusal
from tests.postgres import Postgres, query
from zonemint.importers import step_ca_issued

ISSUER = x509.load_pem_x509_certificate((FOLDERS / "plain/certs/intermediate_ca.crt").read_bytes())
KEY = load_pem_private_key((FOLDERS / "plain/secrets/intermediate_ca_key").read_bytes(), PASSWORD.encode())
ACCOUNT = "UnGj6YtlS2vWxbKDBgD5aAobKuEAZALH"
JWK = {  # of RFC 7517, appendix A.1
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
NOW = datetime.now(UTC).replace(microsecond=0)


def signed(*names: str, days: float = 1, key: Any = KEY) -> x509.Certificate:
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ISSUER.subject)
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=9))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(san, critical=False)
        .sign(key, SHA256())
    )


def filled(postgres: Postgres, tables: dict[str, Sequence[tuple[str, bytes | Tree]]]) -> str:
    """Make a store, and return its URL."""
    url = postgres.database()
    for table, rows in tables.items():
        query(url, f"CREATE TABLE {table} (nkey BYTEA PRIMARY KEY, nvalue BYTEA)")
        for key, value in rows:
            octets = value if isinstance(value, bytes) else json.dumps(value).encode()
            query(url, f"INSERT INTO {table} VALUES ($1, $2)", key.encode(), octets)
    return url


def with_store(url: str, tmp_path: Path) -> Path:
    head, _, name = url.rpartition("/")

    def stored(tree: Tree) -> None:
        tree["db"] = {"type": "postgresql", "dataSource": f"{head}/", "database": name}

    return copied("plain", tmp_path, stored)


def revocation(certificate: x509.Certificate | None, *, reason: int = 0, expires: str = "0001-01-01T00:00:00Z") -> Tree:
    serial = str(certificate.serial_number) if certificate else "77"
    return {"Serial": serial, "ReasonCode": reason, "RevokedAt": "2026-01-02T03:04:05Z", "ExpiresAt": expires}


def account(**more: Any) -> Tree:
    told = {"id": ACCOUNT, "key": JWK, "status": "valid", "contact": ["mailto:a@lab.test"], "provisionerName": "acme"}
    return {**told, "createdAt": "2026-01-01T00:00:00Z", "deactivatedAt": "0001-01-01T00:00:00Z", **more}


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    return file


def entry(certificate: x509.Certificate) -> tuple[str, bytes]:
    return str(certificate.serial_number), certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_certificates_revocations_and_accounts_come(
    tmp_path: Path, password: Path, postgres: Postgres, engine: str
) -> None:
    by_token, by_acme, bad = signed("db.lab.test"), signed("www.lab.test"), signed("bad.lab.test")
    ended, foreign = signed("old.lab.test", days=-1), signed("x.lab.test", key=ec.generate_private_key(ec.SECP256R1()))
    url = filled(
        postgres,
        {
            "x509_certs": [entry(one) for one in (by_token, by_acme, bad, ended, foreign)],
            "x509_certs_data": [
                (entry(by_token)[0], {"provisioner": {"id": "i", "name": "robots", "type": "JWK"}}),
                (entry(by_acme)[0], {"provisioner": {"id": "acme/acme", "name": "acme", "type": "ACME"}}),
            ],
            "revoked_x509_certs": [(entry(bad)[0], revocation(bad, reason=1)), ("77", revocation(None, reason=4))],
            "acme_accounts": [(ACCOUNT, account()), ("x", account(id="x", provisionerName="gone"))],
            "acme_serial_certs_index": [(entry(by_acme)[0], b"certId")],
            "acme_certs": [("certId", {"id": "certId", "accountID": ACCOUNT, "orderID": "o"})],
        },
    )
    data, target = tmp_path / "data", postgres.database() if engine == "postgresql" else ""
    words = ("--data", data, "--password-file", password, "--database", target)
    report = imported(with_store(url, tmp_path), *words)
    assert (report["certificates"], report["revoked"], report["accounts"]) == (3, 2, 1)
    why = left_out(report)
    assert why[f"certificate {foreign.serial_number}"] == "another issuer signed it"
    assert why["ACME account x"] == "its provisioner 'gone' did not come"

    def rows(statement: str) -> list[tuple[Any, ...]]:
        if target:
            return query(target, statement)
        with sqlite3.connect(data / "zonemint.db") as db:
            return db.execute(statement).fetchall()

    columns = "status, account_id, enrolled_by, revoked_at, revocation_reason, issuer"
    found = {row[0]: row[1:] for row in rows(f"SELECT serial, {columns} FROM certificates")}
    key_id = ISSUER.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    at = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
    assert found == {
        f"{by_token.serial_number:x}": ("valid", None, "one-time-token:robots", None, None, key_id),
        f"{by_acme.serial_number:x}": ("valid", ACCOUNT, None, None, None, key_id),
        f"{bad.serial_number:x}": ("revoked", None, None, at, 1, key_id),
        f"{77:x}": ("revoked", None, None, at, 4, key_id),
    }
    assert rows("SELECT id, provisioner, status, contacts FROM accounts") == [
        (ACCOUNT, "acme", "valid", '["mailto:a@lab.test"]')
    ]
    # A key that was compromised gets no certificate again.
    assert len(rows("SELECT key_hash FROM blocked_keys")) == 1
    assert rows("SELECT event FROM audit") == [("authority.imported",)]


def test_names_that_are_not_issued_for_here_are_told(tmp_path: Path, password: Path, postgres: Postgres) -> None:
    url = filled(postgres, {"x509_certs": [entry(signed("www.other.test", "www.lab.test"))]})
    report = imported(with_store(url, tmp_path), "--data", tmp_path / "data", "--password-file", password)
    assert report["outside"] == ["www.other.test"]


def test_a_store_that_is_none_or_is_not_there_is_refused_before_anything_is_written(
    tmp_path: Path, password: Path, postgres: Postgres
) -> None:
    folder = with_store(filled(postgres, {}), tmp_path)
    assert "it has no table x509_certs" in refusal(folder, tmp_path / "data", "--password-file", password)
    file = folder / "config/ca.json"
    file.write_text(file.read_text().replace("zonemint_test", "no_such"))
    assert "cannot be read" in refusal(folder, tmp_path / "data", "--password-file", password)


def test_a_database_that_belongs_to_a_ca_is_left_alone(tmp_path: Path, password: Path, postgres: Postgres) -> None:
    url = filled(postgres, {"x509_certs": [entry(signed("www.lab.test"))]})
    folder, target = with_store(url, tmp_path), postgres.database()
    words = ("--password-file", password, "--database", target)
    imported(folder, "--data", tmp_path / "first", *words)
    # The same again, as after a disk that failed at the end, is no harm.
    imported(folder, "--data", tmp_path / "second", *words)
    query(target, "UPDATE certificates SET serial = '1'")
    assert "belongs to a CA already" in refusal(folder, tmp_path / "third", *words)


def test_what_the_crl_of_the_intermediate_lists_comes(tmp_path: Path, password: Path) -> None:
    reason = x509.CRLReason(x509.ReasonFlags.superseded)
    one = x509.RevokedCertificateBuilder().serial_number(77).revocation_date(NOW).add_extension(reason, False).build()
    crl = x509.CertificateRevocationListBuilder().issuer_name(ISSUER.subject).last_update(NOW)
    made = crl.next_update(NOW + timedelta(days=1)).add_revoked_certificate(one).sign(KEY, SHA256())  # type: ignore[arg-type]
    for name, encoding in (("der", Encoding.DER), ("pem", Encoding.PEM)):
        (tmp_path / "crl").write_bytes(made.public_bytes(encoding))
        data = tmp_path / name
        words = ("--data", data, "--password-file", password, "--revoked", tmp_path / "crl")
        assert imported(FOLDERS / "plain", *words)["revoked"] == 1
        with sqlite3.connect(data / "zonemint.db") as db:
            rows = db.execute("SELECT serial, revoked_at, revocation_reason FROM certificates").fetchall()
        assert rows == [("4d", int(NOW.timestamp()), 4)]


_told = st.binary(max_size=60) | st.dictionaries(
    st.sampled_from(["provisioner", "accountID", "RevokedAt", "ReasonCode", "ExpiresAt", "id", "key", "status"]),
    st.none() | st.integers() | st.text(max_size=20) | st.just("2026-01-02T03:04:05Z"),
).map(lambda tree: json.dumps(tree).encode())


@given(st.binary(max_size=80) | st.just(signed("a.lab.test").public_bytes(Encoding.DER)), _told, _told, _told)
def test_any_row_is_read_or_refused_in_one_sentence(der: bytes, data: bytes, acme: bytes, revoked: bytes) -> None:
    now = time.time()
    for read in (
        lambda: step_ca_issued.certificate(der, data, acme, revoked, issuer=ISSUER, now=now),
        lambda: step_ca_issued.unknown("77", revoked, issuer=ISSUER, now=now),
        lambda: list(step_ca_issued.accounts([data])),
    ):
        try:
            read()
        except ValueError as error:
            sentence = str(error)
            assert sentence.isprintable()
