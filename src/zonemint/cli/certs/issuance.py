"""`zonemint certs issue`: a certificate on the server, for a machine that runs no client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.store.certificates import Certificate

__all__ = ["issue"]


def issue(
    name: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Hosts, relative to the domain or absolute, and addresses.")
    ],
    csr: Annotated[
        Path | None,
        typer.Option(
            "--csr", metavar="FILE", exists=True, dir_okay=False, help="A request in PEM; else a key is made."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", file_okay=False, help="Where NAME.crt and NAME.key are written.")
    ] = Path(),
    data: DataOption = None,
) -> None:
    """Issue a certificate with these names without an order; the CA's key must be here.

    NAME.crt is the chain, and NAME.key the new key, which only its owner may read. Its owner renews it at
    /renew.
    """
    from zonemint.cli.output import say
    from zonemint.cli.session import run

    request = csr.read_bytes() if csr else None
    certificate, files = run(data, lambda session: _issue(session, name, request, output))
    say(f"issued {certificate.serial} for {', '.join(certificate.names)}")
    for file in files:
        print(file)


async def _issue(
    session: Session, words: list[str], request: bytes | None, output: Path
) -> tuple[Certificate, list[Path]]:
    """Issue, and write the files; raises ConfigError, CsrError, IssuanceError, StoreError."""
    import time

    from zonemint.app.direct_certificates import issuer
    from zonemint.cli.names import host
    from zonemint.core.errors import ConfigError
    from zonemint.core.files import put
    from zonemint.pki import issue as issue_
    from zonemint.pki.keys import generate, write_key

    config, now = session.config, time.time()
    if "ca" not in config.roles:
        raise ConfigError("no CA is here (roles): issue where it is", file=session.data.config)
    hosts = list(dict.fromkeys(host(one, config.domain) for one in words))
    stem = hosts[0].replace("*", "_")
    crt, key_file = output / f"{stem}.crt", output / f"{stem}.key"
    if crt.exists():
        raise ConfigError("there is a certificate already, and it is not overwritten: move it away", file=crt)
    issuing = issuer(session.db, session.data, config, now=now)
    if request is None:
        key = generate()
        write_key(key_file, key)
        try:
            certificate = await issuing.issue(hosts, key.public_key(), actor=session.actor)
        except BaseException:
            key_file.unlink()
            raise
    else:
        certificate = await issuing.issue_for(hosts, request, actor=session.actor)
    assert certificate.der is not None
    put(crt, issue_.pem(certificate.der) + issuing.chain_pem)
    return certificate, [crt] if request else [crt, key_file]
