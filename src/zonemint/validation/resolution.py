"""Who is asked for a name: listed servers, the servers that a zone is delegated to, or whom its zone's entry names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from zonemint.core.errors import DnsFailure
from zonemint.core.names import is_within, parent
from zonemint.validation.method import Tell
from zonemint.validation.resolver import Answer, Questions, Resolver, Server

__all__ = ["Authoritative", "ByZone", "Recursive"]

_REFERRALS = 24  # followed for one question; a name has few zone cuts
_NESTED = 3  # questions for name servers' addresses inside each other
_SERVERS = 4  # of a zone that are asked
_REMEMBERED, _CUTS = 60.0, 1000  # seconds for which a delegation is believed, and how many


@dataclass(frozen=True, slots=True)
class Recursive:
    """Asks servers that resolve for others, one after the other; `timeout` is for all of them together."""

    questions: Questions
    servers: Callable[[], Sequence[Server]]
    timeout: float

    async def __call__(self, name: str, type_: str, tell: Tell) -> Answer:
        """Ask with recursion desired; raises DnsFailure."""
        return await self.questions.first(
            self.servers()[:_SERVERS], name, type_, tell, recurse=True, timeout=self.timeout
        )


@dataclass(frozen=True, slots=True)
class _Cut:
    """Zones and their servers, believed until then (monotonic seconds)."""

    zones: tuple[str, ...]
    servers: tuple[Server, ...]
    until: float


@dataclass(frozen=True, slots=True)
class Authoritative:
    """Follows delegations from the servers of zones down (RFC 1034 section 5.3.3), so that no cache can be stale.

    Only delegations are remembered, and for a minute; an answer that there is nothing never is. `servers` are those of
    every one of `zones`, in which the root is the empty string; `port` is that of servers which delegations name.
    """

    questions: Questions
    zones: tuple[str, ...]
    servers: tuple[Server, ...]
    timeout: float
    port: int = 53
    _cuts: dict[str, _Cut] = field(default_factory=dict)

    async def __call__(self, name: str, type_: str, tell: Tell) -> Answer:
        """Ask the servers of the zone that the name is in; raises DnsFailure."""
        return await self._resolve(name, type_, tell, monotonic() + self.timeout, 0)

    async def _resolve(self, name: str, type_: str, tell: Tell, end: float, depth: int) -> Answer:
        cut = self._closest(name)
        for _ in range(_REFERRALS):
            try:
                answer = await self.questions.first(
                    cut.servers[:_SERVERS], name, type_, tell, recurse=False, timeout=max(end - monotonic(), 0.0)
                )
            except DnsFailure:
                self._cuts.pop(cut.zones[0], None)
                raise
            below = _referral(answer, cut.zones, name)
            if below is None:
                if not answer.authoritative and answer.rcode in ("NOERROR", "NXDOMAIN"):
                    # A server to which a zone was delegated by mistake must not say that there is nothing.
                    self._cuts.pop(cut.zones[0], None)
                    raise DnsFailure(f"name server {answer.server} does not speak for {name}: it has not its zone")
                # A server speaks for its zones only; whatever it says of names elsewhere is asked for there.
                return answer._replace(records=tuple(one for one in answer.records if _inside(one.name, cut.zones)))
            cut = await self._descend(below, answer, cut.zones, tell, end, depth)
        raise DnsFailure(f"more than {_REFERRALS} referrals on the way to {name}")

    def _closest(self, name: str) -> _Cut:
        """Return the lowest zone cut at or above a name whose servers are known."""
        above = name
        while above and above not in self.zones:
            cut = self._cuts.get(above)
            if cut is not None and cut.until > monotonic():
                return cut
            above = parent(above)
        return _Cut(self.zones, self.servers, 0.0)

    async def _descend(
        self, zone: str, answer: Answer, above: tuple[str, ...], tell: Tell, end: float, depth: int
    ) -> _Cut:
        """Return a delegated zone with the addresses of its servers, asked for where the referral has none of them."""
        hosts = [one.value for one in answer.authority if one.type == "NS" and one.name == zone]
        addresses = [
            one.value
            for one in answer.additional
            if one.type in ("A", "AAAA") and one.name in hosts and _inside(one.name, above)
        ]
        if not addresses:
            if depth == _NESTED:
                raise DnsFailure(f"the name servers of {zone} lie too deep in each other's zones")
            failure = DnsFailure(f"the name servers of {zone} ({', '.join(hosts[:_SERVERS])}) have no address")
            # One inside the zone would need the very address that the parent does not give.
            for host in [host for host in hosts if not is_within(host, zone)][:_SERVERS]:
                try:
                    found = await self._resolve(host, "A", tell, end, depth + 1)
                except DnsFailure as error:
                    failure = error
                    continue
                addresses += [one.value for one in found.records if one.type == "A" and one.name == host]
                if addresses:
                    break
            else:
                raise failure
        servers = tuple((address, self.port) for address in sorted(addresses, key=_ipv4_first))
        cut = _Cut((zone,), servers, monotonic() + _REMEMBERED)
        while len(self._cuts) >= _CUTS:
            del self._cuts[next(iter(self._cuts))]
        self._cuts[zone] = cut
        return cut


@dataclass(frozen=True, slots=True)
class ByZone:
    """Sends each question to the resolver of its name: that of the longest zone it lies in, else `default`."""

    zones: Mapping[str, Resolver]
    default: Resolver

    async def __call__(self, name: str, type_: str, tell: Tell) -> Answer:
        """Ask the name's resolver, and drop what it says of names that another one is asked for; raises DnsFailure."""
        resolver = self._of(name)
        answer = await resolver(name, type_, tell)
        return answer._replace(records=tuple(one for one in answer.records if self._of(one.name) is resolver))

    def _of(self, name: str) -> Resolver:
        above = name
        while above:
            if (resolver := self.zones.get(above)) is not None:
                return resolver
            above = parent(above)
        return self.default


def _referral(answer: Answer, zones: tuple[str, ...], name: str) -> str | None:
    """Return the zone that an answer sends on to: one below the asked zones, at or above the name."""
    if answer.rcode != "NOERROR" or answer.authoritative or answer.records:
        return None
    for one in answer.authority:
        if one.type == "NS" and one.name not in zones and _inside(one.name, zones) and is_within(name, one.name):
            return one.name
    return None


def _inside(name: str, zones: tuple[str, ...]) -> bool:
    return any(not zone or is_within(name, zone) for zone in zones)


def _ipv4_first(address: str) -> bool:
    return ":" in address
