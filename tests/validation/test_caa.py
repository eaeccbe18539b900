"""CAA by the examples of RFC 8659 and RFC 8657, and the climb over the answers of a real name server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

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
from zonemint.core.trace import Event
from zonemint.validation.caa import Applicant, Caa, Scope, refusal
from zonemint.validation.outcome import Outcome

US = "ca1.example.net"
OTHER = "ca2.example.org"
ACCOUNT = "https://example.net/account/1234"
WE = Applicant(ACCOUNT, "dns-01")

# records, whether a host and whether a wildcard may be issued
TABLE: dict[str, tuple[list[str], bool, bool]] = {
    # RFC 8659 section 4.2
    "one CA": ([f"0 issue {US}"], True, True),
    "another CA": ([f"0 issue {OTHER}"], False, False),
    "two CAs": ([f"0 issue {OTHER}", f"0 issue {US}"], True, True),
    "nobody": (["0 issue ;"], False, False),
    "nobody, as nothing": (["0 issue "], False, False),
    "nobody and us": (["0 issue ;", f"0 issue {US}"], True, True),
    "malformed": (["0 issue %%%%%"], False, False),
    "malformed and us": (["0 issue %%%%%", f"0 issue {US}"], True, True),
    "only unrelated properties": (["0 iodef mailto:security@example.com"], True, True),
    "a parameter of our own": ([f"0 issue {US}; account=230123"], True, True),
    "letter case": ([f"0 ISSUE {US.upper()}"], True, True),
    # section 4.3
    "no wildcards": ([f"0 issue {US}", "0 issuewild ;"], True, False),
    "wildcards by us only": ([f"0 issue {OTHER}", f"0 issuewild {US}"], False, True),
    "wildcards by the other only": ([f"0 issue {US}", f"0 issuewild {OTHER}"], True, False),
    "a word on wildcards alone": ([f"0 issuewild {OTHER}"], True, False),
    # section 4.1 and 4.4
    "critical and unknown": ([f"0 issue {US}", "128 tbs Unknown"], False, False),
    "unknown, not critical": ([f"0 issue {US}", "0 tbs Unknown"], True, True),
    "another flag": ([f"0 issue {US}", "1 tbs Unknown"], True, True),
    "critical and known": ([f"128 issue {US}", "128 iodef mailto:a@example.com"], True, True),
    "about mail": ([f"128 issuemail {OTHER}"], True, True),
    # RFC 8657
    "our account": ([f"0 issue {US}; accounturi={ACCOUNT}"], True, True),
    "another account": ([f"0 issue {US}; accounturi={ACCOUNT}5"], False, False),
    "either account": ([f"0 issue {US}; accounturi=x", f"0 issue {US}; accounturi={ACCOUNT}"], True, True),
    "the account twice": ([f"0 issue {US}; accounturi={ACCOUNT}; accounturi={ACCOUNT}"], False, False),
    "the account of another CA": ([f"0 issue {OTHER}; accounturi={ACCOUNT}"], False, False),
    "our challenge": ([f"0 issue {US}; validationmethods=dns-01"], True, True),
    "one of the challenges": ([f"0 issue {US}; validationmethods=http-01,dns-01"], True, True),
    "another challenge": ([f"0 issue {US}; validationmethods=http-01"], False, False),
    "no challenge": ([f"0 issue {US}; validationmethods="], False, False),
    "no list of challenges": ([f"0 issue {US}; validationmethods=dns-01,"], False, False),
    "challenges twice": ([f"0 issue {US}; validationmethods=dns-01; validationmethods=dns-01"], False, False),
    "both": ([f"0 issue {US}; accounturi={ACCOUNT}; validationmethods=dns-01"], True, True),
    "both, one of them not": ([f"0 issue {US}; accounturi={ACCOUNT}; validationmethods=http-01"], False, False),
    "the challenge of another CA's own": ([f"0 issue {US}; validationmethods=ca-dns-01"], False, False),
}


@pytest.mark.parametrize(("records", "host", "wildcard"), TABLE.values(), ids=TABLE)
def test_a_record_set_permits_or_says_why_not(records: list[str], host: bool, wildcard: bool) -> None:
    assert (refusal(records, (US,), WE, wildcard=False) == "") is host
    assert (refusal(records, (US,), WE, wildcard=True) == "") is wildcard


def test_each_of_several_names_means_us() -> None:
    assert refusal([f"0 issue {OTHER}"], (US, OTHER), WE, wildcard=False) == ""


@given(
    records=st.lists(st.tuples(st.integers(0, 255), st.sampled_from(["issue", "issuewild", "x"]), st.text(max_size=30)))
)
def test_any_values_are_judged(records: list[tuple[int, str, str]]) -> None:
    texts = [f"{flags} {tag} {value}" for flags, tag, value in records]
    why = refusal(texts, (US,), WE, wildcard=False)
    assert why or all(tag != "issue" for _, tag, _ in records) or any(US in value.lower() for _, _, value in records)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[NameServer]:
    async with NameServer().running() as server:
        yield server


async def look(
    server: NameServer, name: str, told: list[Event] | None = None, zones: Mapping[str, Scope] | None = None
) -> Outcome:
    config = Config("lab.test", validation=Validation(resolver=server.address, timeout=Seconds(0.2)))
    resolve = resolver(config, None, time.time)
    events = [] if told is None else told
    return await Caa(resolve, (US,), zones or {}).check(name, WE, events.append)


async def test_the_tree_is_climbed_and_each_question_told(server: NameServer) -> None:
    told: list[Event] = []
    server.lines = ["c.test A 192.0.2.1"]
    assert (await look(server, "a.b.c.test", told)).error is None
    assert server.asked == ["a.b.c.test CAA", "b.c.test CAA", "c.test CAA", "test CAA"]
    assert [event.data["name"] for event in told] == ["a.b.c.test", "b.c.test", "c.test", "test"]
    assert {(event.peer, event.data["type"]) for event in told} == {(server.address, "CAA")}


async def test_the_closest_set_wins(server: NameServer) -> None:
    server.lines = [f'b.c.test CAA 0 issue "{US}"', 'c.test CAA 0 issue ";"']
    assert (await look(server, "a.b.c.test")).error is None
    assert server.asked[-1] == "b.c.test CAA"
    assert (await look(server, "c.test")).error is AcmeErrorType.CAA


async def test_a_wildcard_asks_for_its_domain(server: NameServer) -> None:
    server.lines = [f'c.test CAA 0 issue "{US}"', 'c.test CAA 0 issuewild ";"']
    assert (await look(server, "*.c.test")).error is AcmeErrorType.CAA
    assert server.asked == ["c.test CAA"]
    assert (await look(server, "c.test")).error is None


async def test_aliases_are_followed_and_the_climb_goes_on_from_the_name(server: NameServer) -> None:
    server.lines = ["a.c.test CNAME host.other.test.", "host.other.test A 192.0.2.1", f'c.test CAA 0 issue "{US}"']
    server.lines += ['other.test CAA 0 issue ";"']
    assert (await look(server, "a.c.test")).error is None
    assert server.asked == ["a.c.test CAA", "host.other.test CAA", "c.test CAA"]


async def test_what_an_alias_leads_to_counts(server: NameServer) -> None:
    server.lines = ["a.c.test CNAME host.other.test.", 'host.other.test CAA 0 issue ";"', f'c.test CAA 0 issue "{US}"']
    outcome = await look(server, "a.c.test")
    assert outcome.error is AcmeErrorType.CAA
    assert "CAA a.c.test, a CNAME to host.other.test, asked of" in outcome.detail


async def test_a_refusal_says_what_was_seen_where_and_what_to_do(server: NameServer) -> None:
    server.lines = [f'c.test CAA 0 issue "{OTHER}"']
    outcome = await look(server, "a.c.test")
    assert (outcome.error, outcome.again) == (AcmeErrorType.CAA, False)
    assert outcome.detail == (
        f"CAA c.test, asked of {server.address}: saw 0 issue {OTHER}; no issue is for {US}; "
        f'add CAA 0 issue "{US}", or remove the others (asked for a.c.test)'
    )


@pytest.mark.parametrize("fault", ["silent", "SERVFAIL", "REFUSED"])
async def test_a_server_that_fails_refuses_and_may_be_asked_again(server: NameServer, fault: str) -> None:
    if fault == "silent":
        server.silent = True
    else:
        server.rcode = dns.rcode.from_text(fault)
    told: list[Event] = []
    outcome = await look(server, "a.c.test", told)
    assert (outcome.error, outcome.again) == (AcmeErrorType.CAA, True)
    assert server.address in outcome.detail
    assert len(told) == 1
    assert ("no answer" if fault == "silent" else fault) in outcome.detail


async def test_a_loop_of_aliases_refuses(server: NameServer) -> None:
    server.lines = ["a.c.test CNAME b.c.test.", "b.c.test CNAME a.c.test."]
    outcome = await look(server, "a.c.test")
    assert outcome.error is AcmeErrorType.CAA
    assert "more than 8 CNAMEs" in outcome.detail


async def test_a_zone_may_be_left_out_or_be_where_the_climb_ends(server: NameServer) -> None:
    server.lines = ['test CAA 0 issue ";"', 'off.c.test CAA 0 issue ";"']
    scopes = {"c.test": Scope.ZONE, "off.c.test": Scope.OFF, "tree.c.test": Scope.TREE}
    assert (await look(server, "a.c.test", zones=scopes)).error is None
    assert server.asked == ["a.c.test CAA", "c.test CAA"]
    assert (await look(server, "off.c.test", zones=scopes)).error is None
    assert len(server.asked) == 2
    assert (await look(server, "tree.c.test", zones=scopes)).error is AcmeErrorType.CAA
    assert (await look(server, "elsewhere.test", zones=scopes)).error is AcmeErrorType.CAA
