"""What looks after the authority's own certificates: the next intermediate in time, or a warning instead."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.app.authority_keeper import AuthorityKeeper
from zonemint.app.rotation import Rotation
from zonemint.config import Config
from zonemint.core.clock import rfc3339
from zonemint.core.errors import ConfigError
from zonemint.pki import rotation
from zonemint.pki.authority import Authority

__all__ = ["Due", "SuccessionWatch", "due"]

_DAY = 86400
_TOLD = _DAY  # seconds between two warnings
_WORTH = 30 * _DAY  # seconds that a new intermediate must last longer, or it would be replaced again and again
_LAST = 2 * _DAY  # seconds before its end at which an old root goes, as nothing could be read afterwards

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Due:
    """When an intermediate should be replaced, in seconds since 1970, and whether a new one would last longer."""

    at: float
    helps: bool


def due(found: Authority, longest: float, root_end: float, *, now: float) -> Due:
    """Say when to replace the intermediate that signs: at two thirds of its life, or sooner.

    That is sooner where a certificate of `longest` seconds would not fit into the rest, but not in the first third of
    its life. `root_end` is when the root ends that would sign the next one.
    """
    begin, end = found.current.not_before, found.current.not_after
    life = end - begin
    at = max(min(begin + life * 2 / 3, end - longest), begin + life / 3)
    return Due(at, min(root_end, now + 5 * 365 * _DAY) > end + _WORTH)


class SuccessionWatch:
    """Looks at the authority that a keeper holds, and changes it through `change`, if it is to."""

    def __init__(self, keeper: AuthorityKeeper, change: Rotation, config: Config) -> None:
        self._keeper = keeper
        self._change = change
        self._rotates = config.ca.rotate
        self._longest = max(float(one.lifetime or 0) for one in config.every_profile.values())
        self._told = 0.0

    async def look(self) -> None:
        """Replace the intermediate when it is time, and drop a replaced root before it ends; raises StoreError."""
        found, now = self._keeper.current(), self._change.clock()
        pki = self._change.data.pki
        try:
            changing = rotation.change(pki, found)
            if changing is not None and changing.old.not_valid_after_utc.timestamp() - now < _LAST:
                await self._change.finish(found, force=True)
                _log.warning("dropped a replaced root that ends", root=changing.old.fingerprint(SHA256()).hex())
                await self._keeper.follow()
                return
            # While a root is replaced, the default chain of a new intermediate would end with the old one, too.
            above = changing.by_old if changing and not changing.done else found.root
            when = due(found, self._longest, above.not_valid_after_utc.timestamp(), now=now)
            if now < when.at:
                return
            if when.helps and self._rotates:
                made = await self._change.intermediate(await self._change.settled())
                _log.info("replaced the intermediate", issuer=made.current.key_id, ends=rfc3339(made.current.not_after))
                await self._keeper.follow()
                return
            end = " --finish" if changing else ""
            why = "ca.rotate is off" if when.helps else f"its root ends as soon: run `zonemint ca rotate-root{end}`"
        except ConfigError as error:
            why = str(error)
        if now - self._told >= _TOLD:
            self._told = now
            _log.warning(
                "the intermediate should be replaced and is not, so certificates will get shorter",
                ends=rfc3339(found.current.not_after),
                why=why,
            )
