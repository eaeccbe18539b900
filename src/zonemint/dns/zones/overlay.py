"""The dynamic records of a zone over what its file says, and what the zone would be with some more or less of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones.delta import Changes
from zonemint.dns.zones.records import Node, RRset, check_node, of_type, with_rrset
from zonemint.dns.zones.zone import Zone

__all__ = ["Draft", "Edit", "Overlay"]

Key = tuple[bytes, int]


class Edit(msgspec.Struct, frozen=True, gc=False):
    """One dynamic record that comes or goes: owner in lower-case wire form, TTL in seconds, data in wire form."""

    added: bool
    owner: bytes
    type: int
    ttl: int
    data: bytes


class _Layer(NamedTuple):
    """What is dynamic of a name and type (TTL by data), and what stands there without it."""

    own: dict[bytes, int]
    below: RRset | None

    def merged(self, type_: int) -> RRset | None:
        if not self.own:
            return self.below
        ttl = min(self.own.values())
        if self.below is None:
            return RRset(type_, ttl, rdata.unique(type_, self.own))
        return RRset(type_, min(ttl, self.below.ttl), rdata.unique(type_, (*self.below.data, *self.own)))


class Overlay:
    """Which of a zone's records are dynamic."""

    def __init__(self) -> None:
        self._layers: dict[Key, _Layer] = {}

    def layer(self, key: Key, zone: Zone) -> _Layer:
        """Return what is known of a name and type in the zone as it is served now."""
        return self._layers.get(key) or _Layer({}, zone.rrset(*key))

    def edits(self) -> list[Edit]:
        """Return what would make all dynamic records."""
        return [
            Edit(True, owner, type_, ttl, data)
            for (owner, type_), layer in self._layers.items()
            for data, ttl in layer.own.items()
        ]

    def take(self, draft: Draft) -> None:
        """Let what was drafted be so, when its changes were made."""
        for key, layer in draft.layers.items():
            if layer.own:
                self._layers[key] = layer
            else:
                self._layers.pop(key, None)


class Draft:
    """A zone with changes that are not made yet, each of which was checked against those before.

    changes: what to apply to the zone; layers: what to take into the overlay then.
    """

    def __init__(self, zone: Zone, overlay: Overlay) -> None:
        self.zone = zone
        self._overlay = overlay
        self.layers: dict[Key, _Layer] = {}
        self._nodes: dict[bytes, Node] = {}

    @property
    def changes(self) -> Changes:
        """What stands at each name and type that was edited."""
        return {(owner, type_): self.rrset(owner, type_) for owner, type_ in self.layers}

    def net(self) -> list[Edit]:
        """Return what the edits come to when they are seen as one: what goes, then what comes."""
        gone: list[Edit] = []
        come: list[Edit] = []
        for key, layer in self.layers.items():
            old = self._overlay.layer(key, self.zone).own
            gone += [Edit(False, *key, ttl, data) for data, ttl in old.items() if layer.own.get(data) != ttl]
            come += [Edit(True, *key, ttl, data) for data, ttl in layer.own.items() if old.get(data) != ttl]
        return gone + come

    def node(self, owner: bytes) -> Node:
        """Return the record sets of a name (lower-case wire form); none where there is no such name."""
        node = self._nodes.get(owner)
        return self.zone.nodes.get(owner, ()) if node is None else node

    def rrset(self, owner: bytes, type_: int) -> RRset | None:
        """Return the record set of a name and type."""
        return of_type(self.node(owner), type_)

    def dynamic(self, owner: bytes, type_: int) -> dict[bytes, int]:
        """Return the dynamic records of a name and type, their TTLs by their data."""
        return dict(self._layer((owner, type_)).own)

    def edit(self, edits: Iterable[Edit]) -> list[Edit]:
        """Make edits, all or none, and return those that change something.

        To add what is there already changes nothing but its TTL, if it is dynamic; nor does it to remove what is not
        there. Raises ConfigError for a record of the zone file or an implied one that would be removed, and for a zone
        that could not be served.
        """
        layers: dict[Key, _Layer] = {}
        done: list[Edit] = []
        for edit in edits:
            key = edit.owner, edit.type
            if self.zone.sealer is not None:
                self.zone.sealer.check(edit.type)
            if (layer := layers.get(key)) is None:
                old = self._layer(key)
                layer = layers[key] = _Layer(dict(old.own), old.below)
            done += _edited(layer, edit)
        nodes: dict[bytes, Node] = {}
        for key, layer in layers.items():
            owner, type_ = key
            nodes[owner] = with_rrset(nodes.get(owner, self.node(owner)), type_, layer.merged(type_))
        for owner, node in nodes.items():
            self.zone.check_is_inside(owner)
            check_node(owner, self.zone.apex, node)
        self.layers.update(layers)
        self._nodes.update(nodes)
        return done

    def replace(self, edits: Sequence[Edit]) -> None:
        """Have exactly these dynamic records, whichever there were; raises ConfigError as `edit` does."""
        wanted = {(one.owner, one.type, one.data, one.ttl) for one in edits}
        gone = [
            msgspec.structs.replace(one, added=False)
            for one in self._overlay.edits()
            if (one.owner, one.type, one.data, one.ttl) not in wanted
        ]
        self.edit([*gone, *edits])

    def _layer(self, key: Key) -> _Layer:
        return self.layers.get(key) or self._overlay.layer(key, self.zone)


def _edited(layer: _Layer, edit: Edit) -> list[Edit]:
    """Change a layer, and return what that was."""
    is_below = layer.below is not None and edit.data in layer.below.data
    old = layer.own.get(edit.data)
    if edit.added:
        if old == edit.ttl or (is_below and old is None):
            return []
        layer.own[edit.data] = edit.ttl
        return [edit] if old is None else [msgspec.structs.replace(edit, added=False, ttl=old), edit]
    if old is not None:
        del layer.own[edit.data]
        return [msgspec.structs.replace(edit, ttl=old)]
    if is_below:
        name, type_ = wire.name_to_text(edit.owner), codes.type_to_text(edit.type)
        raise ConfigError(f"{name} {type_} is in the zone file or implied, and not dynamic")
    return []
