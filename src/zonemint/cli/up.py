"""`zonemint up`: the whole server in one process, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, OnlyOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zonemint.app.server import Server
    from zonemint.config import Config, DataDir
    from zonemint.pki.authority import Authority

__all__ = ["up"]

_PATIENCE = 30.0  # seconds to wait for a database that is not there yet, for machines start in any order
_COLLECTED_AFTER = 20_000  # objects that were made and not freed again


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
    dot_port: Annotated[int | None, typer.Option("--dot-port", metavar="PORT", help="DNS over TLS, too.")] = None,
    doh_port: Annotated[int | None, typer.Option("--doh-port", metavar="PORT", help="DNS over HTTPS, too.")] = None,
    external_url: Annotated[
        str | None, typer.Option("--external-url", metavar="URL", help="Where clients reach the HTTPS listener.")
    ] = None,
    only: OnlyOption = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="The HTTPS listener's chain, of another CA.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The key of that certificate.")] = None,
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="Answer the TXT API on the HTTP port, too, without TLS.")
    ] = False,
    resolver: Annotated[
        str | None, typer.Option("--resolver", metavar="ADDR:PORT", help="The DNS server that the CA asks.")
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
            dot_port=dot_port,
            doh_port=doh_port,
            external_url=external_url,
            database=database,
            roles=only or (),
            certificate=str(certificate.absolute()) if certificate else None,
            key=str(key.absolute()) if key else None,
            plain_http=plain_http or None,
            resolver=resolver,
        )

    folder = DataDir(data_dir(data))
    if not domain and not folder.config.exists() and (url := database_url(database, "")):
        domain = list(asyncio.run(domains_of(url, patience=_PATIENCE)))
    chosen = with_options(Config(domain[0], extra_domains=tuple(domain[1:]))) if domain else None
    saved, authority = initialise(
        folder, chosen, now=time.time(), database=database, patience=_PATIENCE, roles=only or ()
    )
    config = with_options(saved)
    config = override(config, database=database_url(database, config.store.database))
    _serve(folder, config, authority, _notes(folder, saved, config), began)


def _serve(folder: DataDir, config: Config, authority: Authority | None, notes: Sequence[str], began: float) -> None:
    import asyncio
    import gc
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
                # What there is by now stays, so the garbage collector need not look at it again; of what a request
                # makes, next to nothing is in a cycle.
                gc.freeze()
                gc.set_threshold(_COLLECTED_AFTER)
                print(_screen(folder, config, authority, server, notes))
                print(f"ready in {time.perf_counter() - began:.2f} s: {server.reached_at}", flush=True)
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
    if changed := [f"{key} = {value}" for key, value in settings(masked(config)) if before.get(key) != value]:
        notes.append(f"for this run only: {', '.join(changed)}; other commands go by {folder.config}")
    if (
        "ca" in config.roles
        and not config.store.database
        and folder.server_certificate.exists()
        and not folder.database.exists()
    ):
        notes.append(f"{folder.database} is gone, and accounts, CNAMEs, orders and revocations with it; it begins anew")
    everywhere = ipaddress.ip_address(config.listen.address).is_unspecified
    if everywhere and ipaddress.ip_address(address := advertised(config.listen)).is_loopback:
        name = "auth" if "ca" not in config.roles else "ca"
        notes.append(f"{name}.{config.domain} is {address}, of no use to other machines: set listen.advertise")
    return notes


def _screen(folder: DataDir, config: Config, authority: Authority | None, server: Server, notes: Sequence[str]) -> str:
    """Say what runs where, what may surprise, and what to do next."""
    from zonemint.app.encrypted_dns import is_on_https
    from zonemint.config import advertised, masked
    from zonemint.web.doh import PATH

    address = advertised(config.listen)
    port = "" if server.http_port == 80 else f":{server.http_port}"
    plain = f"http://{address if ':' not in address else f'[{address}]'}{port}"
    remarks = "".join(f"  note: {note}\n" for note in notes)
    shared = ""
    if config.store.database:
        shared = f" and {masked(config).store.database}"
        shared += (
            "; the CA's key is on other nodes, which sign for this one" if authority and not authority.can_sign else ""
        )
    facts = []
    if authority is not None:
        facts.append(f"ACME directory    {server.directory_url}")
    if server.dns_port:
        facts.append(f"DNS               {address} port {server.dns_port} (UDP and TCP)")
    if server.dot_port:
        facts.append(f"DNS over TLS      {address} port {server.dot_port}, name ns1.{config.domain}")
    if doh := server.doh_port or (server.https_port if is_on_https(config) else 0):
        facts.append(f"DNS over HTTPS    https://ns1.{config.domain}{'' if doh == 443 else f':{doh}'}{PATH}")
    if "acmedns" in config.roles:
        facts.append(f"TXT API           {config.api_url}/register and /update (acme-dns)")
    if authority is not None:
        facts.append(f"root SHA-256      {authority.fingerprint}")
    runs = "serves" if len(config.roles) == 3 else f"runs {', '.join(config.roles)} for"
    said = "".join(f"  {fact}\n" for fact in facts)
    steps = _next(folder, config, plain, server, authority) if authority else _next_to_others(config, address)
    return f"""\
zonemint {runs} {", ".join(config.domains)} from {folder.path}{shared}

{said}{remarks}
Next:
{steps}"""


def _next(folder: DataDir, config: Config, plain: str, server: Server, authority: Authority) -> str:
    from zonemint.config import advertised

    address, domain = advertised(config.listen), config.domain
    steps = []
    if "dns" in config.roles:
        steps.append(
            f"Let clients ask this DNS server for {domain} (try: dig @{address} -p {server.dns_port} ca.{domain})."
        )
    steps.append(
        f"""Trust the root on each machine, as root:
     zonemint trust install --url {plain} --fingerprint {authority.fingerprint}
     Or without zonemint there; compare the hash with the one above:
     curl -fsS {plain}/roots.pem -o zonemint-root.crt
     openssl x509 -in zonemint-root.crt -outform DER | sha256sum"""
    )
    if "acmedns" in config.roles:
        steps.append(
            f"""Register a name, then paste the certbot line that it prints:
     zonemint register server-1.{domain} --for certbot --data {folder.path}"""
        )
    return "".join(f"  {number}. {step}\n" for number, step in enumerate(steps, 1))


def _next_to_others(config: Config, address: str) -> str:
    """Say what the servers beside this one have to know."""
    if "dns" not in config.roles:
        kind = "AAAA" if ":" in address else "A"
        lines = [f"     {zone}. NS {zone}.\n     {zone}. {kind} {address}\n" for zone in config.auth_zones]
        return "  Have these records in the zone of the domain, where it is served:\n" + "".join(lines)
    return "  Let clients ask this DNS server; its zone files say where the other servers are.\n"
