"""Whom the DNS server asks for names that are in none of its zones, and how long it remembers what they say."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds, SettingError, check
from zonemint.core.names import hostname, normalize

__all__ = ["NONE", "SYSTEM", "Forward", "ForwardTo", "Servers", "upstream"]

SYSTEM, NONE = "system", "none"
_PORTS = {"udp": 53, "tcp": 53, "tls": 853}
_UPSTREAM = re.compile(
    r"(?:(udp|tcp|tls)://)?(?:([^@/]+)@)?(\[[0-9A-Fa-f:.]+\]|[0-9.]+|[0-9A-Fa-f:.]+)(?::([0-9]{1,5}))?"
)
_LONGEST_DEADLINE = 30

Servers = str | tuple[str, ...]
"""A server, a list of them, or one of the words."""


class ForwardTo(NamedTuple):
    """One server: `udp`, which is TCP too where an answer is too long, `tcp` or `tls`; name: in its certificate."""

    kind: str
    address: str
    port: int
    name: str


class Forward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom we ask for names that are in none of our zones, and how long we remember what they say."""

    servers: Annotated[
        Servers,
        Meta(
            description='Whom to ask: a list of servers, as "10.0.0.1", "[::1]:5353", "tcp://10.0.0.1" or '
            '"tls://dns.example@192.0.2.1"; "system", those of /etc/resolv.conf; "none".'
        ),
    ] = SYSTEM
    zones: Annotated[
        dict[str, Servers],
        Meta(description="The same for names in zones of others; the longest one that a name lies in counts."),
    ] = {}
    policy: Annotated[
        Literal["sequential", "round_robin", "random"], Meta(description="Which of several servers is asked first.")
    ] = "sequential"
    timeout: Annotated[Seconds, Meta(description="The wait for one server until the next is asked as well.")] = Seconds(
        1
    )
    deadline: Annotated[Seconds, Meta(description="The wait for all servers together.")] = Seconds(4)
    max_fails: Annotated[
        int, Meta(ge=1, le=100, description="After how many silences one after the other a server is passed over.")
    ] = 2
    max_concurrent: Annotated[
        int, Meta(ge=1, le=100_000, description="How many questions may be under way at once.")
    ] = 1000
    mixed_case: Annotated[
        bool, Meta(description="Whether questions have random letter case, which a forged answer has to guess.")
    ] = True
    tls_roots: Annotated[
        str,
        Meta(description="PEM file with the roots for tls://, relative to the data folder; empty: the system's."),
    ] = ""
    local_names: Annotated[
        bool, Meta(description="Whether names that belong to nobody are answered here, such as private reverse zones.")
    ] = True
    allow_private: Annotated[
        bool, Meta(description="Whether servers for all names may say that a name has a private address.")
    ] = True
    cache_size: Annotated[int, Meta(ge=1, le=65536, description="How much is remembered, in MiB.")] = 32
    max_ttl: Annotated[Seconds, Meta(description="How long an answer is remembered at most.")] = Seconds(86400)
    max_negative_ttl: Annotated[Seconds, Meta(description="The same for 'no such name' and 'no such data'.")] = Seconds(
        3600
    )
    prefetch: Annotated[
        bool, Meta(description="Whether what is asked for often is asked for anew shortly before it is over.")
    ] = True
    serve_stale: Annotated[
        Seconds | None,
        Meta(description="How long an answer is still given after its time when no server answers (RFC 8767)."),
    ] = None

    def __post_init__(self) -> None:
        check_servers("forward.servers", self.servers)
        for zone, servers in self.zones.items():
            check_servers("forward.zones", servers)
            if check("forward.zones", zone, normalize) != zone or not servers:
                raise SettingError("forward.zones", f"write {zone.lower().rstrip('.')} = a list of servers or a word")
        if not self.timeout <= self.deadline <= _LONGEST_DEADLINE:
            longest = f"forward.timeout, which is {self.timeout}, and at most {_LONGEST_DEADLINE}s"
            raise SettingError("forward.deadline", f"{self.deadline} must be at least {longest}")


def check_servers(key: str, servers: Servers) -> None:
    """Raise SettingError unless it is a word, a server or a list of servers."""
    if servers in (SYSTEM, NONE):
        return
    if not servers:
        raise SettingError(key, f'the list of servers is empty; "{NONE}" has nobody asked')
    for one in (servers,) if isinstance(servers, str) else servers:
        check(key, one, upstream)


def upstream(text: str) -> ForwardTo:
    """Read `10.0.0.1`, `[::1]:53`, `tcp://10.0.0.1:53` or `tls://dns.example@10.0.0.1:853`; raises ValueError."""
    match = _UPSTREAM.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{text}' is no server: write 10.0.0.1, [::1]:53, tcp://10.0.0.1 or tls://NAME@10.0.0.1; an address, "
            "since a name would have to be asked for first"
        )
    kind, name = match[1] or "udp", match[2] or ""
    address = str(ipaddress.ip_address(match[3].strip("[]")))
    port = int(match[4] or _PORTS[kind])
    if not 0 < port < 65536:
        raise ValueError(f"'{text}' has a port that there is not")
    if name and kind != "tls":
        raise ValueError(f"'{text}': only the certificate of a tls:// server has a name")
    return ForwardTo(kind, address, port, hostname(name) if name else address)
