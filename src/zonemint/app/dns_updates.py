"""Updates over DNS (RFC 2136), made as all changes of dynamic records are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from zonemint.app.base import Base
from zonemint.app.live_changes import Decide
from zonemint.app.zones import ZoneKeeper
from zonemint.core.errors import UpdateRefused
from zonemint.dns import codes, wire
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Handler
from zonemint.dns.answers.signed import authenticated
from zonemint.dns.tsig import Key, Keys
from zonemint.dns.update.handler import Updates
from zonemint.dns.update.once import Once
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.overlay import Draft, Edit
from zonemint.dns.zones.zone import TxtZone

__all__ = ["update_handler"]


def update_handler(
    base: Base, catalog: Catalog, zones: ZoneKeeper, keys: Keys, has_other: Callable[[bytes, Client], bool]
) -> Handler:
    """Return what answers messages of the opcode UPDATE; `base` closes it.

    has_other: whether a client's view has a zone of its own at an apex.
    """

    def check(apex: bytes, client: Client) -> None:
        if has_other(apex, client):
            name = wire.name_to_text(apex)
            raise UpdateRefused(codes.REFUSED, f"{name} is another zone in your network's view, and takes no updates")
        zone = catalog.find(apex, codes.SOA)
        if zone is None or zone.apex != apex:
            raise UpdateRefused(codes.NOTAUTH, f"there is no zone {wire.name_to_text(apex)} here")
        if isinstance(zone, TxtZone):
            raise UpdateRefused(codes.REFUSED, f"the records of {zone.origin} are those of the acme-dns API")
        if not zones.keeps(zone.origin):
            whose = "made by this server" if zone.origin == base.config.dns.catalog else "those of its primaries"
            raise UpdateRefused(codes.REFUSED, f"the records of {zone.origin} are {whose}")

    def decided(decide: Decide, draft: Draft) -> list[Edit]:
        edits = list(decide(draft))
        for edit in edits:
            # With another name server the auth zone would be given away. What is there may go.
            above = next((one for one in auth_zones if wire.is_within(edit.owner, one)), None)
            if edit.added and above is not None:
                name, auth = wire.name_to_text(edit.owner), wire.name_to_text(above)
                raise UpdateRefused(codes.REFUSED, f"{name} lies in {auth}: the records there are the acme-dns API's")
        return edits

    async def change(apex: bytes, decide: Decide, key: Key) -> None:
        zone, name = wire.name_to_text(apex), wire.name_to_text(key.name)
        await zones.change(zone, partial(decided, decide), actor=f"tsig-key:{name}", by=f"tsig key {name}")

    auth_zones = [wire.name_from_text(one) for one in base.config.auth_zones]

    updates = Updates(check, change)
    base.stack.push_async_callback(updates.close)
    return Once(authenticated(keys, updates))
