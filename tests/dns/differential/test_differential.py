"""Random zones and questions: whatever we say otherwise than NSD, Knot and BIND is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.dns.differential.compare import compare
from tests.dns.differential.differences import DIFFERENCES
from tests.thorough import examples

LIST = Path(__file__).parents[3] / "docs" / "dns-differences.md"
NAMES = {"NSD": "nsd", "Knot": "knotd", "BIND": "named"}


@pytest.mark.interop
def test_every_difference_is_explained(tmp_path: Path) -> None:
    findings = compare(tmp_path, seed=20, worlds=12, signed=4, questions=examples(2000), most=3)
    assert not findings.unexplained, "\n".join(findings.unexplained)
    # Chance must have tried matches, NODATA, NXDOMAIN, referrals, aliases into them, and what does not fit.
    assert len(findings.kinds) >= 8, findings.kinds
    assert len(findings.explained) >= 8, findings.explained


def test_the_list_and_the_rules_are_of_the_same_differences() -> None:
    listed = re.findall(r"^## (.+)\n\n\*\*Who:\*\* ([^.]+)\.", LIST.read_text(), re.MULTILINE)
    assert {heading: {NAMES[who] for who in re.split(", | and ", whos)} for heading, whos in listed} == {
        name: set(difference.who) for name, difference in DIFFERENCES.items()
    }
