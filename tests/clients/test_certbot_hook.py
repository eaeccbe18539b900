from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from tests.clients.servers import AcmeDns, Resolver
from tests.programs import require_program
from zonemint.clients import certbot_hook

SOURCE = Path(certbot_hook.__file__)
DOMAIN = "server-1.example.org"
OWNER = f"_acme-challenge.{DOMAIN}"
TXT = "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def server() -> Iterator[AcmeDns]:
    with AcmeDns().running() as server:
        yield server


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    with Resolver().running() as resolver:
        yield resolver


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "acmedns.json"


@pytest.fixture
def run(server: AcmeDns, resolver: Resolver, storage: Path) -> Run:
    """Run the installed hook as certbot does; a variable given as None is not set."""
    return runner([str(Path(sys.executable).with_name("zonemint-certbot-hook"))], server, resolver, storage)


def runner(command: list[str], server: AcmeDns, resolver: Resolver, storage: Path) -> Run:
    def run(**env: str | None) -> subprocess.CompletedProcess[str]:
        whole = {
            "PATH": os.environ["PATH"],
            "CERTBOT_DOMAIN": DOMAIN,
            "CERTBOT_VALIDATION": TXT,
            "ACMEDNS_URL": server.url,
            "ACMEDNS_STORAGE": str(storage),
            "ACMEDNS_RESOLVER": resolver.address,
            **env,
        }
        chosen = {name: value for name, value in whole.items() if value is not None}
        return subprocess.run(command, capture_output=True, text=True, env=chosen, timeout=30)

    return run


def stored(storage: Path) -> dict[str, dict[str, Any]]:
    accounts: dict[str, dict[str, Any]] = json.loads(storage.read_text())
    return accounts


