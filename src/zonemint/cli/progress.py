"""How far something long is: a bar on stderr for people, and nothing for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zonemint.store.transfer.ends import Progress

__all__ = ["counted", "shown_progress"]


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show a bar while it is told of progress; it is gone afterwards."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=max(total, 1))

        yield tell


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show the same bar for work of one kind; what is yielded takes the size of each step."""
    with shown_progress() as tell:
        done = 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            tell(what, done, total)

        yield step
