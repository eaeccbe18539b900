"""What a store of trusted roots is, whatever program reads it."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from zonemint.core.errors import TrustError
from zonemint.trust.roots import Root

__all__ = ["KINDS", "Kind", "Store", "Unusable"]

Kind: TypeAlias = Literal["system", "nss", "java"]
KINDS: tuple[Kind, ...] = ("system", "nss", "java")
"""The kinds of stores, in the order in which they are changed: some Java key stores are made from the system's."""


class Store(Protocol):
    """A place where programs look for roots; each method raises TrustError when it cannot be read or changed."""

    @property
    def kind(self) -> Kind:
        """Whose it is."""
        ...

    @property
    def place(self) -> str:
        """Where it is, as a person would find it."""
        ...

    def has(self, root: Root) -> bool:
        """Tell whether a root is trusted there."""
        ...

    def add(self, root: Root) -> None:
        """Have a root trusted, or leave all as it was."""
        ...

    def remove(self, root: Root) -> None:
        """Have it not trusted any more, by its fingerprint and whatever its name there is; others stay."""
        ...


class Unusable(TrustError):
    """A store is left alone for a reason that is no mistake, such as a program that is not there."""
