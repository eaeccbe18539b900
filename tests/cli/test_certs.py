from __future__ import annotations

import hashlib
import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.app.client import Client
from tests.cli.program import run
from tests.server import DOMAIN, Running, running, until

NAME = f"certified.{DOMAIN}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("certs") / "data") as one:
        yield one


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[Client]:
    assert server.register(NAME).returncode == 0
    with closing(Client(server)) as one:
        yield one


@pytest.fixture(scope="module")
def leaf(client: Client) -> x509.Certificate:
    """A certificate that nobody revokes."""
    return issue(client)


def issue(client: Client, *names: str) -> x509.Certificate:
    return client.issue(*(names or (NAME, f"*.{NAME}")))


def certs(server: Running, *words: str) -> subprocess.CompletedProcess[str]:
    return run("certs", *words, "--data", server.folder)


def rows(server: Running, *words: str) -> list[dict[str, Any]]:
    done = certs(server, *words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def facts(server: Running, which: str) -> dict[str, Any]:
    done = certs(server, "show", which, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def listed(server: Running, leaf: x509.Certificate) -> x509.RevokedCertificate | None:
    crl = x509.load_der_x509_crl(server.fetch("/crl"))
    return crl.get_revoked_certificate_by_serial_number(leaf.serial_number)


def test_the_list_has_it(server: Running, leaf: x509.Certificate) -> None:
    found = rows(server, "list")
    assert f"{leaf.serial_number:x}" in [row["serial"] for row in found]
    assert f"ca.{DOMAIN}" in found[-1]["names"], "the server's own certificate is the oldest"
    assert rows(server, "list", "--limit", "1") == found[:1]
    head, *lines = certs(server, "list").stdout.splitlines()
    assert head.split() == ["SERIAL", "STATUS", "NOT", "AFTER", "NAMES"]
    (line,) = [line for line in lines if f"{leaf.serial_number:x}" in line]
    assert line.split()[1] == "valid"
    assert NAME in line


def test_lists_are_filtered_and_paged(server: Running, leaf: x509.Certificate) -> None:
    serial = f"{leaf.serial_number:x}"
    every = [row["serial"] for row in rows(server, "list", "--all")]
    key_id = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    issuer_key = key_id.hex()
    for words, has_it in (
        (["--name", NAME.upper()], True),
        (["--name", ".lab.test"], True),
        (["--name", "certifie?.*"], True),
        (["--name", "*.example"], False),
        (["--status", "valid"], True),
        (["--status", "expired"], False),
        (["--status", "revoked"], False),
        (["--issuer", "intermediate"], True),
        (["--issuer", "Somebody"], False),
        (["--issuer", issuer_key], True),
        (["--issuer", ":".join(re.findall("..", issuer_key)).upper()], True),
        (["--issuer", "00" * 20], False),
        (["--profile", "default"], True),
        (["--profile", "shortlived"], False),
        (["--expires-within", "91d"], True),
        (["--expires-within", "1d"], False),
        (["--issued-since", "1d"], True),
        (["--issued-since", "2020-02-29"], True),
        (["--issued-since", "2100-01-01"], False),
        (["--serial", serial[:24].upper()], True),
        (["--key", facts(server, serial)["key"][:20]], True),
        (["--account", facts(server, serial)["account"]], True),
    ):
        found = [row["serial"] for row in rows(server, "list", *words)]
        assert (serial in found) is has_it, words
        assert set(found) <= set(every)
    assert [row["serial"] for row in rows(server, "list", "--after", every[0], "--limit", "1")] == every[1:2]
    lines = certs(server, "list", "--all", "--json-lines").stdout.splitlines()
    assert [json.loads(line)["serial"] for line in lines] == every
    assert certs(server, "list", "--name", "none.test", "--json").stdout == "[]\n"
    assert certs(server, "list", "--name", "none.test", "--json-lines").stdout == ""
    assert certs(server, "list", "--name", "none.test").stdout.split()[0] == "SERIAL"


@pytest.mark.parametrize(
    "words",
    [["--status", "new"], ["--serial", "xyz"], ["--key", "0g"], ["--issued-since", "now"], ["--expires-within", "1"]],
)
def test_a_filter_that_makes_no_sense_is_wrong_usage(words: list[str], folder: Path) -> None:
    assert run("certs", "list", *words, "--data", folder).returncode == 2


def test_a_certificate_is_shown_with_its_order_and_all_that_it_says(
    server: Running, leaf: x509.Certificate, tmp_path: Path
) -> None:
    file = tmp_path / "leaf.pem"
    file.write_bytes(leaf.public_bytes(Encoding.PEM))
    shown = facts(server, str(file))
    assert shown == facts(server, f"{leaf.serial_number:x}")
    assert (shown["profile"], shown["provisioner"]) == ("default", "acme")
    assert shown["issuer"] == leaf.issuer.rfc4514_string()
    assert shown["key_type"] == "EC secp256r1"
    assert "serverAuth" in shown["usages"]
    assert shown["crl"][0].startswith(f"http://ca.{DOMAIN}:")
    file.write_bytes(server.root.read_bytes())
    done = certs(server, "show", str(file))
    assert done.returncode == 1
    assert "was not issued here" in done.stderr


def test_the_metrics_count_them(server: Running, client: Client) -> None:
    def value(line: str) -> float:
        lines = server.fetch("/metrics").decode().splitlines()
        return float(next(one for one in lines if one.startswith(line)).split()[-1])

    issue(client)
    end = x509.load_pem_x509_certificate(server.root.read_bytes()).not_valid_after_utc.timestamp()
    assert value('zonemint_ca_certificate_expiry_seconds{certificate="root"') == end
    assert value('zonemint_certificates{within="+Inf"}') >= 1
    assert value('zonemint_certificate_events_total{event="issued"}') >= 1


def test_it_is_shown_by_serial_however_it_is_written_and_by_name(server: Running, leaf: x509.Certificate) -> None:
    serial = f"{leaf.serial_number:032x}"
    octets = ":".join(serial[at : at + 2] for at in range(0, len(serial), 2)).upper()
    for which in (serial, f"0x{serial.upper()}", octets):
        shown = facts(server, which)
        der = leaf.public_bytes(Encoding.DER)
        assert shown["sha256"] == hashlib.sha256(der).hexdigest()
        assert ssl.PEM_cert_to_DER_cert(shown["pem"]) == der
        assert (shown["status"], shown["revoked"], shown["reason"]) == ("valid", None, None)
        assert sorted(shown["names"]) == [f"*.{NAME}", NAME]
        assert shown["not_after"] == leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_by_name_it_is_the_newest_one(server: Running, client: Client) -> None:
    newest = f"{issue(client).serial_number:x}"
    for which in (NAME, f"*.{NAME}", f"{NAME.upper()}.", "certified", "*.certified"):
        assert facts(server, which)["serial"] == newest
    assert DOMAIN not in facts(server, "127.0.0.1")["pem"]


def test_the_text_ends_with_the_pem(server: Running, leaf: x509.Certificate) -> None:
    done = certs(server, "show", f"{leaf.serial_number:x}")
    assert done.stdout.startswith("serial:")
    pem = "-----BEGIN" + done.stdout.partition("-----BEGIN")[2]
    assert x509.load_pem_x509_certificate(pem.encode()) == leaf


@pytest.mark.parametrize(("command", "which"), [("show", "abcdef"), ("show", "a%"), ("show", "")])
def test_one_that_is_none_is_one_line(server: Running, command: str, which: str) -> None:
    done = certs(server, command, which)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"zonemint: there is no certificate '{which}'; `zonemint certs list` shows them\n"


def test_revocation_of_a_name_with_several_certificates_wants_to_be_told(server: Running, client: Client) -> None:
    name = f"several.{DOMAIN}"
    assert server.register(name).returncode == 0
    first, second = issue(client, name), issue(client, name)
    serials = {f"{one.serial_number:x}" for one in (first, second)}
    refused = certs(server, "revoke", name)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"{name} has 2 valid certificates: name a serial of " in refused.stderr
    assert all(serial in refused.stderr for serial in serials)
    assert certs(server, "revoke", f"{first.serial_number:x}").returncode == 0
    third = issue(client, name)
    done = certs(server, "revoke", "several", "--all", "--reason", "superseded")
    assert (done.returncode, done.stderr) == (0, "")
    newest_first = [f"revoked {one.serial_number:x} for" for one in (third, second)]
    assert [
        line[: len(head)] for line, head in zip(done.stdout.splitlines(), newest_first, strict=True)
    ] == newest_first
    nothing = certs(server, "revoke", name)
    assert nothing.returncode == 1
    assert nothing.stderr.startswith(f"zonemint: no valid certificate has the serial or the name '{name}'")
    only = issue(client, name)
    assert certs(server, "revoke", name).stdout.startswith(f"revoked {only.serial_number:x} for ")


def test_revocation_by_the_file_takes_the_very_certificate(server: Running, client: Client, tmp_path: Path) -> None:
    name, file = f"filed.{DOMAIN}", tmp_path / "cert.pem"
    assert server.register(name).returncode == 0
    leaf = issue(client, name)
    file.write_bytes(
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(leaf.public_key())
        .serial_number(leaf.serial_number)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
        .public_bytes(Encoding.PEM)
    )
    forged = certs(server, "revoke", str(file))
    assert forged.returncode == 1
    assert "was not issued here" in forged.stderr
    file.write_bytes(leaf.public_bytes(Encoding.PEM))
    assert certs(server, "revoke", str(file)).stdout.startswith(f"revoked {leaf.serial_number:x} for ")
    file.write_text("no certificate")
    wrong = certs(server, "revoke", str(file))
    assert wrong.stderr == f"zonemint: {file}: there is no certificate in PEM in this file\n"


def test_a_key_is_blocked_and_unblocked(server: Running, client: Client, tmp_path: Path) -> None:
    name = f"blocked.{DOMAIN}"
    assert server.register(name).returncode == 0
    leaf = issue(client, name)
    spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256(spki).hexdigest()
    cert, public = tmp_path / "cert.pem", tmp_path / "public.pem"
    cert.write_bytes(leaf.public_bytes(Encoding.PEM))
    public.write_bytes(leaf.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert certs(server, "block-key", str(cert), "--reason", "found on a laptop").stdout == f"blocked {digest}\n"
    for same in (str(public), digest.upper()):
        assert certs(server, "block-key", same).stdout == f"{digest} was blocked already\n"
    (row,) = [row for row in rows(server, "blocked-keys") if row["key"] == digest]
    assert row["reason"] == "found on a laptop"
    prepared = client.prove(name)
    own = x509.load_pem_x509_csr(prepared.order.csr_pem).public_key()
    own_digest = hashlib.sha256(own.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    assert certs(server, "block-key", own_digest, "--reason", "found on a laptop").returncode == 0
    with pytest.raises(messages.Error, match=r"blocked \(found on a laptop\): make a new key"):
        client.finish(prepared)
    assert certs(server, "unblock-key", own_digest).stdout == f"unblocked {own_digest}\n"
    assert client.finish(prepared)
    again = certs(server, "unblock-key", own_digest)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith(f"zonemint: the key {own_digest} is not blocked")
    log = run("audit", "list", "--json", "--data", server.folder).stdout
    assert [entry["event"] for entry in json.loads(log) if entry["subject"] == own_digest] in (
        ["key.unblocked", "key.blocked"],
        ["key.blocked", "key.unblocked"],
    )


def test_what_is_no_key_is_one_line(server: Running, tmp_path: Path) -> None:
    missing = certs(server, "block-key", str(tmp_path / "none"))
    assert "neither a SHA-256 in hexadecimal nor a file" in missing.stderr
    (tmp_path / "text").write_text("hello")
    wrong = certs(server, "block-key", str(tmp_path / "text"))
    assert "no public key, certificate or CSR in PEM" in wrong.stderr
    assert len(missing.stderr.splitlines()) == len(wrong.stderr.splitlines()) == 1


def test_what_expires_soon(server: Running, leaf: x509.Certificate) -> None:
    assert rows(server, "expiring") == []
    soon = rows(server, "expiring", "--within", "91d")
    assert [row["serial"] for row in soon if f"ca.{DOMAIN}" in row["names"]]
    (newest,) = [row for row in soon if f"*.{NAME}" in row["names"]]
    assert newest["serial"] == facts(server, NAME)["serial"]
    wrong = certs(server, "expiring", "--within", "soon")
    assert wrong.returncode == 2
    assert '"90d"' in wrong.stderr


def test_a_running_server_lists_what_another_process_revoked(server: Running, client: Client) -> None:
    leaf = issue(client)
    serial = f"{leaf.serial_number:x}"
    assert listed(server, leaf) is None
    done = certs(server, "revoke", serial.upper(), "--reason", "superseded")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"revoked {serial} for ")
    until(lambda: listed(server, leaf) is not None, "the serial is on the list", seconds=10)
    entry = listed(server, leaf)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.superseded
    shown = facts(server, serial)
    assert (shown["status"], shown["reason"]) == ("revoked", "superseded")
    story = run("orders", "explain", shown["order"], "--data", server.folder).stdout
    assert story.splitlines()[-1].endswith(f"zonemint certs -> ca: revoked the certificate {serial}")


def test_revoked_twice_is_as_the_first_time(server: Running, client: Client) -> None:
    serial = f"{issue(client).serial_number:x}"
    assert certs(server, "revoke", serial).returncode == 0
    before = facts(server, serial)
    again = certs(server, "revoke", serial, "--reason", "keyCompromise")
    assert again.returncode == 0
    assert again.stdout.endswith(f" was revoked already on {before['revoked']}\n")
    assert facts(server, serial) == before
    assert before["reason"] == "unspecified"


def test_a_compromised_key_gets_no_certificate_again(server: Running, client: Client) -> None:
    first, second = client.order(NAME), client.order(NAME)
    for prepared in (first, second):
        client.set_values(prepared)
        client.respond(prepared)
    leaf = x509.load_pem_x509_certificate(client.finish(first).encode())
    assert certs(server, "revoke", f"{leaf.serial_number:x}", "--reason", "keyCompromise").returncode == 0
    again = replace(second, order=second.order.update(csr_pem=first.order.csr_pem))
    with pytest.raises(messages.Error) as refusal:
        client.finish(again)
    assert refusal.value.code == "badCSR"


def test_a_reason_that_is_none_is_wrong_usage(server: Running, leaf: x509.Certificate) -> None:
    done = certs(server, "revoke", f"{leaf.serial_number:x}", "--reason", "boredom")
    assert done.returncode == 2
    assert "keyCompromise" in done.stderr
    assert facts(server, f"{leaf.serial_number:x}")["status"] == "valid"


def test_what_was_revoked_while_no_server_ran_is_on_the_first_list(tmp_path: Path) -> None:
    with running(tmp_path / "data") as first:
        own = x509.load_pem_x509_certificate((first.folder / "pki/server.crt").read_bytes())
    assert certs(first, "revoke", f"{own.serial_number:x}").returncode == 0
    with running(tmp_path / "data", first.ports) as second:
        assert listed(second, own) is not None
        served = second.fetch("/crl")
    with running(tmp_path / "data", first.ports) as third:
        assert third.fetch("/crl") == served
