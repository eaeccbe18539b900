"""The same clients, and a node that has not the CA's key: another node signs, and they cannot tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.test_certbot import (
    certbot,
    test_a_certificate_its_renewal_and_its_revocation,
    test_a_wildcard_and_its_base_in_one_certificate,
    test_an_account_is_changed_and_given_up,
)
from tests.interop.test_clients import test_dehydrated, test_lego, test_uacme
from tests.postgres import Postgres
from tests.server import Running, running

__all__ = [
    "certbot",
    "test_a_certificate_its_renewal_and_its_revocation",
    "test_a_wildcard_and_its_base_in_one_certificate",
    "test_an_account_is_changed_and_given_up",
    "test_dehydrated",
    "test_lego",
    "test_uacme",
]

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    """The second of two nodes, which joined with nothing but the URL of the database."""
    folder = tmp_path_factory.mktemp("nodes")
    database = ("--database", postgres.database())
    with running(folder / "one", None, *database), running(folder / "two", None, *database) as two:
        assert "the CA's key is on other nodes" in two.screen
        assert not (two.folder / "pki/intermediate.key").exists()
        yield two


def test_the_audit_log_of_all_of_it_holds(shared: Running) -> None:
    from tests.cli.program import run

    done = run("audit", "verify", "--data", shared.folder)
    assert done.returncode == 0, done.stderr
