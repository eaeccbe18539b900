"""dns-persist-01 (draft-ietf-acme-dns-persist) against a foreign name server, and any text as its record."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import dns.rcode
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.nameserver import NameServer
from zonemint.app.resolvers import resolver
from zonemint.config import Config, Validation
from zonemint.config.values import Seconds
from zonemint.core.errors import AcmeErrorType
from zonemint.validation import dnspersist01
from zonemint.validation.dnspersist01 import Permission, read
from zonemint.validation.method import Claim
from zonemint.validation.outcome import Outcome

US, ALSO_US = "authority.example", "ca.example.net"
ACCOUNT = "https://ca.example/acct/123"
NOW = 1_800_000_000
LATER, EARLIER = NOW + 60, NOW - 60
RECORD = f"{US}; accounturi={ACCOUNT}"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[NameServer]:
    async with NameServer().running() as server:
        yield server


async def look(server: NameServer, domain: str = "host.corp.test", *, wildcard: bool = False) -> Outcome:
    timeout = Seconds(0.1 if server.silent else 5)
    config = Config("lab.test", validation=Validation(resolver=server.address, attempts=1, timeout=timeout))
    method = dnspersist01.method(
        resolver(config, None, time.time), (US, ALSO_US), lambda name: "corp.test", lambda: float(NOW)
    )
    return await method.check(Claim("dns", domain, wildcard, "", "thumbprint", ACCOUNT), lambda event: None)


def at(domain: str, *records: str) -> list[str]:
    return [f'_validation-persist.{domain} TXT "{record}"' for record in records]


# records at the name, whether the host and whether its wildcard are proved
TABLE: dict[str, tuple[list[str], bool, bool]] = {
    "the draft's example": ([RECORD], True, False),
    "with wildcards": ([f"{RECORD}; policy=wildcard"], True, True),
    "in any letter case": ([f"{US.upper()}; AccountURI={ACCOUNT}; Policy=WildCard"], True, True),
    "without spaces": ([f"{US};accounturi={ACCOUNT};policy=wildcard;persistUntil={LATER}"], True, True),
    "another policy is none": ([f"{RECORD}; policy=other"], True, False),
    "an unknown parameter": ([f"{RECORD}; future=yes"], True, False),
    "another of our names": ([f"{ALSO_US}; accounturi={ACCOUNT}"], True, False),
    "until later": ([f"{RECORD}; persistUntil={LATER}"], True, False),
    "until now": ([f"{RECORD}; persistUntil={NOW}"], True, False),
    "until earlier": ([f"{RECORD}; policy=wildcard; persistUntil={EARLIER}"], False, False),
    "one of several": (["v=spf1 -all", "other.example; accounturi=x", f"{RECORD}; policy=wildcard"], True, True),
    "one that ended and one that lasts": ([f"{RECORD}; persistUntil={EARLIER}", RECORD], True, False),
    "another CA": ([f"other.example; accounturi={ACCOUNT}; policy=wildcard"], False, False),
    "another account": ([f"{US}; accounturi={ACCOUNT}4; policy=wildcard"], False, False),
    "an account in another letter case": ([f"{US}; accounturi={ACCOUNT.upper()}"], False, False),
    "no account": ([f"{US}; policy=wildcard"], False, False),
    "an empty account": ([f"{US}; accounturi="], False, False),
    "no issuer": ([f"; accounturi={ACCOUNT}"], False, False),
    "an end that is no number": ([f"{RECORD}; persistUntil=tomorrow"], False, False),
    "an end below zero": ([f"{RECORD}; persistUntil=-1"], False, False),
    "a parameter twice": ([f"{RECORD}; accounturi={ACCOUNT}"], False, False),
    "an end twice": ([f"{RECORD}; persistUntil={LATER}; persistUntil={LATER}"], False, False),
    "a semicolon too many": ([f"{RECORD};"], False, False),
    "nothing": ([], False, False),
}


@pytest.mark.parametrize(("records", "host", "wildcard"), TABLE.values(), ids=TABLE)
async def test_records_prove_or_not(server: NameServer, records: list[str], host: bool, wildcard: bool) -> None:
    server.lines = at("host.corp.test", *records)
    for asked, holds in ((False, host), (True, wildcard)):
        outcome = await look(server, wildcard=asked)
        assert (outcome.error is None) is holds, outcome.detail
        assert outcome.names[0] == "_validation-persist.host.corp.test"


async def test_a_policy_above_covers_what_lies_below_up_to_the_domain(server: NameServer) -> None:
    server.lines = at("corp.test", f"{RECORD}; policy=wildcard")
    assert (await look(server, "a.b.corp.test")).error is None
    assert (await look(server, "a.b.corp.test", wildcard=True)).error is None
    assert (await look(server, "corp.test")).error is None
    server.lines = at("corp.test", RECORD)
    assert (await look(server, "a.corp.test")).error is AcmeErrorType.UNAUTHORIZED
    server.lines = at("test", f"{RECORD}; policy=wildcard")
    server.asked.clear()
    assert (await look(server, "a.corp.test")).error is not None
    assert server.asked == ["_validation-persist.a.corp.test TXT", "_validation-persist.corp.test TXT"]


async def test_an_alias_may_lead_to_the_record(server: NameServer) -> None:
    server.lines = ["_validation-persist.host.corp.test CNAME permissions.other.", f'permissions.other TXT "{RECORD}"']
    assert (await look(server)).error is None


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (f"{RECORD}; persistUntil={EARLIER}", "which ended at 2027-01-15T07:59:00Z (persistUntil)"),
        (f"other.example; accounturi={ACCOUNT}", "which is for other.example"),
        (f"{US}; accounturi=https://ca.example/acct/9", "which is for another account"),
        (f"{RECORD}; persistUntil=x", "which has persistUntil=x, which is no number of seconds"),
        (f"{RECORD}; accounturi=x", "which has accounturi twice"),
        ("v=spf1 -all", "which is no issue-value of RFC 8659"),
        (US, "which has no accounturi"),
    ],
)
async def test_what_is_wrong_is_said_beside_what_was_expected(server: NameServer, record: str, says: str) -> None:
    server.lines = at("host.corp.test", record)
    outcome = await look(server)
    assert outcome.error is AcmeErrorType.UNAUTHORIZED
    for part in (f"TXT _validation-persist.host.corp.test, asked of {server.address}: saw", says, f"'{RECORD}'"):
        assert part in outcome.detail


async def test_a_wildcard_is_told_the_policy_that_it_needs(server: NameServer) -> None:
    server.lines = at("host.corp.test", RECORD)
    detail = (await look(server, wildcard=True)).detail
    assert "which has no policy=wildcard" in detail
    assert f"expected '{RECORD}; policy=wildcard'" in detail


@pytest.mark.parametrize("fault", ["silent", "SERVFAIL"])
async def test_a_server_that_fails_is_named(server: NameServer, fault: str) -> None:
    server.silent = fault == "silent"
    server.rcode = None if server.silent else dns.rcode.SERVFAIL
    outcome = await look(server)
    assert (outcome.error, outcome.again) == (AcmeErrorType.DNS, True)
    assert server.address in outcome.detail


accounts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=";"), min_size=1)


@given(account=accounts, wildcard=st.booleans(), until=st.none() | st.integers(0, 10**15 - 1))
def test_what_is_written_is_read(account: str, wildcard: bool, until: int | None) -> None:
    text = f"{US}; accounturi={account}" + ("; policy=wildcard" if wildcard else "")
    text += "" if until is None else f"; persistUntil={until}"
    assert read(text) == Permission(US, account, wildcard, until)


@given(text=st.text(max_size=80) | st.text("a.;= \tpersistUntilaccounturi0", max_size=60))
def test_any_text_is_a_permission_or_said_to_be_none(text: str) -> None:
    found = read(text)
    assert isinstance(found, Permission) or found
