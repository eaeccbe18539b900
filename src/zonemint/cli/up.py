"""`zonemint up`: the whole server in one process, until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zonemint.app.server import Server
    from zonemint.config import Config, DataDir
    from zonemint.pki.authority import Authority

__all__ = ["up"]

_PATIENCE = 30.0  # seconds to wait for a database that is not there yet, for machines start in any order


def up(
    domain: Annotated[
        list[str] | None,
        typer.Option(
            "--domain", metavar="DOMAIN", help="For an empty folder: the private domain to serve and sign for."
        ),
    ] = None,
    listen: Annotated[str | None, typer.Option("--listen", metavar="ADDR", help="The address to listen on.")] = None,
    dns_port: Annotated[int | None, typer.Option("--dns-port", metavar="PORT", help="DNS, UDP and TCP.")] = None,
    https_port: Annotated[
        int | None, typer.Option("--https-port", metavar="PORT", help="ACME and the TXT API.")
    ] = None,
    http_port: Annotated[int | None, typer.Option("--http-port", metavar="PORT", help="Roots, CRL, metrics.")] = None,
    external_url: Annotated[
        str | None, typer.Option("--external-url", metavar="URL", help="Where clients reach the HTTPS listener.")
    ] = None,
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """Serve: the CA with ACME, DNS and the TXT API.

    An empty folder is initialised first, with the options as its settings; later they hold for one run.
    """
    import asyncio
    import time

    from zonemint.app.joining import domains_of
    from zonemint.cli.init import initialise
    from zonemint.cli.logs import configure
    from zonemint.config import Config, DataDir, data_dir, database_url, override

    began = time.perf_counter()
    configure()

    def with_options(config: Config) -> Config:
        return override(
            config,
            address=listen,
            dns_port=dns_port,
            https_port=https_port,
            http_port=http_port,
            external_url=external_url,
            database=database,
        )

    folder = DataDir(data_dir(data))
    if not domain and not folder.config.exists() and (url := database_url(database, "")):
        domain = list(asyncio.run(domains_of(url, patience=_PATIENCE)))
    chosen = with_options(Config(domain[0], extra_domains=tuple(domain[1:]))) if domain else None
    saved, authority = initialise(folder, chosen, now=time.time(), database=database, patience=_PATIENCE)
    config = with_options(saved)
    config = override(config, database=database_url(database, config.store.database))
    _serve(folder, config, authority, _notes(folder, saved, config), began)


def _serve(folder: DataDir, config: Config, authority: Authority, notes: Sequence[str], began: float) -> None:
    import asyncio
    import resource
    import signal
    import sys
    import time
    from contextlib import suppress

    from zonemint.app.server import Server
    from zonemint.core.errors import ConfigError

    if sys.platform == "win32":
        raise ConfigError("the server runs on Linux, macOS and the BSDs")

    import uvloop

    async def run() -> None:
        server = Server(folder, config, authority)
        stop = asyncio.Event()
        serving = asyncio.current_task()
        assert serving is not None

        def end() -> None:
            # A start waits for a node with the CA's key for as long as that takes, and is given up.
            if not server.ready and not stop.is_set():
                serving.cancel()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, end)
        with suppress(asyncio.CancelledError):
            async with server:
                print(_screen(folder, config, authority, server, notes))
                print(f"ready in {time.perf_counter() - began:.2f} s: {server.directory_url}", flush=True)
                await stop.wait()

    # Each connection takes a descriptor, and the usual soft limit is there for programs that use select().
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(run())


def _notes(folder: DataDir, saved: Config, config: Config) -> list[str]:
    """Return what works and yet may not be what was meant, a sentence each; the store is not open yet."""
    import ipaddress

    from zonemint.config import advertised, masked, settings

    notes = []
    before = dict(settings(masked(saved)))
    if changed := [f"{key} = {value}" for key, value in settings(masked(config)) if before[key] != value]:
        notes.append(f"for this run only: {', '.join(changed)}; other commands go by {folder.config}")
    if not config.store.database and folder.server_certificate.exists() and not folder.database.exists():
        notes.append(f"{folder.database} is gone, and accounts, CNAMEs, orders and revocations with it; it begins anew")
    everywhere = ipaddress.ip_address(config.listen.address).is_unspecified
    if everywhere and ipaddress.ip_address(address := advertised(config.listen)).is_loopback:
        notes.append(f"ca.{config.domain} is {address}, of no use to other machines: set listen.advertise")
    return notes


def _screen(folder: DataDir, config: Config, authority: Authority, server: Server, notes: Sequence[str]) -> str:
    """Say what runs where, what may surprise, and what to do next."""
    from zonemint.config import advertised, masked

    address = advertised(config.listen)
    port = "" if server.http_port == 80 else f":{server.http_port}"
    plain = f"http://{address if ':' not in address else f'[{address}]'}{port}"
    remarks = "".join(f"  note: {note}\n" for note in notes)
    name = f"server-1.{config.domain}"
    shared = ""
    if config.store.database:
        shared = f" and {masked(config).store.database}"
        shared += "" if authority.can_sign else "; the CA's key is on other nodes, which sign for this one"
    return f"""\
zonemint serves {", ".join(config.domains)} from {folder.path}{shared}

  ACME directory    {server.directory_url}
  DNS               {address} port {server.dns_port} (UDP and TCP)
  TXT API           {config.external_url}/register and /update (acme-dns)
  root SHA-256      {authority.fingerprint}
{remarks}
Next:
  1. Let clients ask this DNS server for {config.domain} (try: dig @{address} -p {server.dns_port} ca.{config.domain}).
  2. Trust the root on each machine; compare the hash with the one above:
     curl -fsS {plain}/roots.pem -o zonemint-root.crt
     openssl x509 -in zonemint-root.crt -outform DER | sha256sum
  3. Register a name, then paste the certbot line that it prints:
     zonemint register {name} --for certbot --data {folder.path}
"""
