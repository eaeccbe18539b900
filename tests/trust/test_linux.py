"""The stores of Linux distributions, each below a folder of its own that has this machine's programs in it.

On Debian the program that makes the bundle is the real one; those of others are stand-ins that do what theirs document:
they make the bundle of all anchors.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import ENV, ZONEMINT
from tests.programs import require_program
from tests.server import Running
from tests.trust.authorities import Ca, pem
from zonemint.trust.anchors import LAYOUTS, Layout

DEBIAN, FEDORA = LAYOUTS[-1], LAYOUTS[0]
OTHER = Ca.named("Other").root()
STAND_IN = "#!/bin/sh\nset -eu\nmkdir -p {made}\nfind {folder} -type f -exec cat {{}} + > {bundle}\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the system's stores are root's")


@dataclass(frozen=True, slots=True)
class Image:
    """The file system of another machine, seen from a mount namespace of the command's own."""

    root: Path
    layout: Layout

    @property
    def anchors(self) -> Path:
        # /usr/local is mounted from beside the image.
        folder = self.layout.folder
        return self.root.parent / folder[5:] if folder.startswith("/usr/") else self.root / folder[1:]

    @property
    def bundle(self) -> Path:
        return self.root / self.layout.bundle.lstrip("/")

    def trust(self, *words: str | Path, status: int = 0) -> list[dict[str, Any]]:
        """Run `zonemint trust` on it."""
        places = {"/usr": "usr", f"{self.root.parent}/local": "usr/local", "/dev/urandom": "dev/urandom"}
        mounts = " && ".join(f"mount --bind {there} {self.root}/{here}" for there, here in places.items())
        command = [ZONEMINT, "trust", *map(str, words), "--root", str(self.root), "--only", "system", "--json"]
        script = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
        done = subprocess.run([*script, *command], capture_output=True, text=True, env=ENV, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


def image(tmp_path: Path, layout: Layout) -> Image:
    for program in ("unshare", "mount", "chroot"):
        require_program(program)
    if not Path("/bin").is_symlink():
        pytest.skip("the programs of this machine do not lie in one folder")
    made = Image(tmp_path / "image", layout)
    for folder in ("usr", "tmp", "etc/ssl/certs", "dev"):
        (made.root / folder).mkdir(parents=True)
    (made.root / "tmp").chmod(0o1777)
    for device in ("null", "urandom"):
        (made.root / "dev" / device).touch()
    for name in ("bin", "lib", "lib64", "sbin"):
        (made.root / name).symlink_to(f"usr/{name}")
    local = tmp_path / "local"
    (local / "sbin").mkdir(parents=True)
    made.anchors.mkdir(parents=True)
    if layout is DEBIAN:
        (made.root / "etc/ca-certificates.conf").write_text("# none\n")
    else:
        command = local / "sbin" / layout.command
        made_in = Path(layout.bundle).parent
        command.write_text(STAND_IN.format(folder=layout.folder, bundle=layout.bundle, made=made_in))
        command.chmod(0o755)
    return made


def states(rows: list[dict[str, Any]]) -> list[str]:
    return [row["state"] for row in rows]


def accepted(server: Running, bundle: Path) -> bool:
    curl = [require_program("curl"), "--silent", "--cacert", str(bundle), f"{server.url}/roots.pem"]
    done = subprocess.run(curl, capture_output=True, env=ENV, timeout=30)
    openssl = [require_program("openssl"), "s_client", "-connect", server.url.removeprefix("https://")]
    strict = ["-CAfile", str(bundle), "-verify_return_error", "-verify_hostname", "localhost"]
    again = subprocess.run([*openssl, *strict], input=b"", capture_output=True, env=ENV, timeout=30)
    assert (done.returncode == 0) == (again.returncode == 0), again.stderr
    return done.returncode == 0


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_programs_accept_the_server_while_the_root_is_there(layout: Layout, shared: Running, tmp_path: Path) -> None:
    if layout is DEBIAN:
        require_program("update-ca-certificates")
    one = image(tmp_path, layout)
    other = one.anchors / "other.crt"
    other.write_bytes(pem(OTHER))
    root: list[str | Path] = ["--data", shared.folder]
    assert states(one.trust("show", *root)) == ["not trusted"]
    assert states(one.trust("install", "--dry-run", *root)) == ["would be installed"]
    assert list(one.anchors.iterdir()) == [other]
    assert states(one.trust("install", *root)) == ["installed"]
    assert states(one.trust("install", *root)) == ["trusted"]
    assert states(one.trust("show", *root)) == ["trusted"]
    assert accepted(shared, one.bundle)
    assert states(one.trust("uninstall", *root)) == ["removed"]
    assert states(one.trust("uninstall", *root)) == ["not trusted"]
    assert not accepted(shared, one.bundle)
    assert list(one.anchors.iterdir()) == [other]
    assert other.read_text() in one.bundle.read_text()


def test_an_anchor_that_does_no_good_is_taken_back(shared: Running, tmp_path: Path) -> None:
    one = image(tmp_path, FEDORA)
    program = tmp_path / "local/sbin" / FEDORA.command
    for script, why in (("#!/bin/sh\necho 'no space' >&2; exit 3\n", "no space"), ("#!/bin/sh\n", "does not have")):
        program.write_text(script)
        (row,) = one.trust("install", "--data", shared.folder, status=1)
        assert row["state"] == "failed"
        assert why in row["why"]
        assert list(one.anchors.iterdir()) == []
    program.unlink()
    (row,) = one.trust("install", "--data", shared.folder)
    assert row["state"] == "skipped"
    assert "install the package" in row["why"]


def test_it_is_removed_under_any_name_and_never_with_others(shared: Running, tmp_path: Path) -> None:
    one = image(tmp_path, FEDORA)
    root = shared.root.read_bytes()
    assert states(one.trust("install", "--data", shared.folder)) == ["installed"]
    (one.anchors / "by-hand.pem").write_bytes(root)
    assert states(one.trust("uninstall", shared.root)) == ["removed"]
    assert list(one.anchors.iterdir()) == []
    both = one.anchors / "both.pem"
    both.write_bytes(root + pem(OTHER))
    one.bundle.write_bytes(root)
    (row,) = one.trust("uninstall", shared.root, status=1)
    assert "both.pem has other certificates" in row["why"]
    assert both.exists()


def test_firefox_and_chromium_of_every_user_are_found(shared: Running, tmp_path: Path) -> None:
    certutil = require_program("certutil")
    one = image(tmp_path, FEDORA)
    (one.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    folders = [one.root / "home/ann/.mozilla/firefox/x.default", one.root / "home/ann/.pki/nssdb"]
    for folder in folders:
        folder.mkdir(parents=True)
        subprocess.run([certutil, "-N", "-d", f"sql:{folder}", "--empty-password"], check=True)
    for path in (tmp_path, *(one.root / "home/ann").rglob("*"), one.root / "home/ann"):
        os.chown(path, 1000, 1000)
    rows = one.trust("install", shared.root, "--only", "nss")
    places = {row["place"]: row["state"] for row in rows if row["kind"] == "nss"}
    assert places == {str(folder): "installed" for folder in folders}
    for folder in folders:
        assert {file.stat().st_uid for file in folder.iterdir()} == {1000}, "root's own files lie there now"
        flags = [
            "-d",
            f"sql:{folder}",
            "-h",
            "127.0.0.1",
            "-a",
            "localhost",
            "-p",
            str(shared.ports.https),
            "-Q",
            "-V",
            "tls1.2:",
        ]
        assert subprocess.run([require_program("tstclnt"), *flags], capture_output=True, timeout=30).returncode == 0
    rows = one.trust("uninstall", shared.root, "--only", "nss")
    assert [row["state"] for row in rows if row["kind"] == "nss"] == ["removed", "removed"]
    assert subprocess.run([require_program("tstclnt"), *flags], capture_output=True, timeout=30).returncode != 0
