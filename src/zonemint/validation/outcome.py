"""What one attempt at a validation found."""

from __future__ import annotations

from dataclasses import dataclass

from zonemint.core.errors import AcmeErrorType

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Proof, or the reason why there is none.

    `error` is None for proof; `detail` is a sentence that says what was asked, of whom, what was seen and what was
    expected; `again` tells that another attempt may see something else; `names` are the DNS names that led to the
    proof, the challenge's own first.
    """

    error: AcmeErrorType | None
    detail: str
    again: bool
    names: tuple[str, ...] = ()
