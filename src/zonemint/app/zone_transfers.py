"""Zones that go to other servers and come from them, as the settings have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zonemint.app.background import Background
from zonemint.app.base import Base
from zonemint.app.catalog_zone import CatalogZone
from zonemint.app.secondaries import Secondaries
from zonemint.app.transfer_rights import TransferRights
from zonemint.config import ZoneSettings
from zonemint.dns import codes, tsig
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Handler
from zonemint.dns.answers.signed import authenticated
from zonemint.dns.transfer.notify import Notified, Notifier
from zonemint.dns.transfer.outgoing import Transfers
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.journal import Journals

__all__ = ["ZoneTransfers"]

_SAVE = 5.0  # seconds between looks at which copies are to be written; a stream of changes is one copy


class ZoneTransfers:
    """Everything of transfers: what answers them, whom we notify, and the zones that are copies of others'.

    has_other: whether a client's view has a zone of its own at an apex; types, opcodes: the handlers, for the services
    of a responder.
    """

    def __init__(
        self,
        base: Base,
        catalog: Catalog,
        journals: Journals,
        keys: tsig.Keys,
        has_other: Callable[[bytes, Client], bool],
    ) -> None:
        self._base = base
        self.catalog = catalog
        self.rights = TransferRights(base, catalog, self._settings)
        self.secondaries = Secondaries(base, catalog, journals, keys, self.rights.peers)
        self.outgoing = Transfers(catalog, journals, may=self.rights.may_have, has_other=has_other)
        self.notifier = Notifier(catalog, self.rights.told, keys, base.clock)
        transfer = authenticated(keys, self.outgoing.answer, base.clock)
        self.types: Mapping[int, Handler] = {codes.AXFR: transfer, codes.IXFR: transfer}
        notified = Notified(self.secondaries.may_notify, self.secondaries.hint)
        self.opcodes: Mapping[int, Handler] = {codes.NOTIFY: authenticated(keys, notified.answer, base.clock)}

    def restore(self) -> None:
        """Serve the copies of the last run, as far as they are good still, and the catalog of our zones."""
        self.secondaries.restore()
        if self._base.config.dns.catalog:
            CatalogZone(self._base.config, self.catalog, self.rights, self._base.clock)

    def begin(self, background: Background) -> None:
        """Look after the secondary zones, and tell the servers that want to know of ours."""
        self.secondaries.begin()
        background.every(_SAVE, self.secondaries.save)
        self.notifier.begin()

    async def close(self) -> None:
        """Stop, and keep what came."""
        await self.notifier.close()
        await self.secondaries.close()

    @property
    def failures(self) -> Mapping[str, str]:
        """Why secondary zones are not what their primaries have, by their names."""
        return {origin: one.failure for origin, one in self.secondaries.zones.items() if one.failure}

    def _settings(self, origin: str) -> ZoneSettings:
        return self.secondaries.settings(origin)
