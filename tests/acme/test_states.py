"""The table of states (RFC 8555 section 7.1.6)."""

from __future__ import annotations

from enum import StrEnum

import pytest

from zonemint.acme import states

FINAL = [
    *(states.Account.DEACTIVATED, states.Account.REVOKED),
    *(states.Order.VALID, states.Order.INVALID),
    *(states.Authorization.INVALID, states.Authorization.DEACTIVATED),
    *(states.Authorization.EXPIRED, states.Authorization.REVOKED),
    *(states.Challenge.VALID, states.Challenge.INVALID),
]
ALL: list[StrEnum] = [*states.Account, *states.Order, *states.Authorization, *states.Challenge]


@pytest.mark.parametrize("status", FINAL, ids=repr)
def test_there_is_no_way_out_of_a_final_state(status: StrEnum) -> None:
    assert not states.after(status)
    for other in type(status):
        with pytest.raises(ValueError, match="cannot go"):
            states.check(status, other)


def test_every_other_state_has_a_way_out_that_ends() -> None:
    def ends(status: StrEnum, seen: frozenset[StrEnum]) -> bool:
        assert status not in seen, "a state comes back"
        return all(ends(after, seen | {status}) for after in states.after(status))

    for status in ALL:
        assert bool(states.after(status)) == (not any(status is final for final in FINAL))
        assert ends(status, frozenset())


def test_the_table_holds_every_step_of_one_kind_and_no_other() -> None:
    for old in ALL:
        for new in ALL:
            if type(new) is type(old) and new in states.after(old):
                states.check(old, new)
            else:
                with pytest.raises(ValueError, match="cannot go"):
                    states.check(old, new)


def test_the_words_are_those_of_the_rfc() -> None:
    assert [one.value for one in states.Order] == ["pending", "ready", "processing", "valid", "invalid"]
    assert [one.value for one in states.Challenge] == ["pending", "processing", "valid", "invalid"]
    assert [one.value for one in states.Account] == ["valid", "deactivated", "revoked"]
    assert {one.value for one in states.Authorization} == {
        *("pending", "valid", "invalid", "deactivated", "expired", "revoked")
    }
