"""`zonemint import corefile`: a CoreDNS that is there already, moved with its zones and settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.app.corefile_import import Report

__all__ = ["corefile"]


def corefile(
    source: Annotated[Path, typer.Argument(metavar="PATH", help="The Corefile; what it imports is found from there.")],
    domain: Annotated[
        str | None,
        typer.Option("--domain", metavar="DOMAIN", help="For a folder without settings: the domain of the CA."),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Leave out what has no place here, though answers will differ.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come, and write nothing.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Take over a Corefile: zone files, forwarding, hosts, cache, transfers, access, the log.

    What would change answers is refused with its line and the reason. Variables are those of the environment. Zone
    files are copied; nothing of CoreDNS is changed.
    """
    import os
    import time

    from zonemint.app.corefile_import import bring, read, report
    from zonemint.cli.init import initialise
    from zonemint.cli.output import say, show_facts
    from zonemint.config import Config, DataDir, data_dir, load
    from zonemint.core.errors import ConfigError

    folder = DataDir(data_dir(data))
    known = load(folder.config) if folder.config.exists() else None
    if known is None and domain is None:
        raise ConfigError("the folder has no settings yet: say with --domain what the CA is for", file=folder.path)
    if known is not None and domain not in (None, *known.domains):
        raise ConfigError(f"it is for {', '.join(known.domains)}, and not for {domain}", file=folder.config)
    found = read(source, known.domain if known else domain or "", os.environ)
    told = report(found)
    if as_json:
        import msgspec

        show_facts(msgspec.to_builtins(told), as_json=True)
    else:
        _show(told)
    if told.refused and not anyway:
        say("zonemint: nothing was written: some of it has no place here; --anyway leaves that out")
        raise typer.Exit(1)
    if dry_run:
        say("nothing was written: leave --dry-run out to do it")
        return
    if known is None:
        initialise(folder, Config(domain or ""), now=time.time())
    bring(found, folder)
    say(f"next: stop CoreDNS, then zonemint up --data {folder.path}")


def _show(told: Report) -> None:
    from zonemint.cli.output import say

    for one in told.mapped:
        note = f" ({one.note})" if one.note else ""
        say(f"{one.theirs}: {one.ours or 'no setting needed'}{note}")
    for refused in told.refused:
        say(f"refused: {refused.what}: {refused.why}")
    print(told.settings.strip("\n"))
