"""`zonemint config`: are the settings right, and what are they."""

from __future__ import annotations

import typer

from zonemint.cli.options import DataOption, JsonOption

__all__ = ["app"]

app = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


@app.command()
def check(data: DataOption = None) -> None:
    """Say whether the settings can be read."""
    from zonemint.config import DataDir, data_dir, load

    file = DataDir(data_dir(data)).config
    load(file)
    print(f"{file}: ok")


@app.command()
def show(data: DataOption = None, json: JsonOption = False) -> None:
    """Print all settings, defaults included."""
    from zonemint.cli.output import show_facts
    from zonemint.config import DataDir, data_dir, load, masked, settings

    config = masked(load(DataDir(data_dir(data)).config))
    if json:
        import msgspec

        show_facts(msgspec.structs.asdict(config), as_json=True)
    else:
        for key, value in settings(config):
            print(f"{key} = {value}")
