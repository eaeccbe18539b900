"""Encryption in the format of age (age-encryption.org/v1), by pyrage; the program `age` reads and writes the same."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from zonemint.core.errors import BackupError
from zonemint.core.text import shown

__all__ = ["Keys", "decrypted", "encrypted", "is_encrypted", "read_identities", "recipient"]

_MAGIC = b"age-encryption.org/v1"
_MOST_IN_MEMORY = 512 << 20  # octets: what is encrypted with a password is so in one piece


class Keys(NamedTuple):
    """What locks or opens a backup: a password, or recipients (to lock) or identities (to open) of age."""

    password: str = ""
    others: tuple[Any, ...] = ()


def recipient(text: str) -> Any:
    """Read a recipient, `age1...`; raises BackupError."""
    pyrage = _pyrage()
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise BackupError(
            f"'{shown(text)}' is no recipient of age: one begins with age1, and `age-keygen` makes it"
        ) from None


def read_identities(file: Path) -> tuple[Any, ...]:
    """Read a file that `age-keygen` wrote; raises BackupError."""
    pyrage = _pyrage()
    try:
        lines = [line.strip() for line in file.read_text("ascii").splitlines()]
        found = tuple(pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#"))
    except OSError as error:
        raise BackupError(f"{file}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, pyrage.IdentityError):
        raise BackupError(f"{file}: a line is no identity of age, which begins with AGE-SECRET-KEY-1") from None
    if not found:
        raise BackupError(f"{file}: there is no identity of age in it")
    return found


def is_encrypted(source: io.BufferedReader) -> bool:
    """Tell whether a backup is encrypted; nothing is consumed."""
    return source.peek(len(_MAGIC)).startswith(_MAGIC)


@contextmanager
def encrypted(out: BinaryIO, keys: Keys) -> Iterator[BinaryIO]:
    """Encrypt what is written; all of it is in `out` afterwards. Raises BackupError, OSError."""
    pyrage = _pyrage()
    if keys.password:
        whole = _Bounded()
        yield whole
        out.write(pyrage.passphrase.encrypt(whole.getvalue(), keys.password))
        return
    kept = _Kept(out)
    with _piped("rb", "wb", lambda end: pyrage.encrypt_io(end, kept, list(keys.others)), kept) as end:
        yield end


@contextmanager
def decrypted(source: BinaryIO, keys: Keys) -> Iterator[BinaryIO]:
    """Decrypt what is read. Raises BackupError when it is damaged, or when nothing in `keys` opens it; OSError."""
    pyrage = _pyrage()
    if keys.password:
        whole = source.read(_MOST_IN_MEMORY + 1)
        if len(whole) > _MOST_IN_MEMORY:
            raise BackupError("the backup is too large to be encrypted with a password: use --identity")
        try:
            plain = pyrage.passphrase.decrypt(whole, keys.password)
        except pyrage.DecryptError as error:
            raise BackupError(f"the backup cannot be decrypted: {error}; is it the right password?") from None
        yield io.BytesIO(plain)
        return
    kept = _Kept(source)
    with _piped("wb", "rb", lambda end: pyrage.decrypt_io(kept, end, list(keys.others)), kept) as end:
        yield end


class _Bounded(io.BytesIO):
    def write(self, octets: Any) -> int:
        if self.tell() + len(octets) > _MOST_IN_MEMORY:
            raise BackupError(
                f"more than {_MOST_IN_MEMORY >> 20} MiB cannot be encrypted with a password: use --recipient"
            )
        return super().write(octets)


class _Kept:
    """A file whose error is kept: the library tells of it in its own words, or not at all."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.failure: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        with self._noted():
            octets: bytes = self._file.read(size)
            return octets

    def write(self, octets: bytes) -> int:
        with self._noted():
            count: int = self._file.write(octets)
            return count

    def flush(self) -> None:
        with self._noted():
            self._file.flush()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close the file, whatever happens."""
        try:
            yield
        finally:
            with self._noted(), suppress(BrokenPipeError):
                self._file.close()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def _piped(its: str, ours: str, work: Callable[[_Kept], None], file: _Kept) -> Iterator[BinaryIO]:
    """Have a thread work at one end of a pipe while the caller is at the other, and tell what failed first."""
    ends = dict(zip(("rb", "wb"), os.pipe(), strict=True))
    failures: list[Exception] = []
    pipe = _Kept(os.fdopen(ends[its], its))

    def run() -> None:
        with pipe.closing():
            try:
                work(pipe)
                pipe.flush()
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=run, name="age", daemon=True)
    thread.start()
    end = os.fdopen(ends[ours], ours)
    try:
        yield cast(BinaryIO, end)
        end.close()
    except BaseException:
        # What was buffered may have nobody to go to.
        with suppress(OSError):
            end.close()
        thread.join()
        if failures and pipe.failure is None:
            raise _translated(failures[0], file) from None
        raise
    thread.join()
    if failures:
        raise _translated(failures[0], file)


def _translated(failure: Exception, file: _Kept) -> Exception:
    return file.failure or BackupError(f"the backup cannot be decrypted: {failure}")


def _pyrage() -> Any:
    try:
        import pyrage  # type: ignore[import-untyped]
    except ImportError:
        raise BackupError("encrypted backups need the library pyrage: pip install 'zonemint[backup]'") from None
    return pyrage
