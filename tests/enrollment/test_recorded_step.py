"""A token that step 0.28 made, and its requests as it wrote them: its clients are not to be had from Debian."""

from __future__ import annotations

import http.client
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tests.server import Running
from zonemint.acme import keys
from zonemint.core.errors import EnrollmentError
from zonemint.enrollment import token

# `step ca token host.zufar.io --san host.zufar.io --san 10.0.0.7`, by a provisioner that `step ca init` made
TOKEN = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6Iml6X3M5dGdZdmdaRi1WTmlxVnIyYkl3cnFLbURMdVJuZ3ZYM1ZEMjcyNUUiLCJ0eXAiOiJKV1QifQ."
    "eyJhdWQiOiJodHRwczovL2NhLnp1ZmFyLmlvL3NpZ24iLCJleHAiOjE3OTU1ODA5ODgsImlhdCI6MTc5NTU4MDY4OCwiaXNzIjoiYWRtaW5A"
    "enVmYXIuaW8iLCJqdGkiOiI3OTA0NGZlZGY1NWYwZjkyZTRiY2Q2MzcyMjRjMDRmY2I3OTIyYjJhNWJmNzllNjg4MWYzMzY4MTVmMWZmOTYy"
    "IiwibmJmIjoxNzk1NTgwNjg4LCJzYW5zIjpbImhvc3QuenVmYXIuaW8iLCIxMC4wLjAuNyJdLCJzaGEiOiI3YTFjNTNiMDUxYWNiZmZkZjA2"
    "MTMwMDdjZjQxNmFkOGNjMzZiNzIyMjczZDEwOTgyMmNlYTZmN2Y1MmQ1ZmUwIiwic3ViIjoiaG9zdC56dWZhci5pbyJ9."
    "nfqkLz4f-7g0ckVQlcH0yaFf5oOJW2oajYCdv3QVIWDjuohqv52wtto4FU3UMqqaaHHlUZCf6tQYoQnm1dP4rA"
)
PROVISIONER = {
    "use": "sig",
    "kty": "EC",
    "kid": "iz_s9tgYvgZF-VNiqVr2bIwrqKmDLuRngvX3VD2725E",
    "crv": "P-256",
    "alg": "ES256",
    "x": "iMwimf-Wl-oYurF0BNacygVK3Ihx5rae6nqtAVP65a0",
    "y": "Bh88RoFp5ATgl4vvCNzcSoVu4hZuv9nxzy3-0B6fh6U",
}
ROOT = "7a1c53b051acbffdf0613007cf416ad8cc36b722273d109822cea6f7f52d5fe0"
MADE_AT = 1795580688.0


def read(now: float, host: str = "ca.zufar.io") -> token.Claims:
    jwk = keys.canonical(PROVISIONER)
    parsed = token.parse(TOKEN)
    assert parsed.kid == jwk.thumbprint == PROVISIONER["kid"]
    return token.read(parsed, jwk.text, "admin@zufar.io", host=host, roots=frozenset({ROOT}), now=now)


def test_its_token_is_read() -> None:
    claims = read(MADE_AT + 10)
    assert (claims.names, claims.ips) == (("host.zufar.io",), ("10.0.0.7",))


def test_its_token_ends_after_five_minutes() -> None:
    with pytest.raises(EnrollmentError, match="its time is over"):
        read(MADE_AT + 361)


def test_its_token_is_for_one_server() -> None:
    with pytest.raises(EnrollmentError, match="not for"):
        read(MADE_AT + 10, host="ca.lab.test")


def test_its_bootstrap_reads_a_root_in_json(shared: Running) -> None:
    fingerprint = x509.load_pem_x509_certificate(shared.root.read_bytes()).fingerprint(SHA256()).hex()
    connection = http.client.HTTPSConnection("localhost", shared.ports.https, timeout=30, context=shared.trust())
    connection.putrequest("GET", f"/root/{fingerprint}", skip_accept_encoding=True)
    for name, value in (
        ("User-Agent", "Smallstep CLI/0.28.7 (linux/amd64)"),
        ("X-Request-Id", "47802ee2-69d8-4575-8417-ccee3fa56481"),
        ("Accept-Encoding", "gzip"),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    assert json.loads(connection.getresponse().read())["ca"].encode() == shared.root.read_bytes()
    connection.close()
