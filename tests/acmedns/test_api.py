"""The acme-dns API as its clients know it: raw bytes in, exact bytes out."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from tests.web.lab import Clock, Lab, running, settings
from tests.web.wire import Reply
from zonemint.config import AcmeDns, Config
from zonemint.config.values import Seconds

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORBIDDEN = b'{"error": "forbidden"}'
MALFORMED = b'{"error": "malformed_json_payload"}'
BAD_CIDR = b'{"error": "invalid_allowfrom_cidr"}'
BAD_TXT = b'{"error": "bad_txt"}'
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

Account = dict[str, Any]


def value(number: int = 0) -> str:
    return f"{number:043}"


async def register(lab: Lab, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    return await lab.send("POST", "/register", headers, body)


async def update(
    lab: Lab, account: Account, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """Update with the account's own credentials and name, unless a test says otherwise."""
    sent = {"X-Api-User": account["username"], "X-Api-Key": account["password"], **(headers or {})}
    told = json.dumps({"subdomain": account["subdomain"], "txt": value()}).encode() if body is None else body
    return await lab.send("POST", "/update", sent, told)


async def put(lab: Lab, account: Account, txt: str) -> None:
    reply = await update(lab, account, json.dumps({"subdomain": account["subdomain"], "txt": txt}).encode())
    assert reply.status == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def account(lab: Lab) -> Account:
    found: Account = (await register(lab)).json()
    return found


# POST /register


@pytest.mark.parametrize(
    "body", [b"", b"null", b"null\n", b"{}", b'{"allowfrom":[]}', b'{"allowfrom":null}', b'{"x":1}']
)
async def test_a_registration_is_one_compact_line_in_the_order_of_acme_dns(lab: Lab, body: bytes) -> None:
    reply = await register(lab, body, {"Content-Type": "text/plain"})
    assert reply.status == 201
    assert reply.header("Content-Type") == "application/json"
    found = re.fullmatch(
        rf'{{"username":"({UUID})","password":"[A-Za-z0-9_-]{{40}}",'
        rf'"fulldomain":"({UUID})\.auth\.lab\.test","subdomain":"({UUID})","allowfrom":\[\]}}',
        reply.body.decode(),
    )
    assert found is not None, reply.body
    assert found[2] == found[3]
    assert found[1] != found[2]


ALLOW_FROM: dict[str, tuple[str, list[str]]] = {
    "IPv4": ('["192.168.100.0/24"]', ["192.168.100.0/24"]),
    "several": ('["10.0.0.0/8","1.2.3.4/32"]', ["10.0.0.0/8", "1.2.3.4/32"]),
    "IPv6": ('["2001:db8::/32"]', ["2001:db8::/32"]),
    "IPv6 in brackets": ('["[2001:db8::]/32"]', ["2001:db8::/32"]),
    "host bits": ('["10.1.2.3/8"]', ["10.1.2.3/8"]),
}


@pytest.mark.parametrize(("networks", "told"), ALLOW_FROM.values(), ids=ALLOW_FROM)
async def test_allowfrom_is_repeated(lab: Lab, networks: str, told: list[str]) -> None:
    reply = await register(lab, f'{{"AllowFrom":{networks}}}'.encode())
    assert (reply.status, reply.json()["allowfrom"]) == (201, told)


REFUSED: dict[str, tuple[bytes, bytes]] = {
    "no JSON": (b"{", MALFORMED),
    "no UTF-8": (b'{"allowfrom":["\xff"]}', MALFORMED),
    "a list": (b"[]", MALFORMED),
    "a text": (b'"x"', MALFORMED),
    "nested beyond reason": (b'{"a":' * 2000, MALFORMED),
    "allowfrom a text": (b'{"allowfrom":"10.0.0.0/8"}', MALFORMED),
    "allowfrom an empty text": (b'{"allowfrom":""}', MALFORMED),
    "allowfrom false": (b'{"allowfrom":false}', MALFORMED),
    "allowfrom zero": (b'{"allowfrom":0}', MALFORMED),
    "allowfrom an object": (b'{"allowfrom":{}}', MALFORMED),
    "allowfrom of numbers": (b'{"allowfrom":[1]}', MALFORMED),
    "a bare address": (b'{"allowfrom":["10.0.0.1"]}', BAD_CIDR),
    "no address": (b'{"allowfrom":["lab/8"]}', BAD_CIDR),
    "a prefix too long": (b'{"allowfrom":["10.0.0.0/33"]}', BAD_CIDR),
    "an empty network": (b'{"allowfrom":[""]}', BAD_CIDR),
    "the second of two": (b'{"allowfrom":["10.0.0.0/8","x"]}', BAD_CIDR),
}


