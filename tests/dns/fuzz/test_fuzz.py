from __future__ import annotations

from pathlib import Path
from random import Random

from tests.dns.fuzz.attack import Attack
from tests.dns.fuzz.lab import attacked, faults
from tests.thorough import examples


def test_a_real_server_outlives_mutated_messages(tmp_path: Path) -> None:
    with attacked(tmp_path / "data") as server:
        attack = Attack(server, Random(0))
        attack.udp(examples(16_000))
        attack.tcp(examples(4_000))
        assert not faults(server)
        assert min(attack.answered.values()) > 1000
