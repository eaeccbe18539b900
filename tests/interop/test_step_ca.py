"""A CA that a real `step ca init` made and a real `step-ca` ran, moved here: its clients go on with what they have."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.program import ENV, ZONEMINT, run
from tests.ports import free_ports
from tests.postgres import Postgres
from tests.programs import require_program
from tests.server import until

PROVISIONER = "admin@lab.test"


@dataclass
class Moved:
    """Clients of one URL, and the folders of both CAs; everything runs in `folder`."""

    folder: Path
    https: int
    http: int
    challenges: int

    @property
    def path(self) -> Path:
        """The folder of step-ca."""
        return self.folder / "step"

    @property
    def root(self) -> Path:
        """The root that clients trust."""
        return self.path / "certs/root_ca.crt"

    def step(self, *words: str | Path, status: int = 0) -> str:
        """Run `step`; return what it said."""
        return self.ran("step", *words, status=status)

    def lego(self, *words: str) -> str:
        """Run lego with the account that it has, or makes."""
        url = f"https://localhost:{self.https}/acme/acme/directory"
        where = ("--path", "lego", "--server", url, "--email", "a@lab.test", "--domains", "localhost")
        return self.ran("lego", *where, "--accept-tos", "--http", "--http.port", f"127.0.0.1:{self.challenges}", *words)

    def ran(self, *words: str | Path, status: int = 0) -> str:
        """Run a program in the folder."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "STEPPATH": str(self.path),
            "LEGO_CA_CERTIFICATES": str(self.root),
        }
        done = subprocess.run(
            list(map(str, words)),
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=90,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def is_up(self) -> bool:
        """Tell whether a CA answers."""
        with subprocess.Popen(
            ["step", "ca", "health", "--ca-url", f"https://localhost:{self.https}", "--root", self.root],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "STEPPATH": str(self.path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            return process.wait(30) == 0

    @contextmanager
    def running(self, *words: str | Path) -> Iterator[None]:
        """Run one of the CAs."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                list(map(str, words)), cwd=self.folder, env=ENV, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            until(lambda: self.is_up() or process.poll() is not None, "the CA answers")
            assert process.poll() is None, (self.folder / "log").read_text()
            yield
        finally:
            process.terminate()
            process.wait(30)

    def token_certificate(self, name: str) -> Path:
        """Get a certificate with the provisioner's password."""
        words = ("--provisioner", PROVISIONER, "--provisioner-password-file", "password", "--force")
        self.step("ca", "certificate", name, f"{name}.crt", f"{name}.key", *words)
        return self.folder / f"{name}.crt"

    def verify(self, certificate: Path) -> None:
        """Have OpenSSL look at a certificate with its chain."""
        said = self.ran("openssl", "verify", "-CAfile", self.root, "-untrusted", certificate, certificate)
        assert said.strip().endswith(": OK")


@pytest.fixture
def moved(tmp_path: Path) -> Moved:
    for program in ("step", "step-ca"):
        if shutil.which(program) is None:
            pytest.skip(f"the program '{program}' is not on this machine")
    require_program("lego")
    made = Moved(tmp_path, *free_ports(3))
    (tmp_path / "password").write_text("secret123")
    (tmp_path / "password").chmod(0o600)
    secret = ("--password-file", "password", "--provisioner-password-file", "password")
    place = (
        "--dns",
        "localhost",
        "--address",
        f"127.0.0.1:{made.https}",
        "--with-ca-url",
        f"https://localhost:{made.https}",
    )
    made.step(
        "ca",
        "init",
        "--name",
        "Lab",
        "--deployment-type",
        "standalone",
        "--provisioner",
        PROVISIONER,
        "--acme",
        *place,
        *secret,
    )
    return made


def stored(made: Moved, database: dict[str, str] | None, *, crl: bool) -> None:
    file = made.path / "config/ca.json"
    tree = json.loads(file.read_text())
    tree["db"] = database or tree["db"]
    tree["crl"] = {"enabled": crl}
    file.write_text(json.dumps(tree))


def step_ca(made: Moved) -> list[str | Path]:
    port = ("--acme-http-port", str(made.challenges), "--insecure")
    return ["step-ca", made.path / "config/ca.json", "--password-file", "password", *port]


def taken_over(made: Moved, *words: str | Path) -> dict[str, object]:
    data, password = made.folder / "data", made.folder / "password"
    where = ("--domain", "lab.test", "--data", data, "--password-file", password)
    done = run("import", "step-ca", made.path, *where, *words, "--json")
    assert done.returncode == 0, done.stderr
    settings = data / "zonemint.toml"
    # Its challenges are answered on loopback here, and never at port 80.
    text = settings.read_text().replace("[validation]\n", f"[validation]\nhttp_port = {made.challenges}\n")
    text = text.replace("# http_port = 80\n", f"http_port = {made.http}\n", 1).replace("# http_port = 80\n", "", 1)
    settings.write_text(text.replace("# allow = []", 'allow = ["127.0.0.0/8", "::1/128"]', 1))
    report: dict[str, object] = json.loads(done.stdout)
    return report


def test_clients_of_a_ca_with_postgresql_notice_nothing(moved: Moved, postgres: Postgres) -> None:
    head, _, name = postgres.database().rpartition("/")
    stored(moved, {"type": "postgresql", "dataSource": f"{head}/", "database": name}, crl=False)
    with moved.running(*step_ca(moved)):
        old, gone = moved.token_certificate("old.lab.test"), moved.token_certificate("gone.lab.test")
        moved.step("ca", "revoke", "--cert", gone, "--key", gone.with_suffix(".key"))
        moved.lego("run")
    report = taken_over(moved)
    assert (report["certificates"], report["revoked"], report["accounts"]) == (3, 1, 1)

    with moved.running(ZONEMINT, "up", "--data", moved.folder / "data"):
        moved.step("ca", "root", "root.crt", "--force")
        assert (moved.folder / "root.crt").read_bytes() == moved.root.read_bytes()
        moved.verify(moved.token_certificate("new.lab.test"))
        serial = x509.load_pem_x509_certificate(old.read_bytes()).serial_number
        moved.step("ca", "renew", old, old.with_suffix(".key"), "--force")
        assert x509.load_pem_x509_certificate(old.read_bytes()).serial_number != serial
        moved.verify(old)
        assert "revoked" in moved.step("ca", "renew", gone, gone.with_suffix(".key"), "--force", status=1)
        moved.lego("renew", "--days", "3000", "--no-random-sleep")
        url = f"https://localhost:{moved.https}/1.0/crl"
        moved.ran("curl", "-fsS", "--cacert", moved.root, url, "-o", "crl")
    crl = x509.load_der_x509_crl((moved.folder / "crl").read_bytes())
    listed = x509.load_pem_x509_certificate(gone.read_bytes()).serial_number
    assert [one.serial_number for one in crl] == [listed]
    # lego made no second account.
    told = json.loads(run("accounts", "list", "--data", moved.folder / "data", "--json").stdout)
    assert len(told) == 1


def test_what_a_ca_with_badger_revoked_comes_from_its_list(moved: Moved) -> None:
    stored(moved, None, crl=False)
    with moved.running(*step_ca(moved)):
        gone = moved.token_certificate("gone.lab.test")
        moved.step("ca", "revoke", "--cert", gone, "--key", gone.with_suffix(".key"))
    # As the page has it: the list is turned on later, and has what was revoked before.
    stored(moved, None, crl=True)
    with moved.running(*step_ca(moved)):
        url = f"https://localhost:{moved.https}/1.0/crl"
        moved.ran("curl", "-fsS", "--cacert", moved.root, url, "-o", "crl")
    assert taken_over(moved, "--revoked", moved.folder / "crl")["revoked"] == 1
    with moved.running(ZONEMINT, "up", "--data", moved.folder / "data"):
        moved.ran("curl", "-fsS", "--cacert", moved.root, f"https://localhost:{moved.https}/crl", "-o", "new")
        moved.verify(moved.token_certificate("new.lab.test"))
    found = x509.load_der_x509_crl((moved.folder / "new").read_bytes())
    listed = x509.load_pem_x509_certificate(gone.read_bytes()).serial_number
    assert [one.serial_number for one in found] == [listed]
