"""lego's own provider acme-dns, which Debian's lego is built without and Traefik has: built here, where Go is."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.programs import names_of, run_program, verify
from tests.server import DOMAIN, HOST, Running

pytestmark = pytest.mark.interop

SOURCE = Path(__file__).with_name("lego")


@pytest.fixture(scope="module")
def lego(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build it from Go modules; where that cannot be, the shapes of its requests are still tested by their bytes."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("the program 'go' is not on this machine")
    program = tmp_path_factory.mktemp("lego") / "lego"
    words = [go, "build", "-C", str(SOURCE), "-o", str(program), "."]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "GOFLAGS": "-mod=readonly"})
    if done.returncode:
        pytest.skip(f"lego's library cannot be built here: {done.stderr.strip().splitlines()[-1]}")
    return str(program)


@pytest.mark.parametrize("client", ["lego", "traefik"])
def test_what_is_told_is_all_that_it_needs(shared: Running, lego: str, tmp_path: Path, client: str) -> None:
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
    run_program([lego, shared.directory, f"{HOST}:{shared.ports.dns}", str(chain), ",".join(names)], env)
    verify(shared, chain)
    assert sorted(names_of(chain)) == sorted(names)
    assert (shared.folder / "acmedns.json").read_bytes() == before
