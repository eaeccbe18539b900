"""The command: makes the laboratory, plays the acts in it and clears it away."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    domain: Annotated[
        str, typer.Option("--domain", metavar="DOMAIN", help="The private domain to play with.")
    ] = "zufar.io",
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder, and say where it is.")] = False,
) -> None:
    """Show the whole flow with a real certbot.

    From an empty folder to a trusted certificate, each of the eleven steps as it happened, then a wildcard, then an
    order that fails and says why. It takes free ports of 127.0.0.1 and needs no rights; exit status 0 says that
    everything held.
    """
    import shutil
    import signal
    import tempfile
    from contextlib import ExitStack
    from pathlib import Path

    from zonemint.cli.demo import acts
    from zonemint.cli.demo.lab import Lab, find_programs
    from zonemint.cli.demo.screen import Screen
    from zonemint.core.names import hostname

    domain = hostname(domain)
    programs = find_programs()
    # A server left behind would keep its ports: being told to end is the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Screen()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="zonemint-demo-"))
        if keep:
            stack.callback(screen.say, f"kept: {folder}")
        else:
            stack.callback(shutil.rmtree, folder)
        acts.play(Lab(folder, domain, programs), screen)
    screen.end()
