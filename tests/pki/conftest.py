"""One authority for all tests of this folder, made and read as the program does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from zonemint.pki import authority, issue, profiles


@dataclass(frozen=True, slots=True)
class Ca:
    folder: Path
    authority: authority.Authority
    template: issue.Template
    now: float


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Ca:
    now = time.time()
    folder = tmp_path_factory.mktemp("data") / "pki"
    authority.create(folder, name="Lab", domains=["lab.test", "example.internal"], now=now)
    made = authority.load(folder, now=now)
    template = issue.template(
        made.current,
        profiles.DEFAULT,
        crl_url="http://ca.lab.test/crl",
        issuer_url="http://ca.lab.test/intermediate.crt",
    )
    return Ca(folder, made, template, now)
