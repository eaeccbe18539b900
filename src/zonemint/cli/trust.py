"""`zonemint trust`: the root in the stores of this machine, which makes its programs accept our certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.trust.change import Outcome
    from zonemint.trust.roots import Root
    from zonemint.trust.stores import Store

__all__ = ["app"]

app = typer.Typer(
    help="The root in the stores of this machine: the system's, Firefox's and Chromium's, Java's.",
    no_args_is_help=True,
)

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="The root in PEM; without it and --url, that of the data folder."),
]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Fetch the root from a server, such as https://ca.lab.test."),
]
FingerprintOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fingerprint", metavar="SHA256", help="The SHA-256 that the root must have; repeat it for another root."
    ),
]
KindOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="KIND", help="Of system, nss and java, the stores that are meant; repeat it."),
]
RootOption = Annotated[
    Path, typer.Option("--root", metavar="DIR", help="Another machine's file system below a folder, such as an image.")
]
PasswordOption = Annotated[
    Path | None,
    typer.Option("--store-password-file", metavar="FILE", help="The password of Java's key stores; else changeit."),
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")]


@app.command("install")
def install(
    file: FileArgument = None,
    url: UrlOption = None,
    fingerprints: FingerprintOption = None,
    only: KindOption = None,
    root: RootOption = Path("/"),
    dry: DryOption = False,
    password: PasswordOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the root trusted.

    From a server, nothing that comes is believed but the root that a --fingerprint speaks for, and a successor that
    this root has signed.
    """
    from zonemint.trust import change

    _run(
        lambda found, roots: change.install(found, roots, dry=dry),
        _stores(only, root, password),
        _chosen(file, url, fingerprints, data, told=True),
        as_json,
    )


@app.command("uninstall")
def uninstall(
    file: FileArgument = None,
    url: UrlOption = None,
    fingerprints: FingerprintOption = None,
    only: KindOption = None,
    root: RootOption = Path("/"),
    dry: DryOption = False,
    password: PasswordOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the root not trusted any more, by its fingerprint; all other roots stay."""
    from zonemint.trust import change

    _run(
        lambda found, roots: change.uninstall(found, roots, dry=dry),
        _stores(only, root, password),
        _chosen(file, url, fingerprints, data, told=False),
        as_json,
    )


@app.command("show")
def show(
    file: FileArgument = None,
    url: UrlOption = None,
    fingerprints: FingerprintOption = None,
    only: KindOption = None,
    root: RootOption = Path("/"),
    password: PasswordOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which stores trust the root."""
    from zonemint.trust import change

    _run(change.show, _stores(only, root, password), _chosen(file, url, fingerprints, data, told=False), as_json)


def _chosen(
    file: Path | None, url: str | None, fingerprints: Sequence[str] | None, data: Path | None, *, told: bool
) -> list[Root]:
    """Return the roots that are meant, each vouched for by a fingerprint or by where it comes from."""
    import time

    from zonemint.cli.output import say
    from zonemint.core.errors import TrustError
    from zonemint.trust import roots as roots_

    try:
        wanted = [roots_.fingerprint(text) for text in fingerprints or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fingerprint") from None
    if file is not None and url is not None:
        raise typer.BadParameter("the root comes from a file or from a server, not from both", param_hint="--url")
    if url is not None and not wanted:
        raise typer.BadParameter(
            "a root from a server needs its --fingerprint, as `zonemint up` shows it", param_hint="--url"
        )
    place, pem = (url, _fetched(url)) if url is not None else _read(file, data)
    try:
        roots, others = roots_.read(pem, now=time.time())
        trusted, rest = roots_.vouched(roots, others, wanted) if wanted else (roots, [])
    except TrustError as error:
        raise TrustError(f"{place}: {error}") from None
    if not trusted:
        raise TrustError(f"{place}: no root certificate is in it")
    if told:
        for one in trusted:
            say(f"root: {one.name}, SHA-256 {one.sha256}")
            if not one.is_constrained:
                say("      it is not limited to names: whoever has its key can pose as any site to this machine")
        for one in rest:
            say(f"left out, since no fingerprint speaks for it: {one.name}, SHA-256 {one.sha256}")
    return trusted


def _fetched(url: str) -> bytes:
    import asyncio

    from zonemint.trust.download import download

    try:
        return asyncio.run(download(url))
    except ValueError as error:
        raise typer.BadParameter(f"'{url}': {error}", param_hint="--url") from None


def _read(file: Path | None, data: Path | None) -> tuple[str, bytes]:
    from zonemint.config import DataDir, data_dir
    from zonemint.core.errors import TrustError

    path = file or DataDir(data_dir(data)).pki / "root.crt"
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        where = "" if file else "; --url and --fingerprint fetch the root from a server"
        raise TrustError(f"{path}: {error.strerror}{where}") from None


def _stores(only: Sequence[str] | None, root: Path, password: Path | None) -> list[Store | Outcome]:
    from zonemint.core.errors import TrustError
    from zonemint.trust import change
    from zonemint.trust.java import PASSWORD
    from zonemint.trust.machine import Machine
    from zonemint.trust.stores import KINDS

    if unknown := [one for one in only or () if one not in KINDS]:
        raise typer.BadParameter(f"'{unknown[0]}' is not one of {', '.join(KINDS)}", param_hint="--only")
    if not root.is_dir():
        raise typer.BadParameter(f"{root} is not a folder", param_hint="--root")
    try:
        secret = PASSWORD if password is None else password.read_text().partition("\n")[0]
    except OSError as error:
        raise TrustError(f"{password}: {error.strerror}") from None
    kinds = [kind for kind in KINDS if not only or kind in only]
    return list(change.find(Machine(root.resolve()), kinds, password=secret))


def _run(
    work: Callable[[Sequence[Store | Outcome], Sequence[Root]], Iterable[Outcome]],
    stores: Sequence[Store | Outcome],
    roots: Sequence[Root],
    as_json: bool,
) -> None:
    """Do the work and show what became of it; exit status 1 when a store is not as it was asked for."""
    from dataclasses import asdict

    from zonemint.cli.output import show_table

    outcomes = list(work(stores, roots))
    columns = ["kind", "state", "place", *(["root"] if len(roots) > 1 else []), "why"]
    show_table([asdict(one) for one in outcomes], columns, as_json=as_json)
    if any(one.failed for one in outcomes):
        raise typer.Exit(1)
