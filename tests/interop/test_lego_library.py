"""lego's own provider acme-dns, which Debian's lego is built without and Traefik has: built here, where Go is."""

from __future__ import annotations

import shlex
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
