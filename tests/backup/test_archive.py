"""The reader of backups believes nothing: what it takes is what the writer writes, and all else is one clear line."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zonemint.backup import archive, manifest
from zonemint.backup.manifest import Manifest
from zonemint.core.errors import BackupError

CONTENTS: dict[str, archive.Content] = {
    "zonemint.toml": b'domain = "lab.test"\n',
    "zones/lab.test.zone": b"x" * 1024,
    "pki/root.crt": b"",
    "zonemint.db": b"not looked at here" * 50_000,
}


def about(contents: dict[str, archive.Content] = CONTENTS) -> Manifest:
    members = tuple(archive.describe(name, content) for name, content in contents.items())
    return Manifest(1, "0.1.0", 2, "sqlite", 1_700_000_000, ("lab.test",), "", members, ())


def packed(made: Manifest | None = None, contents: dict[str, archive.Content] = CONTENTS) -> bytes:
    out = io.BytesIO()
    archive.write(out, made or about(contents), contents, untold)
    return out.getvalue()


def untold(what: str, done: int, total: int) -> None:
    """Nobody looks."""


def unpacked(octets: bytes) -> dict[str, bytes]:
    """Read a backup; the files that are there afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        archive.unpack(io.BytesIO(octets), Path(folder), untold)
        return {
            str(file.relative_to(folder)): file.read_bytes() for file in Path(folder).rglob("*") if not file.is_dir()
        }


def refused(octets: bytes) -> str:
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room) / "in"
        folder.mkdir()
        with pytest.raises(BackupError) as caught:
            archive.unpack(io.BytesIO(octets), folder, untold)
        assert [file.name for file in Path(room).iterdir()] == ["in"]
    sentence = str(caught.value)
    assert sentence
    assert "\n" not in sentence
    return sentence