@pytest.mark.parametrize(("body", "told"), REFUSED.values(), ids=REFUSED)
async def test_a_registration_that_is_refused(lab: Lab, body: bytes, told: bytes) -> None:
    before = lab.rows("SELECT count(*) FROM txt_accounts")
    reply = await register(lab, body)
    assert (reply.status, reply.body) == (400, told)
    assert reply.header("Content-Type") == "application/json"
    assert lab.rows("SELECT count(*) FROM txt_accounts") == before


# POST /update


async def test_an_update_is_repeated_with_a_space_and_seen_by_the_very_next_query(lab: Lab, account: Account) -> None:
    for number in range(20):
        body = json.dumps({"subdomain": account["subdomain"], "txt": value(number)}).encode()
        reply = await update(lab, account, body)
        assert (reply.status, reply.body) == (200, b'{"txt": "%s"}' % value(number).encode())
        assert reply.header("Content-Type") == "application/json"
        assert (await lab.texts(account["fulldomain"]))[0] == value(number)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it was told": str,
    "upper case": str.upper,
    "in braces": lambda user: f"{{{user}}}",
    "as a URN": lambda user: f"urn:uuid:{user}",
    "without dashes": lambda user: user.replace("-", ""),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
async def test_every_spelling_of_the_user_is_known(lab: Lab, account: Account, spell: Callable[[str], str]) -> None:
    reply = await update(lab, account, headers={"X-Api-User": spell(account["username"])})
    assert reply.status == 200


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
async def test_header_names_have_any_case(lab: Lab, account: Account, case: Callable[[str], str]) -> None:
    headers = {case("x-api-user"): account["username"], case("x-api-key"): account["password"]}
    body = json.dumps({"subdomain": account["subdomain"], "txt": value()}).encode()
    assert (await lab.send("POST", "/update", headers, body)).status == 200


@pytest.mark.parametrize("keys", [("subdomain", "txt"), ("SubDomain", "Txt"), ("SUBDOMAIN", "TXT")])
async def test_json_keys_have_any_case_and_unknown_ones_are_ignored(
    lab: Lab, account: Account, keys: tuple[str, str]
) -> None:
    body = json.dumps({"extra": [1], keys[0]: account["subdomain"], keys[1]: value(7)}).encode()
    assert (await update(lab, account, body, {"Content-Type": "text/html"})).body == b'{"txt": "%s"}' % value(
        7
    ).encode()


def _body(**members: object) -> Callable[[Account], tuple[dict[str, str], bytes]]:
    return lambda account: ({}, json.dumps({"subdomain": account["subdomain"], "txt": value(), **members}).encode())


def _header(name: str, change: Callable[[Account], str], body: bytes | None = None) -> Callable[..., Any]:
    def make(account: Account) -> tuple[dict[str, str], bytes]:
        good = json.dumps({"subdomain": account["subdomain"], "txt": value()}).encode()
        return {name: change(account)}, good if body is None else body

    return make


