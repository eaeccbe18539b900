"""The machine whose stores are meant: this one, or another one's file system below a folder; and its programs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zonemint.core.errors import TrustError

__all__ = ["Home", "Machine"]

_TIMEOUT = 120.0  # seconds that a program may take
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIRST_USER, _NOBODY = 1000, 65534  # ids of people, on Linux


@dataclass(frozen=True, slots=True)
class Home:
    """A home folder and whose it is."""

    path: Path
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Machine:
    """A file system; `root` is `/`, or the folder below which another machine's lies, whose programs run inside it."""

    root: Path = Path("/")

    @property
    def is_here(self) -> bool:
        """Whether it is this machine's own."""
        return self.root == Path("/")

    @property
    def is_ours(self) -> bool:
        """Whether we may change what belongs to the system."""
        return os.geteuid() == 0

    def at(self, path: str) -> Path:
        """Return where an absolute path of the machine is found."""
        return self.root / path.lstrip("/")

    def inside(self, path: Path) -> str:
        """Return the path as the machine's own programs say it."""
        return str(path) if self.is_here else f"/{path.relative_to(self.root)}"

    def program(self, name: str) -> str | None:
        """Find one of its programs, as an absolute path on it."""
        if self.is_here:
            return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PATH}")
        for folder in _PATH.split(":"):
            if self.at(f"{folder}/{name}").exists():
                return f"{folder}/{name}"
        return None

    def homes(self) -> Iterator[Home]:
        """Yield the home folders to look into: one's own; for root, everyone's. A home is its owner's."""
        folders = [Path(os.environ["HOME"])] if self.is_here and os.environ.get("HOME") else []
        if self.is_ours:
            folders += [self.at(path) for uid, path in self._users() if uid == 0 or _FIRST_USER <= uid < _NOBODY]
        for folder in dict.fromkeys(folders):
            with suppress(OSError):
                about = folder.stat()
                yield Home(folder, about.st_uid, about.st_gid)

    def run(
        self,
        words: Sequence[str],
        *,
        owner: Home | None = None,
        content: bytes = b"",
        env: dict[str, str] | None = None,
    ) -> bytes:
        """Run a program of the machine to its end, as the owner of a home if we are root; return what it printed.

        `content` is what it reads. It has no terminal, so it cannot ask. Raises TrustError.
        """
        name = Path(words[0]).name
        inside = [] if self.is_here else [shutil.which("chroot", path=_PATH) or "chroot", str(self.root)]
        lower = self.is_ours and owner is not None and owner.uid != 0
        if lower and owner is not None and not self.is_here:
            inside.insert(1, f"--userspec={owner.uid}:{owner.gid}")
        direct = owner if lower and self.is_here else None
        try:
            done = subprocess.run(  # noqa: S603 - the words are ours
                [*inside, *words],
                input=content,
                capture_output=True,
                timeout=_TIMEOUT,
                env={"PATH": _PATH, "LC_ALL": "C", **(env or {})},
                cwd="/",
                start_new_session=True,
                user=direct.uid if direct else None,
                group=direct.gid if direct else None,
                extra_groups=[] if direct else None,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TrustError(f"{name} did not end within {_TIMEOUT:.0f} s") from None
        except OSError as error:
            raise TrustError(f"{name} cannot be run: {error.strerror}") from None
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace").splitlines()
            raise TrustError(f"{name} failed: {' '.join(lines[-1:]) or f'exit status {done.returncode}'}")
        return done.stdout

    def _users(self) -> Iterator[tuple[int, str]]:
        """Yield ids and home folders."""
        if self.is_here:
            yield from ((one.pw_uid, one.pw_dir) for one in pwd.getpwall())
            return
        try:
            lines = self.at("/etc/passwd").read_text(errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            fields = line.split(":")
            if len(fields) == 7 and fields[2].isdecimal():
                yield int(fields[2]), fields[5]
