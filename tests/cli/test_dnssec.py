from __future__ import annotations

import json
import re
from pathlib import Path

from tests.cli.program import run


def dnssec(folder: Path, *words: str) -> tuple[int, str, str]:
    done = run("dnssec", *words, "--data", folder)
    return done.returncode, done.stdout, done.stderr


def test_a_zone_is_signed_rolled_and_left(folder: Path) -> None:
    said = "zonemint: zone lab.test is not signed here; `zonemint dnssec enable lab.test` begins that\n"
    assert dnssec(folder, "show", "lab.test") == (1, "", said)
    assert dnssec(folder, "enable", "Lab.Test.")[0] == 0
    assert "signed already" in dnssec(folder, "enable", "lab.test")[2]
    status, out, _ = dnssec(folder, "show", "lab.test", "--json")
    assert status == 0
    (key,) = json.loads(out)["keys"]
    assert (key["algorithm"], key["state"]) == ("ecdsap256sha256", "new")
    assert [len(line.split()[-1]) for line in key["ds"]] == [64, 96]
    assert "private" not in key
    assert re.search(rf"{key['tag']} +ecdsap256sha256 +new ", dnssec(folder, "list")[1])
    status, out, err = dnssec(folder, "ds", "lab.test")
    assert (status, out) == (0, "")
    assert "should have no DS records now" in err
    assert dnssec(folder, "ds", "lab.test", "--dnskey")[1] == key["dnskey"] + "\n"
    assert "under way" in dnssec(folder, "roll", "lab.test")[2]
    assert "waits for nothing" in dnssec(folder, "confirm", "lab.test")[2]
    assert dnssec(folder, "disable", "lab.test")[0] == 0
    assert "CDS" not in dnssec(folder, "confirm", "lab.test")[2]
    (key,) = json.loads(dnssec(folder, "show", "lab.test", "--json")[1])["keys"]
    assert key["state"] == "left"
    assert key["until"] is not None
    events = json.loads(run("audit", "list", "--json", "--data", folder).stdout)
    assert [one["event"] for one in events if one["event"].startswith("dnssec")].count("dnssec-key.moved") == 2


def test_what_the_settings_say_is_not_ended_by_a_command(folder: Path) -> None:
    file = folder / "zonemint.toml"
    file.write_text(file.read_text() + '\n[zones."lab.test"]\ndnssec = true\n')
    status, _, err = dnssec(folder, "disable", "lab.test")
    assert status == 1
    assert 'remove `dnssec` from [zones."lab.test"]' in err