UPDATES: dict[str, tuple[Callable[[Account], tuple[dict[str, str], bytes]], int, bytes]] = {
    "unknown user": (_header("X-Api-User", lambda _: str(uuid.uuid4())), 401, FORBIDDEN),
    "no user": (_header("X-Api-User", lambda _: ""), 401, FORBIDDEN),
    "user that is no UUID": (_header("X-Api-User", lambda _: "admin"), 401, FORBIDDEN),
    "user of foreign letters": (_header("X-Api-User", lambda _: "\xb2" * 32), 401, FORBIDDEN),
    "wrong key": (_header("X-Api-Key", lambda _: "A" * 40), 401, FORBIDDEN),
    "no key": (_header("X-Api-Key", lambda _: ""), 401, FORBIDDEN),
    "key cut short": (_header("X-Api-Key", lambda account: account["password"][:-1]), 401, FORBIDDEN),
    "key with more": (_header("X-Api-Key", lambda account: account["password"] + "A"), 401, FORBIDDEN),
    "credentials come before JSON": (_header("X-Api-Key", lambda _: "A" * 40, b"{"), 401, FORBIDDEN),
    "credentials come before the value": (_header("X-Api-Key", lambda _: "A" * 40, b'{"txt":"x"}'), 401, FORBIDDEN),
    "no JSON": (lambda _: ({}, b"{"), 401, FORBIDDEN),
    "no body": (lambda _: ({}, b""), 401, FORBIDDEN),
    "null": (lambda _: ({}, b"null"), 401, FORBIDDEN),
    "a list": (lambda _: ({}, b"[]"), 401, FORBIDDEN),
    "nested beyond reason": (lambda _: ({}, b'{"a":' * 2000), 401, FORBIDDEN),
    "another name": (_body(subdomain=str(uuid.uuid4())), 401, FORBIDDEN),
    "the whole name": (lambda account: _body(subdomain=account["fulldomain"])(account), 401, FORBIDDEN),
    "no name": (_body(subdomain=None), 401, FORBIDDEN),
    "the name comes before the value": (_body(subdomain="x", txt="x"), 401, FORBIDDEN),
    "a value of 42": (_body(txt="a" * 42), 400, BAD_TXT),
    "a value of 44": (_body(txt="a" * 44), 400, BAD_TXT),
    "a value with padding": (_body(txt="a" * 42 + "="), 400, BAD_TXT),
    "a value of plain base64": (_body(txt="a" * 42 + "+"), 400, BAD_TXT),
    "a value with a line break": (_body(txt="a" * 43 + "\n"), 400, BAD_TXT),
    "an empty value": (_body(txt=""), 400, BAD_TXT),
    "no value": (_body(txt=None), 400, BAD_TXT),
    "a value that is a number": (_body(txt=7), 400, BAD_TXT),
}


@pytest.mark.parametrize(("make", "status", "told"), UPDATES.values(), ids=UPDATES)
async def test_an_update_that_is_refused(
    lab: Lab, account: Account, make: Callable[[Account], tuple[dict[str, str], bytes]], status: int, told: bytes
) -> None:
    before = await lab.texts(account["fulldomain"])
    headers, body = make(account)
    reply = await update(lab, account, body, headers)
    assert (reply.status, reply.body) == (status, told)
    assert await lab.texts(account["fulldomain"]) == before


async def test_one_account_cannot_set_anothers_value(lab: Lab, account: Account) -> None:
    other = (await register(lab)).json()
    body = json.dumps({"subdomain": account["subdomain"], "txt": value(99)}).encode()
    assert (await update(lab, other, body)).body == FORBIDDEN


async def test_values_are_kept_once_each_the_newest_first_up_to_the_cap(lab: Lab) -> None:
    account = (await register(lab)).json()
    await put(lab, account, value(1))
    await put(lab, account, value(2))
    await put(lab, account, value(2))
    assert sorted(await lab.texts(account["fulldomain"])) == [value(1), value(2)]
    await put(lab, account, value(1))
    assert await lab.texts(account["fulldomain"]) == [value(1), value(2)]
    for number in range(3, 12):
        await put(lab, account, value(number))
    assert await lab.texts(account["fulldomain"]) == [value(n) for n in (11, 10, 9, 8, 7, 6, 5, 4, 3, 1)]


async def test_an_account_without_a_value_exists_and_other_names_do_not(lab: Lab) -> None:
    account = (await register(lab)).json()
    empty, missing = await lab.ask(account["fulldomain"], "TXT"), await lab.ask(f"{uuid.uuid4()}.auth.lab.test", "TXT")
    assert (empty.rcode().name, len(empty.answer), len(empty.authority)) == ("NOERROR", 0, 1)
    assert (missing.rcode().name, len(missing.answer), len(missing.authority)) == ("NXDOMAIN", 0, 1)


# HTTP around it


async def test_health_is_200_and_empty(lab: Lab) -> None:
    for method in ("GET", "HEAD"):
        assert (await lab.send(method, "/health"))[::2] == (200, b"")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/register"), ("GET", "/update"), ("PUT", "/update"), ("POST", "/health")]
)
async def test_a_wrong_method_is_405(lab: Lab, method: str, path: str) -> None:
    assert (await lab.send(method, path)).status == 405


@pytest.mark.parametrize("path", ["/register", "/update"])
async def test_a_body_beyond_the_bound_is_413(lab: Lab, path: str) -> None:
    assert (await lab.send("POST", path, body=b" " * 16385)).status == 413


# Who may: servers with other settings


def with_api(**changes: Any) -> Config:
    return replace(settings(), acmedns=AcmeDns(**changes))


