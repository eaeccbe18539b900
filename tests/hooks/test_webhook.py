from __future__ import annotations

import base64
import hashlib
import hmac
import ssl

import pytest

from tests.hooks.receiving import receiving
from tests.server import Running
from zonemint.core.errors import ConfigError, Undelivered
from zonemint.hooks.events import Event, encode
from zonemint.hooks.webhook import Webhook, read_secret

EVENT = Event("ab" * 32, "certificate.issued", 1_800_000_000.5, "5e", {"names": ("a.lab.test",), "serial": "5e"})
SOURCE = "https://ca.lab.test"
NOW = 1_800_000_100.0


def webhook(
    url: str, *, secret: bytes | None = None, timeout: float = 10, context: ssl.SSLContext | None = None
) -> Webhook:
    return Webhook(url, source=SOURCE, secret=secret, timeout=timeout, context=context)


async def test_an_event_is_a_signed_cloudevent() -> None:
    async with receiving(200) as one:
        answer = await webhook(f"{one.url}/told?by=zonemint", secret=b"s" * 32).deliver(EVENT, now=NOW)
    assert answer == "200 so so"
    (got,) = one.got
    assert got.path == "/told?by=zonemint"
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.event == {
        "specversion": "1.0",
        "id": EVENT.id,
        "source": SOURCE,
        "type": "zonemint.certificate.issued",
        "time": "2027-01-15T08:00:00Z",
        "subject": "5e",
        "datacontenttype": "application/json",
        "data": {"names": ["a.lab.test"], "serial": "5e"},
    }
    # As a receiver verifies it, by the specification.
    said = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    digest = hmac.new(b"s" * 32, said, hashlib.sha256).digest()
    assert got.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert (got.headers["webhook-id"], got.headers["webhook-timestamp"]) == (EVENT.id, str(int(NOW)))


async def test_without_a_secret_nothing_is_signed() -> None:
    async with receiving() as one:
        assert await webhook(one.url).deliver(EVENT, now=NOW) == "204"
    assert "webhook-signature" not in one.got[0].headers


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (404, True), (410, True), (302, False), (408, False), (429, False), (500, False)],
)
async def test_what_is_refused_is_told_from_what_cannot_be_now(status: int, refused: bool) -> None:
    async with receiving(status) as one:
        with pytest.raises(Undelivered, match=f"{status} so so") as failure:
            await webhook(f"{one.url}/secret").deliver(EVENT, now=NOW)
    assert failure.value.refused is refused
    assert "secret" not in str(failure.value)


async def test_tls_is_verified_and_our_own_certificates_are_trusted(shared: Running) -> None:
    with pytest.raises(Undelivered, match="not trusted") as failure:
        await webhook(f"{shared.url}/roots.pem", context=ssl.create_default_context()).deliver(EVENT, now=NOW)
    assert not failure.value.refused
    with pytest.raises(Undelivered, match="405"):
        await webhook(f"{shared.url}/roots.pem", context=shared.trust()).deliver(EVENT, now=NOW)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("whsec_" + base64.b64encode(b"0" * 24).decode() + "\n", b"0" * 24),
        ("a text that is long enough\n", b"a text that is long enough"),
    ],
)
def test_a_secret_is_read(text: str, secret: bytes) -> None:
    assert read_secret(text) == secret


@pytest.mark.parametrize("text", ["", "short", "whsec_", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!", "whsec_AAAA"])
def test_a_bad_secret_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_secret(text)


def test_the_body_is_the_same_for_the_same_event() -> None:
    assert encode(EVENT, source=SOURCE) == encode(EVENT, source=SOURCE)
