from __future__ import annotations

from pathlib import Path
from random import Random

from tests.dns.fuzz.attack import Attack
from tests.dns.fuzz.lab import attacked, faults
from tests.thorough import examples


def test_a_real_server_outlives_mutated_messages(tmp_path: Path) -> None:
    # Its memos are full after the first names, and have to suffice for all others.
    with attacked(tmp_path / "data") as server:
        attack = Attack(server, Random(0))
        attack.udp(examples(16_000))
        attack.tcp(examples(4_000))
        attack.flood(6_000)
        before = attack.memory()
        attack.flood(examples(15_000))
        assert attack.memory() < before + 4  # MB
        assert not faults(server)
        assert min(attack.answered.values()) > 1000
