"""What the demonstration looks like: calm, aligned, with colour on a terminal and plain text elsewhere."""

from __future__ import annotations

import shlex
import textwrap
import time
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from zonemint.cli.demo.steps import Step

__all__ = ["Screen"]

_WIDEST = 110  # columns
_LABEL = 30  # columns for what was checked


class Screen:
    """Writes to stdout, and counts what held."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._width = min(self._console.width, _WIDEST) if self._console.is_terminal else _WIDEST
        self._began = time.perf_counter()
        self._acts = self._steps = self._checks = 0

    def act(self, title: str) -> None:
        """Begin an act."""
        self._acts += 1
        self._line("")
        self._line(f"{self._acts}. {title}", "bold")

    def say(self, text: str) -> None:
        """Write a paragraph."""
        self._block(text, first="   ")

    def command(self, words: Sequence[str]) -> None:
        """Show a command that is run now."""
        self._block(f"$ {shlex.join(words)}", first="   ", rest=" " * 7, style="cyan")

    def quote(self, text: str) -> None:
        """Show what a program said, line by line."""
        for line in text.splitlines():
            self._block(line, first="     ", rest=" " * 9)

    def step(self, number: int, step: Step, base: float) -> None:
        """Show a step, with its time in milliseconds after `base`, and how long it took where that was measured."""
        self._steps += 1
        took = "" if step.ms is None else f"  ({step.ms:.1f} ms)"
        head = f"  {number:2}  {(step.at - base) * 1000:+7.0f} ms  "
        line = Text(head, style="green")
        line.append(f"{step.who} -> {step.whom}: ", style="bold default")
        line.append(f"{step.asked}{took}", style="default")
        self._console.print(line, soft_wrap=True)
        self._block(step.answer, first=" " * len(head), style="dim")

    def held(self, what: str, answer: str) -> None:
        """Show a check that held."""
        self._checks += 1
        self._block(answer, first=f"   ok  {what:<{_LABEL}}  ", rest=" " * (_LABEL + 9))

    def end(self) -> None:
        """Say that everything held."""
        seconds = time.perf_counter() - self._began
        self._line("")
        self._line(f"Held: {self._steps} steps and {self._checks} checks in {seconds:.1f} s.", "bold green")

    def _block(self, text: str, *, first: str, rest: str | None = None, style: str = "") -> None:
        """Write a text in lines that fit, those after the first one indented."""
        rest = " " * len(first) if rest is None else rest
        lines = textwrap.wrap(
            text,
            self._width,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines:
            self._line(line, style)

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)
