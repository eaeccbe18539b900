"""Foreign servers for the hook to talk to: an HTTP API with the bytes of acme-dns, and a resolver by dnspython."""

from __future__ import annotations

import json
import re
import secrets
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

__all__ = ["AcmeDns", "Resolver"]


class AcmeDns:
    """What acme-dns 2.0 does on /register and /update, to the byte, on a free port of 127.0.0.1.

    With a `token` it is one that demands it and keeps accounts in lego's storage protocol, with the status `keeps`.
    `closed` takes the route /register away, as `disable_registration` does; `say` answers every request with a
    status, headers and a body instead.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, object]] = {}
        self.values: dict[str, list[str]] = {}
        self.requests: list[tuple[str, Mapping[str, str], bytes]] = []
        self.closed = False
        self.token = ""
        self.keeps = 201
        self.kept: dict[str, object] = {}
        self.say: tuple[int, dict[str, str], bytes] | None = None
        self.url = ""

    @contextmanager
    def running(self, tls: ssl.SSLContext | None = None) -> Iterator[AcmeDns]:
        """Serve until the end of the block."""
        with ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) as server:
            if tls is not None:
                server.socket = tls.wrap_socket(server.socket, server_side=True)
            self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                api.requests.append((self.path, dict(self.headers.items()), body))
                status, headers, reply = api.say or api.answer(self.path, dict(self.headers.items()), body)
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, further headers and body."""
        if self.token and path != "/update" and headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {}, b'{"error": "unauthorized"}'
        if self.token and path.startswith("/storage/"):
            self.kept[path.removeprefix("/storage/")] = json.loads(body)
            return self.keeps, {}, b""
        if path == "/register" and not self.closed:
            return self._register(body)
        if path == "/update":
            return self._update(headers, body)
        return 404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n"

    def _register(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if body not in (b"", b"null"):
            return 400, {}, b'{"error": "malformed_json_payload"}'
        subdomain = str(uuid.uuid4())
        account: dict[str, object] = {
            "username": str(uuid.uuid4()),
            "password": secrets.token_urlsafe(30),
            "fulldomain": f"{subdomain}.auth.example.org",
            "subdomain": subdomain,
            "allowfrom": [],
        }
        self.accounts[subdomain] = account
        return 201, {}, json.dumps(account, separators=(",", ":")).encode()

    def _update(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        lower = {name.lower(): value for name, value in headers.items()}
        update = json.loads(body)
        account = self.accounts.get(update["subdomain"], {})
        if (lower.get("x-api-user"), lower.get("x-api-key")) != (account.get("username"), account.get("password")):
            return 401, {}, b'{"error": "forbidden"}'
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}", update["txt"]):
            return 400, {}, b'{"error": "bad_txt"}'
        self.values.setdefault(update["subdomain"], []).append(update["txt"])
        return 200, {}, b'{"txt": "%s"}' % update["txt"].encode()


class Resolver:
    """A resolver that knows some CNAMEs, or fails with `rcode`; every other name does not exist."""

    def __init__(self) -> None:
        self.cnames: dict[str, str] = {}
        self.rcode: dns.rcode.Rcode | None = None
        self.asked: list[str] = []
        self.address = ""

    @contextmanager
    def running(self) -> Iterator[Resolver]:
        """Answer until the end of the block."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
            listener.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{listener.getsockname()[1]}"
            thread = threading.Thread(target=self._serve, args=(listener,))
            thread.start()
            try:
                yield self
            finally:
                listener.sendto(b"", listener.getsockname())
                thread.join()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            wire, client = listener.recvfrom(4096)
            if not wire:
                return
            listener.sendto(self.answer(wire), client)

    def answer(self, wire: bytes) -> bytes:
        """Answer one query."""
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.asked.append(name)
        if self.rcode is not None:
            response.set_rcode(self.rcode)
        elif name in self.cnames:
            response.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "CNAME", self.cnames[name] + "."))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()
