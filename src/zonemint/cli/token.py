"""`zonemint token`: a one-time token, with which a machine without ACME gets a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session

__all__ = ["token"]


def token(
    name: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Hosts, relative to the domain or absolute, and addresses.")
    ],
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="How long it may be used, such as 5m; a day at most.")
    ] = "5m",
    data: DataOption = None,
) -> None:
    """Make a token for one certificate with just these names, and print it.

    Who has it sends it with a CSR to /sign, or gives it to `step ca certificate`. It is good once.
    """
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.config.values import Seconds
    from zonemint.enrollment.token import LONGEST_LIFETIME

    try:
        lifetime = int(Seconds.parse(expires))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None
    if lifetime > LONGEST_LIFETIME:
        raise typer.BadParameter("a token may be used for a day at most", param_hint="--expires")
    hosts, url, text = run(data, lambda session: _make(session, name, lifetime))
    say(f"good once within {expires} for {', '.join(hosts)}, at {url}/sign or:")
    say(f"  step ca certificate {hosts[0]} {hosts[0]}.crt {hosts[0]}.key --ca-url {url} --root root.crt --token TOKEN")
    print(text)


async def _make(session: Session, words: list[str], lifetime: int) -> tuple[list[str], str, str]:
    """Return the hosts that it is for, the server's URL and the token; raises ConfigError."""
    import time

    from zonemint.app.own_token_issuer import NAME, own_key
    from zonemint.cli.names import host
    from zonemint.core.errors import ConfigError
    from zonemint.enrollment.token import made
    from zonemint.pki import authority
    from zonemint.pki.policy import Policy
    from zonemint.store import audit

    config, data, now = session.config, session.data, time.time()
    if "ca" not in config.roles:
        raise ConfigError("no CA is here (roles): make the token where it is", file=data.config)
    hosts = list(dict.fromkeys(host(one, config.domain) for one in words))
    policy = Policy(config.domains)
    for one in hosts:
        if refusal := policy.host_refusal(one):
            raise ConfigError(refusal)
    root = authority.load(data.pki, now=now, needs_key=False).fingerprint
    key = await own_key(data, session.db, actor=session.actor, now=now)
    token_id, text = made(key, NAME, hosts, url=config.external_url, root=root, now=now, lifetime=lifetime)
    told = audit.Fact(audit.Kind.ONE_TIME_TOKEN_MADE, session.actor, token_id, {"names": tuple(hosts)})
    await session.db.write(audit.append(told, now=now))
    return hosts, config.external_url, text