def failed(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line with which the hook failed."""
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("zonemint-certbot-hook: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("zonemint-certbot-hook: ").rstrip("\n")


@pytest.fixture
def account(run: Run, resolver: Resolver, storage: Path) -> dict[str, Any]:
    """An account that was registered before, with its CNAME in place."""
    assert run().returncode == 0
    account = stored(storage)[DOMAIN]
    resolver.cnames[OWNER] = account["fulldomain"]
    return account


@pytest.mark.parametrize("kind", ["installed", "copied"])
def test_a_first_run_registers_saves_hints_and_updates(
    server: AcmeDns, resolver: Resolver, storage: Path, tmp_path: Path, kind: str
) -> None:
    command = [str(Path(sys.executable).with_name("zonemint-certbot-hook"))]
    if kind == "copied":
        command = [require_program("python3"), "-I", str(shutil.copy(SOURCE, tmp_path / "hook.py"))]
    done = runner(command, server, resolver, storage)()
    assert (done.returncode, done.stderr) == (0, "")
    [registered] = server.accounts.values()
    assert stored(storage) == {DOMAIN: {**registered, "server_url": server.url}}
    assert stat.S_IMODE(storage.stat().st_mode) == 0o600
    assert server.values == {registered["subdomain"]: [TXT]}
    assert f"\n{OWNER}. IN CNAME {registered['fulldomain']}.\n" in done.stdout
    assert str(registered["password"]) not in done.stdout
    assert str(registered["username"]) not in done.stdout


def test_a_renewal_needs_the_file_only_and_says_nothing(
    run: Run, server: AcmeDns, account: dict[str, Any], storage: Path
) -> None:
    before = storage.read_bytes()
    done = run(ACMEDNS_URL=None, CERTBOT_VALIDATION="x" * 43)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert server.values[account["subdomain"]] == [TXT, "x" * 43]
    assert len(server.accounts) == 1
    assert storage.read_bytes() == before


@pytest.mark.parametrize("name", [f"*.{DOMAIN}", DOMAIN.upper()])
def test_a_wildcard_and_its_base_share_an_account(
    run: Run, server: AcmeDns, account: dict[str, Any], name: str
) -> None:
    assert run(CERTBOT_DOMAIN=name).returncode == 0
    assert server.values == {account["subdomain"]: [TXT, TXT]}


@pytest.mark.usefixtures("account")
def test_the_hint_stays_until_the_cname_is_there(run: Run, resolver: Resolver) -> None:
    assert run().stdout == ""
    del resolver.cnames[OWNER]
    assert run().stdout.startswith(f"{OWNER} is no CNAME yet. Add this line")


def test_a_cname_that_leads_elsewhere_is_told(run: Run, account: dict[str, Any], resolver: Resolver) -> None:
    resolver.cnames[OWNER] = "old.example.net"
    done = run()
    assert done.returncode == 0
    assert done.stdout.startswith(f"{OWNER} leads to old.example.net. Add this line")
    assert f"\n{OWNER}. IN CNAME {account['fulldomain']}.\n" in done.stdout


def test_a_chain_of_cnames_is_followed(run: Run, account: dict[str, Any], resolver: Resolver) -> None:
    resolver.cnames.update({OWNER: "hop.example.net", "hop.example.net": account["fulldomain"]})
    resolver.asked.clear()
    assert run().stdout == ""
    assert resolver.asked == [OWNER, "hop.example.net"]


@pytest.mark.usefixtures("account")
def test_a_loop_of_cnames_comes_to_an_end(run: Run, resolver: Resolver) -> None:
    resolver.cnames.update({OWNER: "hop.example.net", "hop.example.net": OWNER})
    assert "IN CNAME" in run().stdout


def test_a_resolver_that_fails_makes_a_first_hint_and_no_later_one(run: Run, resolver: Resolver) -> None:
    resolver.rcode = dns.rcode.SERVFAIL
    first = run()
    assert first.returncode == 0
    assert "does not answer (rcode 2), so this record may be missing" in first.stdout
    assert f"{OWNER}. IN CNAME " in first.stdout
    assert run().stdout == ""


def test_a_second_domain_registers_where_the_first_did(run: Run, server: AcmeDns, account: dict[str, Any]) -> None:
    done = run(ACMEDNS_URL=None, CERTBOT_DOMAIN="other.example.org")
    assert done.returncode == 0
    assert len(server.accounts) == 2


def test_other_entries_and_their_fields_are_kept(run: Run, storage: Path) -> None:
    other = {"a.example.org": {"username": "u", "extra": [1], "server_url": "https://elsewhere.example"}}
    storage.write_text(json.dumps(other))
    assert run().returncode == 0
    assert stored(storage).keys() == {"a.example.org", DOMAIN}
    assert stored(storage)["a.example.org"] == other["a.example.org"]


def test_a_symbolic_link_to_the_file_stays_one(run: Run, storage: Path, tmp_path: Path) -> None:
    storage.symlink_to(tmp_path / "real.json")
    assert run().returncode == 0
    assert storage.is_symlink()
    assert DOMAIN in stored(tmp_path / "real.json")


def test_nothing_is_registered_that_cannot_be_saved(run: Run, server: AcmeDns, tmp_path: Path) -> None:
    line = failed(run(ACMEDNS_STORAGE=str(tmp_path / "missing/acmedns.json")))
    assert line == f"{tmp_path}/missing/acmedns.json: cannot be written: No such file or directory"
    assert server.requests == []


def test_a_registered_account_is_saved_before_it_is_used(run: Run, server: AcmeDns, storage: Path) -> None:
    done = run(CERTBOT_VALIDATION="short")
    assert (done.returncode, done.stderr) == (1, f"zonemint-certbot-hook: {server.url}/update answered 400: bad_txt\n")
    assert stored(storage).keys() == {DOMAIN}
    assert run().returncode == 0
    assert len(server.accounts) == 1


def test_closed_registration_is_one_line(run: Run, server: AcmeDns) -> None:
    server.closed = True
    assert failed(run()) == f"{server.url}/register answered 404"


def test_a_refused_account_is_one_line_without_its_secrets(run: Run, server: AcmeDns, account: dict[str, Any]) -> None:
    server.accounts.clear()
    line = failed(run())
    assert line == f"{server.url}/update answered 401: forbidden"
    assert account["password"] not in line


@pytest.mark.usefixtures("account")
def test_credentials_are_not_carried_to_where_a_redirect_leads(run: Run, server: AcmeDns) -> None:
    with AcmeDns().running() as elsewhere:
        server.say = (302, {"Location": f"{elsewhere.url}/update"}, b"")
        assert failed(run()) == f"{server.url}/update answered 302"
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ((201, {}, b"[]"), "gave no answer that can be read: not a JSON object"),
        ((201, {}, b"\xff"), "gave no answer that can be read: "),
        ((201, {}, b"{}"), "answered with something that is no account"),
        (
            (201, {}, b'{"username":"u","password":"p\\r\\nX: y","fulldomain":"f","subdomain":"s"}'),
            "answered with something that is no account",
        ),
        ((500, {}, b'{"error": "\\u001b[31m"}'), "answered 500"),
        ((500, {}, b"\x1b[31m"), "answered 500"),
        ((200, {"Transfer-Encoding": "chunked"}, b"zzz"), "gave no answer that can be read: "),
    ],
)
def test_strange_replies_are_one_line(
    run: Run, server: AcmeDns, storage: Path, reply: tuple[int, dict[str, str], bytes], says: str
) -> None:
    server.say = reply
    line = failed(run())
    assert says in line
    assert line.isprintable()
    assert stored(storage) == {}


@pytest.mark.usefixtures("account")
def test_strangers_do_not_steer_the_terminal(run: Run, resolver: Resolver) -> None:
    resolver.cnames[OWNER] = r"\027[31m.example.net"
    assert "leads to ?[31m.example.net." in run().stdout
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_once, args=(listener, b"\x1b[31m\r\n\r\n"))
        thread.start()
        line = failed(run(ACMEDNS_URL=f"http://127.0.0.1:{listener.getsockname()[1]}", ACMEDNS_RESOLVER="127.0.0.1:1"))
        thread.join()
    assert line.endswith("/update gave no answer that can be read: ?[31m??")


def answer_once(listener: socket.socket, reply: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        request = b""
        while not request.endswith(b"}"):  # the end of the JSON body
            request += connection.recv(65536)
        connection.sendall(reply)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"CERTBOT_DOMAIN": None}, "CERTBOT_DOMAIN and CERTBOT_VALIDATION are not set"),
        ({"CERTBOT_VALIDATION": None}, "CERTBOT_DOMAIN and CERTBOT_VALIDATION are not set"),
        ({"ACMEDNS_URL": None}, "no server is known to register with; set ACMEDNS_URL"),
        ({"ACMEDNS_URL": "ftp://x"}, "'ftp://x/register' is no http or https URL"),
        ({"ACMEDNS_URL": "http://127.0.0.1:1"}, "127.0.0.1:1/register cannot be reached: "),
        ({"ACMEDNS_URL": "https://127.0.0.1:1", "ACMEDNS_CA": "/nowhere"}, "/nowhere: roots to trust cannot be read: "),
        ({"ACMEDNS_RESOLVER": "1:2:3"}, "ACMEDNS_RESOLVER: '1:2:3' is not HOST or HOST:PORT"),
    ],
)
def test_wrong_settings_are_one_line(run: Run, env: dict[str, str | None], says: str) -> None:
    assert says in failed(run(**env))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON: "),
        ("[]", "not a JSON object of accounts by domain"),
        ('{"a": 5}', "not a JSON object of accounts by domain"),
        (json.dumps({DOMAIN: {"username": "u"}}), f"what stands for {DOMAIN} is no account of acme-dns"),
        (
            json.dumps({"a": {"server_url": "https://a.example"}, "b": {"server_url": "https://b.example"}}),
            "no server is known to register with",
        ),
        (
            json.dumps({DOMAIN: {"username": "u", "password": "p", "fulldomain": "f", "subdomain": "s"}}),
            f"{DOMAIN} has no server_url; set ACMEDNS_URL",
        ),
    ],
)
def test_a_file_that_does_not_help_is_one_line(run: Run, storage: Path, text: str, says: str) -> None:
    storage.write_text(text)
    assert says in failed(run(ACMEDNS_URL=None))
    assert storage.read_text() == text


def test_roots_are_trusted_by_each_variable_and_only_then(
    resolver: Resolver, storage: Path, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with AcmeDns().running(context) as server:
        run = runner([str(Path(sys.executable).with_name("zonemint-certbot-hook"))], server, resolver, storage)
        assert failed(run()).startswith(f"{server.url}/register is not trusted: ")
        for name in ("ACMEDNS_CA", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            done = run(**{name: str(certificate[0])})
            assert (done.returncode, done.stderr) == (0, "")
        assert run(ACMEDNS_CA=str(certificate[0]), SSL_CERT_FILE="/nowhere").returncode == 0


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    files = (tmp_path / "server.crt", tmp_path / "server.key")
    subprocess.run(
        [
            *(require_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", files[0], "-keyout", files[1]),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return files


def test_the_file_is_python_3_8_and_needs_the_standard_library_only() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert not {"removeprefix", "removesuffix"} & {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }


# --- a server that makes the CNAME


def test_with_a_token_the_server_keeps_the_account_and_makes_the_cname(
    run: Run, server: AcmeDns, storage: Path
) -> None:
    server.token = "zonemint_secret"
    done = run(ACMEDNS_TOKEN="zonemint_secret")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert server.kept == {DOMAIN: stored(storage)[DOMAIN]}
    assert [path for path, _, _ in server.requests] == ["/register", f"/storage/{DOMAIN}", "/update"]
    assert server.values == {stored(storage)[DOMAIN]["subdomain"]: [TXT]}
    assert "Authorization" not in server.requests[-1][1]


def test_with_a_token_a_renewal_whose_cname_is_there_makes_nothing(
    run: Run, server: AcmeDns, account: dict[str, Any]
) -> None:
    server.requests.clear()
    server.token = "zonemint_secret"
    assert run(ACMEDNS_TOKEN="zonemint_secret").stdout == ""
    assert [path for path, _, _ in server.requests] == ["/update"]
    assert server.values[account["subdomain"]] == [TXT, TXT]


def test_a_server_that_keeps_but_cannot_make_the_cname_leaves_the_hint(run: Run, server: AcmeDns) -> None:
    server.token, server.keeps = "zonemint_secret", 200
    done = run(ACMEDNS_TOKEN="zonemint_secret")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{OWNER} is no CNAME yet, and its zone is not the server's. Add this line")


@pytest.mark.usefixtures("account")
def test_a_server_that_will_not_make_it_is_told_with_the_hint(run: Run, resolver: Resolver) -> None:
    """A plain acme-dns has no such URL."""
    del resolver.cnames[OWNER]
    done = run(ACMEDNS_TOKEN="zonemint_secret")
    assert done.returncode == 0
    assert "and the server does not make it: " in done.stdout
    assert "answered 404" in done.stdout
    assert f"\n{OWNER}. IN CNAME " in done.stdout


@pytest.mark.usefixtures("account")
def test_a_token_goes_to_the_configured_server_only(run: Run, server: AcmeDns, resolver: Resolver) -> None:
    """An account may be one of another server, which has no business with it."""
    del resolver.cnames[OWNER]
    server.requests.clear()
    assert run(ACMEDNS_URL=None, ACMEDNS_TOKEN="zonemint_secret").returncode == 0
    assert [path for path, _, _ in server.requests] == ["/update"]


def test_a_token_that_is_no_header_is_refused(run: Run, server: AcmeDns) -> None:
    assert failed(run(ACMEDNS_TOKEN="a\nb")) == "ACMEDNS_TOKEN is no token"
    assert server.requests == []
