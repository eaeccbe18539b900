"""`zonemint trust install --url`: what a server shows is believed by its fingerprint alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from ssl import PEM_cert_to_DER_cert

import pytest

from tests.cli.program import run
from tests.server import Running
from zonemint.core.errors import ExchangeFailed, TrustError
from zonemint.trust.download import download


def fingerprint(server: Running) -> str:
    return sha256(PEM_cert_to_DER_cert(server.root.read_text())).hexdigest()


def nowhere(tmp_path: Path) -> list[str | Path]:
    """Return words for a machine that has nothing, so that nothing can happen to this one."""
    return ["--root", tmp_path]


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_root_of_the_fingerprint_is_taken(shared: Running, tmp_path: Path, scheme: str) -> None:
    url = shared.url if scheme == "https" else shared.plain
    for where in (url, f"{url}/", f"{url}/roots.pem"):
        done = run("trust", "install", "--url", where, "--fingerprint", fingerprint(shared), *nowhere(tmp_path))
        assert done.returncode == 0, done.stderr
        assert fingerprint(shared) in done.stderr
        assert "not limited to names" in done.stderr


def test_another_fingerprint_changes_nothing(shared: Running, tmp_path: Path) -> None:
    done = run("trust", "install", "--url", shared.url, "--fingerprint", "ab" * 32, *nowhere(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was changed" in done.stderr


def test_a_url_alone_is_wrong_usage(shared: Running, tmp_path: Path) -> None:
    done = run("trust", "install", "--url", shared.url, *nowhere(tmp_path))
    assert done.returncode == 2
    assert "--fingerprint" in done.stderr


@pytest.mark.parametrize("url", ["ca.lab.test", "ftp://ca.lab.test", "https://", "https://a@b"])
def test_what_is_no_url_is_wrong_usage(url: str, tmp_path: Path) -> None:
    done = run("trust", "install", "--url", url, "--fingerprint", "ab" * 32, *nowhere(tmp_path))
    assert done.returncode == 2


def test_an_intermediate_is_never_trusted(shared: Running, tmp_path: Path) -> None:
    intermediate = shared.folder / "pki/intermediate.crt"
    done = run("trust", "install", intermediate, *nowhere(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no root certificate is in it" in done.stderr
    url = f"{shared.url}/intermediates.pem"
    digest = sha256(PEM_cert_to_DER_cert(intermediate.read_text())).hexdigest()
    done = run("trust", "install", "--url", url, "--fingerprint", digest, *nowhere(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Serve one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


async def test_a_redirect_is_not_followed() -> None:
    with (
        answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as url,
        pytest.raises(TrustError, match="answered 302"),
    ):
        await download(url)


async def test_too_much_is_refused() -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1 << 19)) as url,
        pytest.raises(ExchangeFailed, match="more than"),
    ):
        await download(url)
