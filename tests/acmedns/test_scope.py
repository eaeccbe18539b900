"""An account that is for some names only: what leads there from another name proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.acme.client import registered
from tests.acme.test_challenges import ended, events_of
from tests.web.lab import Lab, running
from zonemint.acmedns import administration
from zonemint.acmedns.scope import covers, read
from zonemint.core.errors import BadName
from zonemint.store.opening import open_store

LABEL = st.from_regex(r"[a-z]{1,5}", fullmatch=True)


@pytest.mark.parametrize(
    ("scope", "name", "held"),
    [
        ((), "a.lab.test", True),
        (("*",), "a.lab.test", True),
        (("a.lab.test",), "a.lab.test", True),
        (("a.lab.test",), "b.lab.test", False),
        (("a.lab.test",), "x.a.lab.test", False),
        (("*.lab.test",), "a.lab.test", True),
        (("*.lab.test",), "x.a.lab.test", True),
        (("*.lab.test",), "lab.test", False),
        (("*.lab.test",), "evillab.test", False),
        (("b.lab.test", "*.a.lab.test"), "x.a.lab.test", True),
    ],
)
def test_what_a_scope_covers(scope: tuple[str, ...], name: str, held: bool) -> None:
    assert covers(scope, name) is held


@given(st.lists(LABEL, min_size=2, max_size=5))
def test_a_name_is_in_its_own_scope_and_below_its_parents(labels: list[str]) -> None:
    name, above = ".".join(labels), ".".join(labels[1:])
    assert covers(read([name.upper()]), name)
    assert covers(read([f"*.{above}"]), name)
    assert not covers(read([f"*.{name}"]), name)


@pytest.mark.parametrize("text", ["", "*.", "**", "*.*.lab.test", "a_b.lab.test", "a b", "x*.lab.test", "\u212a.test"])
def test_what_is_no_name_is_no_scope(text: str) -> None:
    with pytest.raises(BadName):
        read([text])


async def rescope(lab: Lab, *names: str) -> None:
    db = await open_store(lab.config.store.database, lab.data.database)
    account = await db.read(administration.find(lab.txt["username"]))
    assert account is not None
    assert await db.write(administration.rescope(account, names, actor="test", via="test", now=lab.clock()))
    await db.close()


async def test_a_challenge_for_a_name_out_of_scope_fails_and_says_so(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        await lab.delegate("mine.lab.test")
        await lab.delegate("theirs.lab.test")
        await rescope(lab, "mine.lab.test")
        assert await client.certificate("mine.lab.test")
        reply = await client.order("theirs.lab.test")
        challenge = await client.challenge(reply.json()["authorizations"][0])
        await client.publish(challenge)
        await client.post(challenge["url"], {})
        order = await ended(client, url := reply.header("Location") or "")
        assert order["status"] == "invalid"
        assert order["error"]["type"] == "urn:ietf:params:acme:error:unauthorized"
        said = (
            f"_acme-challenge.theirs.lab.test leads to {lab.txt['fulldomain']}, an account for mine.lab.test and not "
            "for theirs.lab.test; on the server: "
            f"zonemint accounts scope {lab.txt['username']} mine.lab.test theirs.lab.test"
        )
        assert order["error"]["detail"] == said
        assert said in [event.detail for event in events_of(lab, url)]
        # What the sentence advises is enough.
        await rescope(lab, "mine.lab.test", "theirs.lab.test")
        assert await client.certificate("theirs.lab.test")


async def test_the_scope_of_a_wildcard_is_that_of_its_base_name(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        await lab.delegate("w.lab.test")
        await rescope(lab, "w.lab.test")
        assert await client.certificate("*.w.lab.test")
