from __future__ import annotations

import json

import pytest

from zonemint.cli.output import say, show_facts, show_table

ROWS: list[dict[str, object]] = [
    {"name": "server-1.lab.test", "status": "valid", "not_after": None, "ips": ["10.0.0.1", "10.0.0.2"]},
    {"name": "x", "status": "pending", "not_after": 5, "ips": []},
]


def test_a_table_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(ROWS, ["name", "not_after", "ips"], as_json=False)
    assert capsys.readouterr().out == (
        "NAME               NOT AFTER  IPS\n"
        "server-1.lab.test  -          10.0.0.1, 10.0.0.2\n"
        "x                  5\n"
    )  # fmt: skip


def test_an_empty_table_has_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([], ["name", "status"], as_json=False)
    assert capsys.readouterr().out == "NAME  STATUS\n"


def test_json_has_the_whole_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(ROWS, ["name"], as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS


def test_facts_are_a_line_each_or_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts(ROWS[0], as_json=False)
    assert capsys.readouterr().out == (
        "name:       server-1.lab.test\n"
        "status:     valid\n"
        "not after:  -\n"
        "ips:        10.0.0.1, 10.0.0.2\n"
    )  # fmt: skip
    show_facts(ROWS[1], as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS[1]


def test_talk_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    say("next")
    assert capsys.readouterr() == ("", "next\n")
