"""`zonemint hooks`: who is told of certificates, how far that has come, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.config import Config, DataDir
    from zonemint.hooks.receiver import Receiver

__all__ = ["app"]

app = typer.Typer(help="Hooks: who is told of certificates, and whether it works.", no_args_is_help=True)


@app.command("show")
def show(database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show each hook of the settings, how far it has come, and what failed last."""
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run

    columns = ["hook", "source", "told", "waiting", "given_up", "attempts", "again", "error"]
    show_table(run(data, _rows, database=database), columns, as_json=as_json)


@app.command("test")
def try_(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The hook; without one, every hook.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deliver an event that tells of nothing, and print what was answered; exit status 1 if it was not taken."""
    import asyncio

    from zonemint.cli.output import say, show_table
    from zonemint.config import DataDir, data_dir, load
    from zonemint.core.errors import ConfigError

    folder = DataDir(data_dir(data))
    config = load(folder.config)
    if name is not None and name not in config.hooks:
        known = ", ".join(config.hooks) or "there is none"
        raise ConfigError(f"there is no hook '{name}' in the settings: {known}", file=folder.config)
    told = {one: receiver for one, receiver in _receivers(folder, config).items() if name in (None, one)}
    if not told:
        say(f"there is no hook in {folder.config}: a table [hooks.NAME] makes one")
    results = asyncio.run(_try(told))
    show_table(results, ["hook", "to", "result", "answer"], as_json=as_json)
    if any(one["result"] != "delivered" for one in results):
        raise typer.Exit(1)


async def _rows(session: Session) -> list[dict[str, object]]:
    from zonemint.core.clock import rfc3339
    from zonemint.hooks.events import KINDS
    from zonemint.store import audit, hooks

    cursors = await session.db.read(hooks.cursors())
    rows: list[dict[str, object]] = []
    for name, hook in session.config.hooks.items():
        own = [one for one in cursors if one.hook == name]
        kinds = [kind.value for one in hook.events for kind in KINDS.get(one, ())]
        for one in own:
            waiting = None
            if one.source == "audit":
                waiting = await session.db.read(audit.count_of(kinds, after=int(one.position)))
            rows.append(
                {
                    "hook": name,
                    "source": one.source,
                    "told": one.told,
                    "waiting": waiting,
                    "given_up": one.given_up,
                    "attempts": one.attempts,
                    "again": rfc3339(one.retry_ms / 1000) if one.attempts else None,
                    "error": one.error or None,
                    "position": one.position,
                }
            )
        if not own:
            rows.append({"hook": name, "source": None, "error": "it begins with the next start of the server"})
    return rows


def _receivers(folder: DataDir, config: Config) -> dict[str, Receiver]:
    from cryptography import x509

    from zonemint.app.hooks import receivers

    root = folder.pki / "root.crt"
    return receivers(config, folder, x509.load_pem_x509_certificate(root.read_bytes()) if root.exists() else None)


async def _try(told: dict[str, Receiver]) -> list[dict[str, object]]:
    import time

    from zonemint.core.errors import Undelivered
    from zonemint.hooks.events import sample

    results: list[dict[str, object]] = []
    for name, receiver in told.items():
        now = time.time()
        try:
            answer = await receiver.deliver(sample(now), now=now)
            results.append({"hook": name, "to": receiver.place, "result": "delivered", "answer": answer or None})
        except Undelivered as failure:
            results.append({"hook": name, "to": receiver.place, "result": "failed", "answer": str(failure)})
    return results
