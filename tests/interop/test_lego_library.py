"""lego's own provider acme-dns, which Debian's lego is built without and Traefik has: built here, where Go is."""

from __future__ import annotations

import shlex
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.interop.programs import names_of, run_program, verify
from tests.server import DOMAIN, HOST, Running

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("client", ["lego", "traefik"])
def test_what_is_told_is_all_that_it_needs(shared: Running, lego_library: str, tmp_path: Path, client: str) -> None:
    """A wildcard, its base, and a name with an account of its own, in one certificate."""
    names = [f"*.library-{client}.{DOMAIN}", f"library-{client}.{DOMAIN}", f"beside-{client}.{DOMAIN}"]
    told = shared.register(*names, "--for", client).stdout.splitlines()
    if client == "lego":
        settings = [shlex.split(line)[1] for line in told if line.startswith("export ")]
    else:
        settings = [line.removeprefix("#   ") for line in told[1:] if line[4:].partition("=")[0].isupper()]
    env = dict(setting.split("=", 1) for setting in settings)
    assert set(env) == {"ACME_DNS_API_BASE", "ACME_DNS_STORAGE_PATH", "LEGO_CA_CERTIFICATES", "SSL_CERT_FILE"}
    chain = tmp_path / "chain.pem"
    before = (shared.folder / "acmedns.json").read_bytes()
    run_program([lego_library, shared.directory, f"{HOST}:{shared.ports.dns}", str(chain), ",".join(names)], env)
    verify(shared, chain)
    assert sorted(names_of(chain)) == sorted(names)
    assert (shared.folder / "acmedns.json").read_bytes() == before


def test_a_renewal_is_told_when_and_says_what_it_replaces(shared: Running, lego_library: str, tmp_path: Path) -> None:
    """RFC 9773, with the names that lego gives certificates."""
    name = f"library-renewed.{DOMAIN}"
    told = shared.register(name, "--for", "lego").stdout.splitlines()
    env = dict(shlex.split(line)[1].split("=", 1) for line in told if line.startswith("export "))
    chain = tmp_path / "chain.pem"
    words = [lego_library, shared.directory, f"{HOST}:{shared.ports.dns}", str(chain), name, "renew"]
    line = next(one for one in run_program(words, env).splitlines() if one.endswith("6h0m0s"))
    start, end = (int(word) - time.time() for word in line.split()[1:3])
    assert 59 * 86400 < start < end < 68 * 86400
    verify(shared, chain)
    with closing(sqlite3.connect(f"file:{shared.folder}/zonemint.db?mode=ro", uri=True)) as db:
        (row,) = db.execute("SELECT count(*) FROM certificates WHERE names = ? AND replaced_by <> ''", (f'["{name}"]',))
    assert row == (1,)
