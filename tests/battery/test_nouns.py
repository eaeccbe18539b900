"""The nouns: what each of their statements means, whichever engine runs it, also when two nodes do it at once."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from tests.battery.conftest import Opener
from zonemint.core.ids import new_id
from zonemint.store import (
    accounts,
    authorities,
    authorizations,
    certificates,
    crls,
    leases,
    orders,
    records,
    revocations,
    shared_secrets,
    signings,
    traces,
    txt,
    validations,
)
from zonemint.store.accounts import Account
from zonemint.store.authorities import LaterCertificate, StoredAuthority
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.certificates import Certificate
from zonemint.store.crls import Crl, Scope
from zonemint.store.database import Steps
from zonemint.store.opening import Store
from zonemint.store.orders import Identifier, Order
from zonemint.store.records import DynamicRecord
from zonemint.store.signings import Signing
from zonemint.store.txt import TxtAccount
from zonemint.store.validations import Pending


def account(thumbprint: str = "t") -> Account:
    return Account(new_id(), "acme", thumbprint, "{}", "valid", ("mailto:a@b.test",), 5, 1, "10.0.0.1")


def order(owner: Account, status: str = "ready") -> Order:
    name = (Identifier("dns", "*.a.lab.test"),)
    return Order(new_id(), owner.id, "acme", status, name, (new_id(),), "default", None, 9, 1, 1000, "5e", "p1")


def authorization(of: Order) -> Authorization:
    challenge = Challenge("dns-01", "token", "pending")
    return Authorization(
        of.authorizations[0], of.id, of.account_id, "dns", "a.lab.test", True, "pending", (challenge,), 1, 9
    )


async def with_order(db: Store, status: str = "ready") -> Order:
    owner = account(new_id())
    made = order(owner, status)

    def steps() -> Steps[None]:
        yield from accounts.insert(owner)
        yield from orders.insert(made)
        yield from authorizations.insert(authorization(made))

    await db.write(steps())
    return made


async def test_an_account_comes_back_and_of_two_with_one_key_the_first_stays(db: Store, another: Opener) -> None:
    other = await another()
    wanted = [account() for _ in range(8)]
    made = await asyncio.gather(*((db, other)[turn % 2].write(accounts.insert(one)) for turn, one in enumerate(wanted)))
    assert len({one.id for one in made}) == 1
    assert await db.read(accounts.by_id(made[0].id)) == made[0]
    assert await db.read(accounts.by_thumbprint("acme", "t")) == made[0]
    assert await db.read(accounts.listing()) == [made[0]]


async def test_an_account_changes_only_if_it_is_as_it_was(db: Store) -> None:
    one = await db.write(accounts.insert(account()))
    assert not await db.write(accounts.update(one.id, was="deactivated", status="valid", contacts=()))
    assert await db.write(accounts.update(one.id, was="valid", status="deactivated", contacts=()))
    assert await db.write(accounts.rekey(one.id, was="t", thumbprint="u", jwk="{1}"))
    assert not await db.write(accounts.rekey(one.id, was="t", thumbprint="v", jwk="{1}"))
    assert await db.read(accounts.by_id(one.id)) == replace(
        one, status="deactivated", contacts=(), thumbprint="u", jwk="{1}"
    )


async def test_an_order_and_its_authorization_come_back(db: Store) -> None:
    made = await with_order(db)
    assert await db.read(orders.by_id(made.id)) == made
    assert await db.read(authorizations.of_order(made.authorizations)) == [authorization(made)]
    assert await db.read(orders.of_account(made.account_id)) == [made.id]
    assert await db.read(orders.newest_of_account(made.account_id, limit=3)) == [made.id]
    assert await db.read(orders.listing(limit=3)) == [made]


async def test_of_all_that_claim_an_order_one_is_told_yes(db: Store, another: Opener) -> None:
    made = await with_order(db)
    other = await another()

    def claim() -> Steps[bool]:
        return (yield from orders.claim(made.id, frm="ready", to="valid", serial="5e", now=10))

    assert sorted(await asyncio.gather(*((db, other)[turn % 2].write(claim()) for turn in range(10)))) == [
        False
    ] * 9 + [True]


async def test_a_claim_needs_status_serial_and_time(db: Store) -> None:
    made = await with_order(db)
    for frm, serial, now in (("pending", "5e", 10), ("ready", "5f", 10), ("ready", "5e", 1000)):
        assert not await db.write(orders.claim(made.id, frm=frm, to="valid", serial=serial, now=now))


async def test_a_serial_is_reserved_instead_of_the_one_that_was_seen(db: Store, another: Opener) -> None:
    made = await with_order(db)
    other = await another()
    won = await asyncio.gather(
        *(
            (db, other)[turn % 2].write(
                orders.reserve(made.id, while_="ready", serial=f"{turn}", reserved_by=f"p{turn}", instead_of="5e")
            )
            for turn in range(6)
        )
    )
    assert won.count(True) == 1
    stored = await db.read(orders.by_id(made.id))
    assert stored is not None
    assert stored.serial == str(won.index(True))


async def test_a_certificate_comes_back_and_is_revoked_once(db: Store, another: Opener) -> None:
    made = Certificate("5e", None, None, "valid", ("a.lab.test", "x_y"), "k", 1, 100, 1, b"\0der\xff")
    await db.write(certificates.insert(made))
    assert await db.read(certificates.by_serial("5e")) == made
    assert await db.read(certificates.newest_of_name("a.lab.test")) == made
    assert await db.read(certificates.newest_of_name("xzy")) is None
    other = await another()
    revoked = await asyncio.gather(*(one.write(certificates.revoke("5e", now=7, reason=4)) for one in (db, other)))
    assert sorted(revoked) == [False, True]
    (entry,) = await db.read(certificates.revoked("", after=(50, ""), before=0, limit=9))
    assert tuple(entry) == ("5e", 100, 7, 4)
    assert await db.read(revocations.counts()) == {("", 0): 1}
    assert await db.read(certificates.states(["5e", "5f"])) == {"5e": ("", 7, 4)}
    assert await db.read(certificates.last_end()) == 100


async def test_revoked_certificates_are_read_in_pages_and_windows(db: Store) -> None:
    ends = {f"{number:04x}": 100 + number // 3 for number in range(10, 30)}
    for serial, end in ends.items():
        await db.write(
            certificates.insert(Certificate(serial, None, None, "valid", ("a.test",), "k", 1, end, 1, b"der"))
        )
        assert await db.write(certificates.revoke(serial, now=7, reason=4))
    for limit in (1, 3, 100):
        for since, before in ((0, 0), (104, 0), (104, 107)):
            found, after = [], (since, "")
            while page := await db.read(certificates.revoked("", after=after, before=before, limit=limit)):
                found += [one.serial for one in page]
                after = page[-1].not_after, page[-1].serial
            assert found == [one for one in ends if ends[one] >= since and (not before or ends[one] < before)]


async def test_a_crl_takes_the_place_of_the_last(db: Store) -> None:
    assert await db.read(crls.current(Scope("ab"))) is None
    for number in (1, 2):
        assert await db.read(crls.next_number()) == number
        await db.write(crls.replace(Crl(number, b"der", 10, number, "ab")))
    assert await db.read(crls.current(Scope("ab"))) == Crl(2, b"der", 10, 2, "ab")
    await db.write(crls.replace(Crl(3, b"window", 10, 2, "ab", 100, 200)))
    assert await db.read(crls.current(Scope("ab"))) == Crl(2, b"der", 10, 2, "ab")
    assert await db.read(crls.heads()) == {Scope("ab"): (2, 10, 2), Scope("ab", 100, 200): (3, 10, 2)}
    await db.write(crls.remove(Scope("ab", 100, 200)))
    assert await db.read(crls.current(Scope("ab", 100, 200))) is None


async def test_each_issuer_has_its_list_and_all_are_numbered_together(db: Store) -> None:
    await db.write(crls.replace(Crl(1, b"one", 10, 0, "ab")))
    await db.write(crls.replace(Crl(2, b"two", 10, 0, "cd")))
    assert await db.read(crls.next_number()) == 3
    await db.write(crls.replace(Crl(3, b"three", 10, 0, "ab")))
    assert [one.issuer for one in await db.read(crls.all_current())] == ["cd", "ab"]
    assert (await db.read(crls.heads()))[Scope("cd")].number == 2
    await db.write(crls.raise_number(3))
    raised = await db.read(crls.all_current())
    assert [(one.issuer, one.number, one.revoked) for one in raised] == [("cd", 3, -1), ("ab", 4, -1)]
    assert await db.read(crls.next_number()) == 5


async def test_what_names_no_issuer_is_given_to_the_one_there_was(db: Store) -> None:
    assert not await db.write(crls.adopt("ab"))
    await db.write(crls.replace(Crl(1, b"one", 10, 0, "")))
    one = Certificate("1", None, None, "valid", ("a.test",), "k", 1, 100, 1, b"der")
    await db.write(certificates.insert(one))
    await db.write(certificates.insert(replace(one, serial="2", issuer="cd")))
    assert await db.write(crls.adopt("ab"))
    await db.write(certificates.adopt("ab"))
    found = [await db.read(certificates.by_serial(serial)) for serial in "12"]
    assert [each.issuer for each in found if each] == ["ab", "cd"]
    for serial in "12":
        await db.write(certificates.revoke(serial, now=1, reason=0))
    listed = [
        await db.read(certificates.revoked(issuer, after=(0, ""), before=0, limit=9)) for issuer in ("ab", "cd", "")
    ]
    assert [[entry.serial for entry in each] for each in listed] == [["1"], ["2"], []]
    assert await db.read(revocations.counts()) == {("ab", 0): 1, ("cd", 0): 1}


async def test_values_are_kept_newest_first_and_two_updates_at_once_are_both_kept(db: Store, another: Opener) -> None:
    one = TxtAccount("u", "h", "auth.lab.test", "sub", ("10.0.0.0/8",), 1, "test")
    await db.write(txt.insert(one))
    assert await db.read(txt.by_username("u")) == one
    assert await db.read(txt.by_subdomain("sub")) == one
    assert await db.read(txt.zone_values("auth.lab.test", ["nobody", "sub"], newer_than=0, now_ms=1)) == {"sub": []}
    other = await another()
    updates = [
        (db, other)[turn % 2].write(txt.put("sub", f"v{turn}", now_ms=turn, source="test", keep=8)) for turn in range(8)
    ]
    await asyncio.gather(*updates)
    assert {value.value for value in await db.read(txt.values("sub"))} == {f"v{turn}" for turn in range(8)}
    await db.write(txt.put("sub", "v0", now_ms=9, source="test", keep=2))
    kept = await db.read(txt.values("sub"))
    assert [kept[0].value, len(kept)] == ["v0", 2]
    assert await db.read(txt.zone_values("auth.lab.test", ["sub"], newer_than=8, now_ms=9)) == {"sub": ["v0"]}
    await db.write(txt.put("sub", "v1", now_ms=9, source="test", keep=2, expires_ms=11))
    for now_ms, served in ((10, ["v1", "v0"]), (11, ["v0"])):
        found = await db.read(txt.zone_values("auth.lab.test", ["sub"], newer_than=8, now_ms=now_ms))
        assert found == {"sub": served}
    await db.write(txt.put("sub", "v1", now_ms=9, source="test", keep=2))
    assert await db.read(txt.zone_values("auth.lab.test", ["sub"], newer_than=8, now_ms=99)) == {"sub": ["v1", "v0"]}


async def test_updates_of_one_account_are_in_an_order(db: Store, another: Opener) -> None:
    await db.write(txt.insert(TxtAccount("u", "h", "auth.lab.test", "sub", (), 1, "test")))
    other = await another()
    await asyncio.gather(
        *(
            (db, other)[turn % 2].write(txt.put("sub", f"v{turn}", now_ms=1, source="test", keep=50))
            for turn in range(40)
        )
    )

    def sequences() -> Steps[list[int]]:
        from zonemint.store.database import Sql

        return [row[0] for row in (yield Sql("SELECT sequence FROM txt_values ORDER BY sequence"))]

    assert await db.read(sequences()) == list(range(1, 41))


async def test_a_record_is_added_once_and_removed_by_its_data_or_all_together(db: Store) -> None:
    one = DynamicRecord("lab.test", "a.lab.test", "TXT", '"x"', 60, 1, "test")
    two = replace(one, data='"y"')
    assert [await db.write(records.add(record)) for record in (one, one, two)] == [True, False, True]
    assert await db.read(records.at("lab.test", "a.lab.test", "TXT")) == [one, two]
    assert await db.write(records.remove("lab.test", "a.lab.test", "TXT", '"x"')) == 1
    assert await db.read(records.of_zone("lab.test")) == [two]
    assert await db.write(records.remove("lab.test", "a.lab.test", "TXT")) == 1


async def test_a_serial_grows_and_wraps(db: Store) -> None:
    assert await db.read(records.serial("lab.test")) is None
    await db.write(records.save_serial("lab.test", 0xFFFFFFFF, "digest"))
    await db.write(records.bump("lab.test"))
    assert await db.read(records.serial("lab.test")) == (0, "digest")


async def test_a_story_has_a_bound(db: Store) -> None:
    from zonemint.core.trace import Event

    made = await with_order(db)

    def tell() -> Steps[None]:
        for number in range(150):
            yield from traces.append(made.id, (Event(float(number), "told", "test"),), minor=True)
        yield from traces.append(made.id, (Event(1000.0, "ended", "test"),))

    await db.write(tell())
    assert [event.at for event in await db.read(traces.of_order(made.id))] == [*range(100), 1000]


async def test_a_validation_is_taken_by_one_node_until_its_lease_ends(db: Store, another: Opener) -> None:
    made = await with_order(db, "pending")
    pending = Pending(made.authorizations[0], "dns-01")
    await db.write(validations.add(pending, now=1, holder="p1", until_ms=100))
    other = await another()
    assert await other.write(validations.take("p2", now_ms=99, until_ms=200, limit=5)) == []
    taken = await asyncio.gather(
        *(
            (db, other)[turn % 2].write(validations.take(f"n{turn}", now_ms=100, until_ms=200, limit=5))
            for turn in range(6)
        )
    )
    assert sorted(taken) == [[]] * 5 + [[pending]]
    holder = f"n{taken.index([pending])}"
    await db.write(validations.prolong(holder, until_ms=300))
    assert await other.write(validations.take("p2", now_ms=250, until_ms=400, limit=5)) == []
    await db.write(validations.release(holder))
    assert await other.write(validations.take("p2", now_ms=1, until_ms=400, limit=5)) == [pending]
    assert await db.write(validations.take("p3", now_ms=None, until_ms=400, limit=5)) == [pending]
    await db.write(validations.remove(pending))
    assert await db.write(validations.take("p4", now_ms=None, until_ms=400, limit=5)) == []


async def test_a_lease_has_one_holder_until_it_ends(db: Store, another: Opener) -> None:
    other = await another()
    won = await asyncio.gather(
        *((db, other)[turn % 2].write(leases.take("x", f"n{turn}", now_ms=1, until_ms=10)) for turn in range(6))
    )
    assert won.count(True) == 1
    holder = f"n{won.index(True)}"
    assert await db.write(leases.take("x", holder, now_ms=5, until_ms=20))
    assert not await other.write(leases.take("x", "late", now_ms=19, until_ms=30))
    assert await other.write(leases.take("x", "late", now_ms=20, until_ms=30))
    await db.write(leases.release("late"))
    assert await db.write(leases.take("x", "next", now_ms=1, until_ms=30))


async def test_a_signing_is_taken_once_and_answered(db: Store, another: Opener) -> None:
    made = await with_order(db, "processing")
    of_order = Signing("1", made.id, (), b"csr\0", "key", "10.0.0.1", 5)
    of_host = Signing("2", None, ("ca.lab.test", "10.0.0.1"), b"csr", "", "node", 5)
    for one in (of_order, of_host):
        await db.write(signings.add(one))
    other = await another()
    taken = await asyncio.gather(
        *((db, other)[turn % 2].write(signings.take(f"n{turn}", now_ms=1, until_ms=10, limit=5)) for turn in range(4))
    )
    assert sorted(map(len, taken)) == [0, 0, 0, 2]
    assert max(taken, key=len) == [of_order, of_host]
    await db.write(signings.finish("2", serial="5e"))
    assert await db.read(signings.by_id("2")) == replace(of_host, serial="5e")
    # What nobody finished is taken up again, and what is finished is not.
    assert await db.write(signings.take("late", now_ms=10, until_ms=20, limit=5)) == [of_order]
    await db.write(signings.remove_of_order(made.id))
    await db.write(signings.forget(before=6))
    assert [await db.read(signings.by_id(one)) for one in "12"] == [None, None]


async def test_the_authority_of_a_store(db: Store) -> None:
    assert await db.read(authorities.current()) is None
    one = StoredAuthority("ab", "root", "intermediate", ("lab.test", "x.test"))
    await db.write(authorities.adopt(one, now=1))
    assert await db.read(authorities.current()) == one
    await db.write(authorities.change_domains(("lab.test",)))
    assert await db.read(authorities.current()) == one._replace(domains=("lab.test",))


async def test_nodes_tell_each_other_of_later_certificates_once(db: Store, another: Opener) -> None:
    other = await another()
    told = [LaterCertificate("b", "issuer", "PEM"), LaterCertificate("a", "root", "PEM")]
    await asyncio.gather(*(each.write(authorities.add_later(one, now=1)) for one in told for each in (db, other)))
    assert await db.read(authorities.later()) == sorted(told)


async def test_nodes_agree_on_a_secret(another: Opener) -> None:
    here, there = await another(), await another()
    first = await here.write(shared_secrets.agree("dns cookies", b"a" * 32))
    assert await there.write(shared_secrets.agree("dns cookies", b"b" * 32)) == first == b"a" * 32
    assert await there.write(shared_secrets.agree("another", b"c")) == b"c"