def tar_of(add: Callable[[tarfile.TarFile], None], *, first: bytes | None = None) -> bytes:
    """A tar file that is foreign: our manifest, and what somebody else would add."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        plain(manifest.NAME, manifest.encode(about()) if first is None else first)(tar)
        add(tar)
    return out.getvalue()


def plain(name: str, content: bytes) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))

    return add


def special(kind: bytes, name: str = "zonemint.toml", target: str = "/etc/passwd") -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        tar.addfile(info)

    return add


def with_member(name: str, size: int = 1) -> bytes:
    made = about()
    member = manifest.Member(name, size, "0" * 64)
    return manifest.encode(msgspec.structs.replace(made, members=(member, *made.members)))


def test_there_and_back(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_bytes(b"page" * 1_000_001)
    contents = {**CONTENTS, "zonemint.db": store}
    assert unpacked(packed(about(contents), contents)) == {
        name: content if isinstance(content, bytes) else content.read_bytes() for name, content in contents.items()
    }


def test_tar_reads_it_with_the_manifest_first() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed())) as tar:
        assert tar.getnames() == [manifest.NAME, *CONTENTS]
        assert {member.mode for member in tar.getmembers()} == {0o600}


def test_the_same_twice_is_the_same_file() -> None:
    assert packed() == packed()


def test_files_are_private(tmp_path: Path) -> None:
    archive.unpack(io.BytesIO(packed()), tmp_path, untold)
    modes = {file.stat().st_mode & 0o777 for file in tmp_path.rglob("*") if not file.is_dir()}
    assert modes == {0o600}
    assert (tmp_path / "zones").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"x", b"L"],
)
def test_nothing_but_plain_files(kind: bytes) -> None:
    # tarfile writes the names of pax and GNU headers itself.
    if kind in (b"x", b"L"):
        block = bytearray(tarfile.TarInfo("zonemint.toml").tobuf(tarfile.GNU_FORMAT))
        block[156:157] = kind
        block[148:156] = b"        "
        block[148:156] = f"{sum(block):06o}\0 ".encode()
        whole = gzip.decompress(tar_of(lambda tar: None)).rstrip(b"\0")
        octets = gzip.compress(whole + bytes(-len(whole) % 512) + bytes(block) + bytes(1024))
    else:
        octets = tar_of(special(kind))
    assert "no plain file" in refused(octets)


@pytest.mark.parametrize(
    "name",
    [
        "../escape", "/etc/passwd", "zones/../../escape", "zones/.hidden", "pki/x.pem", "zones/a/b", "zonemint.db-wal",
        "pki/root.crt\n", "zonemint.toml ", "", "zones/", "a" * 300, "zones/\N{SNOWMAN}", ".", "ZONEMINT.TOML",
    ],
)  # fmt: skip
def test_no_name_leads_anywhere_else(name: str) -> None:
    assert "no place in a data folder" in refused(tar_of(plain(name, b"x"), first=with_member(name)))


def test_a_name_that_the_manifest_does_not_say() -> None:
    assert "'zonemint.toml' should follow" in refused(tar_of(plain("../escape", b"x")))


def test_a_file_twice() -> None:
    assert "twice" in refused(tar_of(plain("zonemint.toml", b"x"), first=with_member("zonemint.toml")))


def test_a_small_file_that_is_large() -> None:
    assert "too large" in refused(tar_of(plain("acmedns.json", b"x"), first=with_member("acmedns.json", 1 << 30)))


def test_more_than_there_is_room_for() -> None:
    made = about()
    members = tuple(
        msgspec.structs.replace(one, size=1 << 49) if one.name == "zonemint.db" else one for one in made.members
    )
    first = manifest.encode(msgspec.structs.replace(made, members=members))
    assert "are free" in refused(tar_of(lambda tar: None, first=first))


def test_a_manifest_without_end() -> None:
    assert "begins with" in refused(tar_of(lambda tar: None, first=b" " * (manifest.LONGEST + 1)))


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (b"", "manifest cannot be read"),
        (b"[" * 100_000, "manifest cannot be read"),
        (b"\xff", "manifest cannot be read"),
        (b'{"format": 2, "what": "unknown"}', "use a newer zonemint"),
        (b'{"format": 1}', "manifest cannot be read"),
    ],
)
def test_a_manifest_that_is_none(first: bytes, why: str) -> None:
    assert why in refused(tar_of(lambda tar: None, first=first))


def test_a_manifest_without_a_store() -> None:
    made = about({name: content for name, content in CONTENTS.items() if name != "zonemint.db"})
    assert "no zonemint.db" in refused(tar_of(lambda tar: None, first=manifest.encode(made)))


def test_another_content() -> None:
    other = {**CONTENTS, "zones/lab.test.zone": b"y" * 1024}
    assert "'zones/lab.test.zone' is not what was backed up" in refused(packed(about(), other))


def test_something_after_the_end() -> None:
    whole = gzip.decompress(packed())
    assert "after its end" in refused(gzip.compress(whole + b"x"))
    assert "after its end" in refused(gzip.compress(whole[:-1024] + whole[:512] + bytes(1024)))
    assert "does not come" in refused(gzip.compress(whole + bytes(1 << 20)))


@pytest.mark.parametrize(
    "octets", [b"", b"no backup at all", b"\x1f\x8b", gzip.compress(b"", mtime=0), gzip.compress(b"x" * 512, mtime=0)]
)
def test_what_is_no_backup(octets: bytes) -> None:
    refused(octets)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_one_that_is_cut_off(part: float) -> None:
    whole = packed()
    refused(whole[: int(len(whole) * part)])


@settings(max_examples=300)
@given(st.data())
def test_no_changed_octet_goes_unnoticed(data: st.DataObject) -> None:
    whole = bytearray(gzip.decompress(PLAIN))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = archive.unpack(io.BytesIO(gzip.compress(bytes(whole), 1)), Path(folder), untold)
        except BackupError:
            return
        # Of a header, only name, size and type mean anything; of the manifest, what says where it comes from.
        assert [one.name for one in made.members] == list(SMALL)
        assert {name: (Path(folder) / name).read_bytes() for name in SMALL} == SMALL


@settings(max_examples=200)
@given(st.binary(max_size=2000), st.booleans())
def test_any_octets(octets: bytes, compressed: bool) -> None:
    refused(gzip.compress(octets) if compressed else octets)


_KEYS = st.sampled_from(["format", "members", "name", "size", "sha256", "schema", "domains"])
_LEAVES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8"))


@settings(max_examples=200)
@given(st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner)))
def test_any_manifest(value: object) -> None:
    with pytest.raises(BackupError):
        manifest.decode(msgspec.json.encode(value))


SMALL: dict[str, bytes] = {"zonemint.toml": b"domain", "zonemint.db": b"store" * 30}
PLAIN = packed(about({**SMALL}), {**SMALL})
