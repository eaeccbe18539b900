"""Which identifiers an order may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from zonemint.core.errors import BadName
from zonemint.core.hosts import is_address
from zonemint.core.names import hostname, is_within
from zonemint.core.networks import PRIVATE_NETWORKS, Network
from zonemint.core.patterns import Patterns
from zonemint.core.text import shown

__all__ = ["Policy"]

_NOTHING = Patterns.read(())


@dataclass(frozen=True, slots=True)
class Policy:
    """The domains (normalized; all names below them too) and networks that a CA issues for, beside `localhost`.

    It should say no more than the intermediate's name constraints permit, or clients will refuse what is issued.
    `allow` narrows it down, None does not; `deny` takes away, and wins. `single_labels`: whether a domain of one label
    is itself issued for.
    """

    domains: Sequence[str]
    networks: Sequence[Network] = PRIVATE_NETWORKS
    allow: Patterns | None = None
    deny: Patterns = _NOTHING
    wildcards: bool = True
    single_labels: bool = False

    def refusal(self, identifier_type: str, value: str) -> str | None:
        """Return the sentence why an identifier is refused (RFC 8555 section 7.1.3, RFC 8738), or None.

        Types are `dns`, a normalized host name with `*` allowed as its whole first label, and `ip`.
        """
        match identifier_type:
            case "dns":
                return self._name_refusal(value)
            case "ip":
                return self._address_refusal(value)
        return f"identifiers of the type '{shown(identifier_type)}' are not issued for: use 'dns' or 'ip'"

    def host_refusal(self, host: str) -> str | None:
        """Say the same of a name or an address, whichever it is."""
        return self.refusal("ip" if is_address(host) else "dns", host)

    def _name_refusal(self, value: str) -> str | None:
        base = value.removeprefix("*.")
        if "*" in base:
            return f"'{shown(value)}' is refused: a wildcard is the whole first label, as in '*.example.test'"
        try:
            name = hostname(base)
        except BadName as error:
            return str(error)
        if name != base:
            return f"'{shown(value)}' is refused: write the name in lower case, without a dot at its end"
        if base != value and not self.wildcards:
            return f"'{value}' is refused: no wildcards are issued here"
        if name != "localhost" or base != value:
            if "." not in name and not self.single_labels:
                return f"'{value}' is refused: a single label other than 'localhost' is no host of a domain"
            if not any(is_within(name, domain) for domain in self.domains):
                return f"'{value}' lies outside the domains of this CA: {', '.join(self.domains)}"
        if self.allow is not None and not self.allow.hold(value):
            return f"'{value}' is none of the names that are issued for here"
        if self.deny.touch(value):
            return f"'{value}' is refused: it is, or could stand for, a name that is not issued for here"
        return None

    def _address_refusal(self, value: str) -> str | None:
        try:
            address = ip_address(value)
        except ValueError:
            return f"'{shown(value)}' is not an IP address"
        if str(address) != value or "%" in value:
            return f"'{shown(value)}' is refused: write the address in its canonical form, without a scope (RFC 5952)"
        if not any(address in network for network in self.networks):
            return f"{value} lies outside the networks of this CA: {', '.join(map(str, self.networks))}"
        if self.allow is not None and not self.allow.hold_address(address):
            return f"{value} is none of the addresses that are issued for here"
        if self.deny.hold_address(address):
            return f"{value} is refused: it is an address that is not issued for here"
        return None