FAR = "203.0.113.7"  # RFC 5737: nobody's
SOURCES: dict[str, tuple[tuple[str, ...], str, bool]] = {
    "no proxy": ((), "", True),
    "a forged header without a proxy": ((), FAR, True),
    "a forged private address without a proxy": ((), "10.0.0.1", True),
    "a client from far through the proxy": (("127.0.0.0/8",), FAR, False),
    "a near client through the proxy": (("127.0.0.0/8",), "10.0.0.1", True),
    "a client from far that forged a near one": (("127.0.0.0/8",), f"10.0.0.1, {FAR}", False),
    "two proxies": (("127.0.0.0/8", "198.51.100.1/32"), f"{FAR}, 10.0.0.1, 198.51.100.1", True),
    "a header that is no address": (("127.0.0.0/8",), "unknown", False),
    "another proxy is trusted, not this one": (("198.51.100.1/32",), FAR, True),
    "IPv4 in IPv6": (("127.0.0.0/8",), "::ffff:10.0.0.1", True),
    "far IPv6": (("127.0.0.0/8",), "2001:db8::1", False),
}


@pytest.mark.asyncio(loop_scope="function")
async def test_only_private_addresses_register_and_only_trusted_proxies_tell_them(tmp_path: Path) -> None:
    for number, proxies in enumerate({proxies for proxies, _, _ in SOURCES.values()}):
        async with running(tmp_path / str(number), with_api(trusted_proxies=proxies)) as lab:
            for case, (trusted, forwarded, allowed) in SOURCES.items():
                if trusted == proxies:
                    reply = await register(lab, headers={"X-Forwarded-For": forwarded} if forwarded else {})
                    assert (reply.status, reply.body == FORBIDDEN) == ((201, False) if allowed else (403, True)), case


@pytest.mark.asyncio(loop_scope="function")
async def test_allowfrom_holds_for_the_address_that_a_trusted_proxy_tells(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api(trusted_proxies=("127.0.0.1/32",))) as lab:
        account = (await register(lab, b'{"allowfrom":["10.1.0.0/16","[2001:db8::]/32"]}')).json()
        for source, status in {
            "10.1.2.3": 200, "2001:db8::5": 200, "::ffff:10.1.2.3": 200,
            "10.2.2.3": 401, "2001:db9::5": 401, "10.1.2.3, 10.2.2.3": 401, "nonsense": 401,
        }.items():  # fmt: skip
            reply = await update(lab, account, headers={"X-Forwarded-For": source})
            assert reply.status == status, source
        # The address is looked at before the JSON and the value.
        refused = await update(lab, account, b'{"txt":"x"}', {"X-Forwarded-For": "10.2.2.3"})
        assert (refused.status, refused.body) == (401, FORBIDDEN)


@pytest.mark.asyncio(loop_scope="function")
async def test_closed_registration_has_no_url_and_open_takes_everyone(tmp_path: Path) -> None:
    async with running(tmp_path / "closed", with_api(registration="closed")) as lab:
        assert (await register(lab)).status == 404
        assert (await lab.send("GET", "/health")).status == 200
    async with running(tmp_path / "open", with_api(registration="open", trusted_proxies=("127.0.0.1/32",))) as lab:
        assert (await register(lab, headers={"X-Forwarded-For": FAR})).status == 201


@pytest.mark.asyncio(loop_scope="function")
async def test_two_slots_can_be_asked_for_and_values_expire(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path / "data", with_api(values=2, value_lifetime=Seconds(60)), clock=clock) as lab:
        account = (await register(lab)).json()
        for number in (1, 2, 2, 3):
            await put(lab, account, value(number))
        assert await lab.texts(account["fulldomain"]) == [value(3), value(2)]
        clock.offset = -3600  # a clock that steps back does not make the newest value the oldest
        await put(lab, account, value(4))
        clock.offset = 0
        assert lab.rows("SELECT value FROM txt_values ORDER BY sequence DESC") == [(value(4),), (value(3),)]
        clock.offset = 61
        assert await lab.texts(account["fulldomain"]) == []
        assert (await lab.ask(account["fulldomain"], "TXT")).rcode().name == "NOERROR"


async def test_the_password_is_not_on_disk(lab: Lab, account: Account) -> None:
    stored = str(lab.rows("SELECT * FROM txt_accounts"))
    assert account["username"] in stored
    assert account["password"] not in stored
    for file in lab.data.path.glob("zonemint.db*"):
        assert account["password"].encode() not in file.read_bytes()
