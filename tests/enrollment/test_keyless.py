"""The same machines at a node without the CA's key, which hands their requests over and cannot make up one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.enrollment.test_machines import (
    test_a_key_that_was_given_away_gets_nothing_more,
    test_a_revoked_certificate_is_not_renewed,
    test_a_token_is_good_for_one_certificate,
    test_another_key_for_the_certificate_itself,
    test_dates_are_honoured_or_refused,
    test_nobody_renews_without_showing_a_certificate,
    test_renewal_with_the_certificate_itself,
    test_what_the_csr_says_must_be_what_the_token_says,
)
from tests.postgres import Postgres
from tests.server import Running, running

__all__ = [
    "test_a_key_that_was_given_away_gets_nothing_more",
    "test_a_revoked_certificate_is_not_renewed",
    "test_a_token_is_good_for_one_certificate",
    "test_another_key_for_the_certificate_itself",
    "test_dates_are_honoured_or_refused",
    "test_nobody_renews_without_showing_a_certificate",
    "test_renewal_with_the_certificate_itself",
    "test_what_the_csr_says_must_be_what_the_token_says",
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    """The second of two nodes, which joined with nothing but the URL of the database."""
    folder = tmp_path_factory.mktemp("nodes")
    database = ("--database", postgres.database())
    with running(folder / "one", None, *database), running(folder / "two", None, *database) as two:
        assert not (two.folder / "pki/intermediate.key").exists()
        yield two


def test_nothing_is_issued_on_the_server_itself(shared: Running, tmp_path: Path) -> None:
    done = run("certs", "issue", "printer", "--output", tmp_path, "--data", shared.folder)
    assert done.returncode == 1
    assert "key" in done.stderr
    assert not list(tmp_path.iterdir())
