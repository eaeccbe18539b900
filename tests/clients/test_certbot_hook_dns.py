from __future__ import annotations

import struct

import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.clients.certbot_hook import HookError, cname_in, nameservers, question

NAME = "_acme-challenge.server-1.example.org"
QUERY = question(NAME, 4711)

labels = st.from_regex(r"[a-z0-9_-]{1,20}", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=8).map(".".join)


def response(name: str, *records: tuple[str, str, str]) -> dns.message.Message:
    query = dns.message.from_wire(question(name, 4711))
    message = dns.message.make_response(query)
    message.answer += [dns.rrset.from_text(owner + ".", 60, "IN", kind, data) for owner, kind, data in records]
    return message


@given(name=names, number=st.integers(0, 65535))
def test_the_query_is_what_dnspython_reads(name: str, number: int) -> None:
    message = dns.message.from_wire(question(name, number))
    assert message.id == number
    assert message.question[0].to_text() == f"{name}. IN CNAME"


@given(name=names, target=names, other=names)
def test_the_cname_is_found_behind_other_records(name: str, target: str, other: str) -> None:
    message = response(
        name, (f"x.{name}", "TXT", '"v"'), (f"y.{name}", "CNAME", f"{other}."), (name, "CNAME", target + ".")
    )
    assert cname_in(message.to_wire(), question(name, 4711)) == target


def test_names_are_compared_and_returned_without_their_case() -> None:
    wire = response(NAME.upper(), (NAME.upper(), "CNAME", "TARGET.Example.")).to_wire()
    assert cname_in(wire, QUERY) == "target.example"


@pytest.mark.parametrize(
    "wire",
    [
        response(NAME).to_wire(),
        response(NAME, (NAME, "TXT", '"v"')).to_wire(),
        response(NAME, ("other.example", "CNAME", "target.example.")).to_wire(),
        response(NAME).to_wire()[:3] + b"\x83" + response(NAME).to_wire()[4:],
    ],
    ids=["empty", "another type", "another name", "NXDOMAIN"],
)
def test_there_may_be_none(wire: bytes) -> None:
    assert cname_in(wire, QUERY) is None


def test_an_answer_to_something_else_is_none_at_all() -> None:
    good = response(NAME, (NAME, "CNAME", "target.example.")).to_wire()
    other = response("x" + NAME, (NAME, "CNAME", "target.example.")).to_wire()
    for wire in (b"\0\0" + good[2:], other, QUERY, good[:2] + b"\x01" + good[3:]):
        with pytest.raises(HookError, match="an answer to something else"):
            cname_in(wire, QUERY)


@pytest.mark.parametrize("rcode", [1, 2, 4, 5, 15])
def test_a_failure_is_no_answer(rcode: int) -> None:
    wire = bytearray(response(NAME).to_wire())
    wire[3] |= rcode
    with pytest.raises(HookError, match=f"rcode {rcode}"):
        cname_in(bytes(wire), QUERY)


@pytest.mark.parametrize("pointer", [0, 1, 2, 40], ids=str)
def test_pointers_lead_backwards_only(pointer: int) -> None:
    head = QUERY[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0) + QUERY[12:]
    wire = head + struct.pack("!H", 0xC000 | (len(head) + pointer)) + struct.pack("!2HIH", 5, 1, 0, 2) + b"\xc0\x0c"
    with pytest.raises(HookError, match="a broken answer"):
        cname_in(wire, QUERY)


@given(data=st.binary(max_size=80))
def test_any_bytes_are_an_answer_or_a_hook_error(data: bytes) -> None:
    for wire in (data, QUERY[:2] + b"\x81\x80" + QUERY[4:6] + b"\0\x09\0\0\0\0" + QUERY[12:] + data):
        try:
            found = cname_in(wire, QUERY)
        except HookError:
            continue
        assert found is None or isinstance(found, str)


@given(at=st.integers(0, 80), byte=st.integers(0, 255), cut=st.integers(0, 90))
def test_a_spoilt_answer_is_an_answer_or_a_hook_error(at: int, byte: int, cut: int) -> None:
    wire = bytearray(response(NAME, (NAME, "CNAME", "target.example.")).to_wire())
    wire[at % len(wire)] = byte
    try:
        found = cname_in(bytes(wire[:cut]), QUERY)
    except HookError:
        return
    assert found is None or found.isascii()


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64, ".".join(["x" * 60] * 5)])
def test_what_is_no_name_is_not_asked(name: str) -> None:
    with pytest.raises(HookError, match="is not a domain name"):
        question(name, 1)


def test_the_first_three_nameservers_of_resolv_conf_are_asked() -> None:
    text = "# x\nsearch lab.test\nnameserver 10.0.0.1\n nameserver\tfe80::1%eth0 # y\nnameserver\n;nameserver 1.1.1.1\n"
    assert nameservers(text) == [("10.0.0.1", 53), ("fe80::1%eth0", 53)]
    assert len(nameservers("nameserver 10.0.0.1\n" * 5)) == 3
