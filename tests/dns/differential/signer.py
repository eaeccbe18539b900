"""Zone files signed by BIND's own program, so that all servers have the same signatures and proofs to give."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.programs import require_program

__all__ = ["DENIALS", "sign"]

DENIALS: dict[str, list[str]] = {"nsec": [], "nsec3": ["-3", "-", "-H", "0"], "salted": ["-3", "aabb", "-H", "3"]}
"""How what is not there is proved (RFC 9276 would have neither salt nor iterations), as arguments of the signer."""


def sign(folder: Path, origin: str, text: str, denial: str) -> str:
    """Return the zone file with a key, signatures and proofs; the folder is for this zone alone."""
    folder.mkdir()
    (folder / "zone").write_text(text)
    keygen = [require_program("dnssec-keygen"), "-q", "-K", ".", "-a", "ECDSAP256SHA256", "-f", "KSK", origin]
    signer = [require_program("dnssec-signzone"), "-S", "-K", ".", "-P", "-z", "-q", "-O", "full"]
    for command in (keygen, [*signer, *DENIALS[denial], "-o", origin, "-f", "signed", "zone"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "signed").read_text()
