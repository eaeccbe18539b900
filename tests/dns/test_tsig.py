"""TSIG (RFC 8945), with dnspython as the other side."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.core.errors import ForeignDataError
from zonemint.dns import tsig, wire

NOW = 1_800_000_000
SECRET = bytes(range(32))
WITHOUT_CUT = [name for name in tsig.ALGORITHMS if name.count("-") == 1]


def key(algorithm: str = "hmac-sha256", name: str = "host.key", secret: bytes = SECRET) -> tsig.Key:
    return tsig.Key(wire.name_from_text(name), algorithm, secret)


def theirs(one: tsig.Key) -> dns.tsig.Key:
    return dns.tsig.Key(wire.name_to_text(one.name), one.secret, tsig.ALGORITHMS[one.algorithm][0])


def signed_by_dnspython(one: tsig.Key, *, at: int = NOW, fudge: int = 300) -> tuple[bytes, dns.message.Message]:
    query = dns.update.UpdateMessage("lab.test")
    query.add("www", 300, "A", "192.0.2.1")
    query.use_tsig(theirs(one), fudge=fudge)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: at)
        return query.to_wire(), query


def verified(message: bytes, *keys: tsig.Key, now: float = NOW) -> tsig.Verified:
    known = {one.name: one for one in keys}
    signature = tsig.find(message)
    assert signature is not None
    return tsig.verify(message, signature, known.get, now)


def read_by_dnspython(
    message: bytes, one: tsig.Key, request_mac: bytes | None, *, now: int = NOW
) -> dns.message.Message:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: now)
        return dns.message.from_wire(message, keyring={theirs(one).name: theirs(one)}, request_mac=request_mac or b"")


@pytest.mark.parametrize("algorithm", tsig.ALGORITHMS)
def test_what_dnspython_signs_is_verified_and_the_answer_is_to_it(algorithm: str) -> None:
    one = key(algorithm)
    message, query = signed_by_dnspython(one)
    found = verified(message, key("hmac-sha1", "other.key"), one)
    unsigned = dns.update.UpdateMessage("lab.test")
    unsigned.add("www", 300, "A", "192.0.2.1")
    unsigned.id = query.id
    assert found.message == unsigned.to_wire()
    assert found.key == one
    reply = dns.message.make_response(dns.message.from_wire(found.message)).to_wire()
    parsed = read_by_dnspython(tsig.sign(reply, one, NOW, request_mac=found.mac), one, query.mac)
    assert parsed.had_tsig
    with pytest.raises(dns.tsig.BadSignature):
        read_by_dnspython(tsig.sign(reply, one, NOW, request_mac=bytes(len(found.mac))), one, query.mac)


def test_letter_case_of_names_and_a_changed_id_do_not_matter() -> None:
    one = key()
    message, _ = signed_by_dnspython(one)
    signature = tsig.find(message)
    assert signature is not None
    start = signature.start
    changed = b"\xab\xcd" + message[2:start] + message[start : start + 9].upper() + message[start + 9 :]
    assert verified(changed, one).message[:2] == message[:2]


@pytest.mark.parametrize("algorithm", WITHOUT_CUT)
def test_every_octet_counts(algorithm: str) -> None:
    one = key(algorithm)
    message, _ = signed_by_dnspython(one)
    signature = tsig.find(message)
    assert signature is not None
    for at in range(2, len(message)):
        changed = message[:at] + bytes((message[at] ^ 0x04,)) + message[at + 1 :]
        try:
            if tsig.find(changed) is None:
                # What has no signature any more is believed by nobody.
                continue
        except ForeignDataError:
            continue
        with pytest.raises((tsig.Unverified, ForeignDataError)):
            verified(changed, one)


def test_unknown_keys_other_algorithms_wrong_secrets() -> None:
    message, _ = signed_by_dnspython(key())
    for known, error in (
        ([], tsig.BADKEY),
        ([key("hmac-sha512")], tsig.BADKEY),
        ([key(secret=b"other")], tsig.BADSIG),
        ([key(name="host.other")], tsig.BADKEY),
    ):
        with pytest.raises(tsig.Unverified) as refused:
            verified(message, *known)
        assert refused.value.error == error
        reply = dns.message.from_wire(tsig.refusal(message, refused.value, NOW), keyring=False, continue_on_error=True)
        assert reply.rcode() == dns.rcode.NOTAUTH
        assert reply.flags & dns.flags.QR
        assert reply.opcode() == 5
        assert reply.tsig_error == error
        assert reply.tsig is not None
        assert reply.tsig[0].mac == b""


@pytest.mark.parametrize(("late", "fudge"), [(300, 300), (-300, 300), (3000, 4000), (301, 300), (-301, 300), (11, 10)])
def test_a_message_of_another_time(late: int, fudge: int) -> None:
    one = key()
    message, query = signed_by_dnspython(one, fudge=fudge)
    if abs(late) <= fudge:
        assert verified(message, one, now=NOW + late)
        return
    with pytest.raises(tsig.Unverified) as refused:
        verified(message, one, now=NOW + late)
    assert refused.value.error == tsig.BADTIME
    reply = tsig.refusal(message, refused.value, NOW + late)
    with pytest.raises(dns.tsig.PeerBadTime):
        read_by_dnspython(reply, one, query.mac)
    found = tsig.find(reply)
    assert found is not None
    assert (found.time, int.from_bytes(found.other, "big")) == (NOW, NOW + late)
    # The client can check that it is ours: the MAC covers its request.
    assert tsig.verify(reply, found, lambda _: one, NOW, request_mac=query.mac or b"").key == one


@pytest.mark.parametrize("algorithm", WITHOUT_CUT)
def test_a_shortened_mac(algorithm: str) -> None:
    one = key(algorithm)
    message, _ = signed_by_dnspython(one)
    signature = tsig.find(message)
    assert signature is not None
    whole = tsig.ALGORITHMS[algorithm][2]

    def cut(size: int) -> bytes:
        return message[: signature.start] + msgspec.structs.replace(signature, mac=signature.mac[:size]).record()

    for size in (0, 1, 9, max(10, whole // 2) - 1):
        with pytest.raises(ForeignDataError):
            verified(cut(size), one)
    for size in (max(10, whole // 2), whole - 1):
        with pytest.raises(tsig.Unverified) as refused:
            verified(cut(size), one)
        assert refused.value.error == tsig.BADTRUNC
        found = tsig.find(tsig.refusal(message, refused.value, NOW))
        assert found is not None
        assert (found.error, len(found.mac)) == (tsig.BADTRUNC, whole)


def test_a_tsig_is_the_last_record_and_the_only_one() -> None:
    message, _ = signed_by_dnspython(key())
    signature = tsig.find(message)
    assert signature is not None
    record = signature.record()
    counted = message[:10] + b"\0\2" + message[12:]
    for bad in (
        counted + record,
        counted + b"\0\0\x29\4\xd0\0\0\0\0\0\0",
        message + b"\0",
        message[:-1],
        message[:8] + b"\0\1\0\0" + message[12:],
    ):
        with pytest.raises(ForeignDataError):
            tsig.find(bad)
    assert tsig.find(dns.message.make_query("a.test", "A").to_wire()) is None


def test_many_messages_of_one_answer() -> None:
    """dnspython checks ours, and we check ours and those of which only some are signed."""
    one = key("hmac-sha512")
    query = dns.message.make_query("lab.test", "AXFR")
    plain = dns.message.from_wire(query.to_wire())
    query.use_tsig(theirs(one))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: NOW)
        query.to_wire()
    messages = []
    for number in range(4):
        reply = dns.message.make_response(plain)
        reply.answer.append(dns.rrset.from_text("lab.test.", 60, "IN", "TXT", str(number)))
        messages.append(reply.to_wire())
    signer = tsig.Signer(one, query.mac or b"")
    sent = [signer.sign(message, NOW) for message in messages]
    context = None
    for message in sent:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.time", lambda: NOW)
            parsed = dns.message.from_wire(
                message, keyring=theirs(one), request_mac=query.mac, multi=True, tsig_ctx=context
            )
        context = parsed.tsig_ctx
        assert parsed.had_tsig
    verifier = tsig.Verifier(one, query.mac or b"")
    for message, unsigned in zip(sent, messages, strict=True):
        assert verifier.take(message, NOW) == unsigned
        assert verifier.is_complete
    with pytest.raises(tsig.Unverified):
        verifier.take(sent[1], NOW)


def test_messages_between_may_be_unsigned_up_to_a_bound() -> None:
    one = key()
    plain = [dns.message.make_response(dns.message.make_query(f"a{n}.test", "A")).to_wire() for n in range(4)]
    first = tsig.sign(plain[0], one, NOW, request_mac=b"m" * 32)
    found = tsig.find(first)
    assert found is not None
    verifier = tsig.Verifier(one, b"m" * 32)
    assert verifier.take(first, NOW) == plain[0]
    assert verifier.take(plain[1], NOW) == plain[1]
    assert not verifier.is_complete
    # The MAC of the last one covers the unsigned one before it.
    late = tsig.Signature(0, one.name, found.algorithm, NOW, 300, b"", int.from_bytes(plain[2][:2], "big"), 0, b"")
    mac = one.mac(len(found.mac).to_bytes(2, "big") + found.mac + plain[1] + plain[2] + late.timers)
    last = plain[2][:10] + b"\0\1" + plain[2][12:] + msgspec.structs.replace(late, mac=mac).record()
    assert verifier.take(last, NOW) == plain[2]
    assert verifier.is_complete
    for _ in range(99):
        verifier.take(plain[3], NOW)
    with pytest.raises(ForeignDataError):
        verifier.take(plain[3], NOW)
    with pytest.raises(ForeignDataError):
        tsig.Verifier(one, b"").take(plain[0], NOW)


def test_a_secret_is_not_shown() -> None:
    assert repr(key()) == str(key()) == "Key(host.key, hmac-sha256)"


@given(st.binary(max_size=60), st.integers(0, 200), st.booleans())
def test_octets_of_any_kind_are_read_or_refused(noise: bytes, at: int, replace: bool) -> None:
    one = key()
    message, _ = signed_by_dnspython(one)
    at %= len(message)
    for bad in (noise, message[:at] + noise + message[at + replace * len(noise) :]):
        try:
            signature = tsig.find(bad)
            if signature is not None:
                tsig.verify(bad, signature, {one.name: one}.get, NOW)
        except tsig.Unverified as refused:
            dns.message.from_wire(tsig.refusal(bad, refused, NOW), keyring=False, continue_on_error=True)
        except ForeignDataError:
            pass
