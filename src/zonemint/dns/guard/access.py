"""Who may ask what: clients fall into classes by the networks that they are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from zonemint.core.networks import ANY, Network

__all__ = ["Access", "Rules", "classes"]


class Access(NamedTuple):
    """What a class of clients may: ask at all, and for names that are not ours; limited: how often, by UDP.

    view: the name of the view whose zones they see, empty for the usual ones.
    """

    allowed: bool
    recursion: bool
    limited: bool
    view: str = ""


class Rules(NamedTuple):
    """The networks of each right; `deny` goes before `allow`, and `always` before both, without limits and views.

    views: those of each view; of several that a client is in, the longest counts.
    """

    allow: Sequence[Network]
    deny: Sequence[Network] = ()
    recursion: Sequence[Network] = ()
    unlimited: Sequence[Network] = ()
    always: Sequence[Network] = ()
    views: Mapping[str, Sequence[Network]] = {}

    def access(self, network: Network) -> Access:
        """Return what the clients in a network may, in which none of the rules' own lies."""
        always = _within(network, self.always)
        allowed = always or (_within(network, self.allow) and not _within(network, self.deny))
        if not allowed:
            return Access(allowed=False, recursion=False, limited=not _within(network, self.unlimited))
        around = [(one.prefixlen, name) for name, ones in self.views.items() for one in ones if _within(network, [one])]
        return Access(
            allowed=True,
            recursion=_within(network, self.recursion),
            limited=not always and not _within(network, self.unlimited),
            view=max(around)[1] if around and not always else "",
        )


def classes(rules: Rules) -> dict[Network, Access]:
    """Return what the clients in each network may, who are in no longer one of these; any client is in one of them.

    A rule's border is the only place where rights can change, so the rules' networks are all that there are.
    """
    borders: dict[Network, None] = dict.fromkeys(ANY)
    for ones in (rules.allow, rules.deny, rules.recursion, rules.unlimited, rules.always, *rules.views.values()):
        borders |= dict.fromkeys(ones)
    return {network: rules.access(network) for network in borders}


def _within(network: Network, others: Sequence[Network]) -> bool:
    return any(network.version == one.version and network.subnet_of(one) for one in others)  # type: ignore[arg-type]
