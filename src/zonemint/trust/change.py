"""Installing, removing and looking for roots in many stores, each told by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from zonemint.core.errors import TrustError
from zonemint.trust import anchors, java, nss
from zonemint.trust.keychain import KEYCHAIN, Keychain
from zonemint.trust.machine import Machine
from zonemint.trust.roots import Root
from zonemint.trust.stores import Kind, Store, Unusable

__all__ = ["Outcome", "find", "install", "show", "uninstall"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one root in one store; `state` is a word, `why` tells more where there is more.

    The words: `trusted`, `not trusted`; `installed`, `removed`, or `would be` one of these; `skipped`, `failed`.
    """

    kind: Kind
    place: str
    root: str
    state: str
    why: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is not as it was asked for."""
        return self.state == "failed"


def find(machine: Machine, kinds: Collection[Kind], *, password: str = java.PASSWORD) -> Iterator[Store | Outcome]:
    """Yield the stores of some kinds, and for a kind without one the reason; `password` is that of key stores."""
    if "system" in kinds:
        if machine.at(KEYCHAIN).exists():
            yield Keychain(machine)
        else:
            try:
                yield anchors.find(machine)
            except Unusable as reason:
                yield Outcome("system", "-", "", "skipped", str(reason))
    if "nss" in kinds:
        databases = list(nss.find(machine))
        yield from databases
        if not databases:
            yield Outcome("nss", "-", "", "skipped", "no profile of Firefox and no ~/.pki/nssdb was found")
    if "java" in kinds:
        stores = list(java.find(machine, password=password))
        yield from stores
        if not stores:
            yield Outcome("java", "-", "", "skipped", "no Java was found, nor does JAVA_HOME name one")


def install(found: Sequence[Store | Outcome], roots: Sequence[Root], *, dry: bool = False) -> Iterator[Outcome]:
    """Have roots trusted in stores; `dry` only tells what would be done."""

    def one(store: Store, root: Root) -> tuple[str, str]:
        if store.has(root):
            return "trusted", "it was there already"
        if dry:
            return "would be installed", ""
        store.add(root)
        return "installed", ""

    yield from _each(found, roots, one)


def uninstall(found: Sequence[Store | Outcome], roots: Sequence[Root], *, dry: bool = False) -> Iterator[Outcome]:
    """Have roots not trusted any more; `dry` only tells what would be done."""

    def one(store: Store, root: Root) -> tuple[str, str]:
        if not store.has(root):
            return "not trusted", "it was not there"
        if dry:
            return "would be removed", ""
        store.remove(root)
        return "removed", ""

    yield from _each(found, roots, one)


def show(found: Sequence[Store | Outcome], roots: Sequence[Root]) -> Iterator[Outcome]:
    """Tell in which stores roots are trusted."""
    yield from _each(found, roots, lambda store, root: ("trusted" if store.has(root) else "not trusted", ""))


def _each(
    found: Sequence[Store | Outcome], roots: Sequence[Root], one: Callable[[Store, Root], tuple[str, str]]
) -> Iterator[Outcome]:
    for store in found:
        if isinstance(store, Outcome):
            yield store
            continue
        for root in roots:
            try:
                state, why = one(store, root)
            except Unusable as reason:
                state, why = "skipped", str(reason)
            except TrustError as error:
                state, why = "failed", str(error)
            yield Outcome(store.kind, store.place, root.sha256, state, why)
