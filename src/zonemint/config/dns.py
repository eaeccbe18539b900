"""The DNS server's settings."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from zonemint.config.grants import Grants
from zonemint.config.values import Seconds, SettingError, check, server
from zonemint.config.zones import OWN_SERVERS
from zonemint.core.names import normalize
from zonemint.core.networks import networks

__all__ = ["Dns"]

_LISTS = ("allow", "deny", "recursion", "rate_limit_exempt")
_SHOWN = ("nsid", "version")


class Dns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long resolvers may keep our answers, who is answered, and how much; a network may be `private` or `any`."""

    ttl: Annotated[Seconds, Meta(description="Time to live of records that no zone file gives one.")] = Seconds(300)
    negative_ttl: Annotated[
        Seconds, Meta(description="Time to live of 'no such name' and 'no such data' (RFC 2308).")
    ] = Seconds(60)
    hosts: Annotated[
        str, Meta(description="A file like /etc/hosts whose names have their addresses in our zones. Empty: none.")
    ] = ""
    allow: Annotated[tuple[str, ...], Meta(description="Networks whose questions are answered.")] = ("any",)
    deny: Annotated[tuple[str, ...], Meta(description="Networks whose questions are not; it goes before allow.")] = ()
    denial: Annotated[
        Literal["refuse", "ignore"], Meta(description="What the others get: refuse (REFUSED), or ignore (nothing).")
    ] = "refuse"
    recursion: Annotated[
        tuple[str, ...],
        Meta(description="Networks that may ask for names that are not ours, where these are forwarded."),
    ] = ("private",)
    rate_limit: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="UDP answers of a kind to a network in a second; 0: no limit."),
    ] = 200
    rate_limit_slip: Annotated[
        int,
        Meta(ge=0, le=10, description="Each of how many answers beyond it is sent truncated; 0: none."),
    ] = 2
    rate_limit_exempt: Annotated[tuple[str, ...], Meta(description="Networks without that limit.")] = ("private",)
    cookies: Annotated[bool, Meta(description="Whether clients are given cookies, which free them of the limit.")] = (
        True
    )
    nsid: Annotated[
        str, Meta(description="What this server calls itself to those who ask (NSID, id.server); empty: nothing.")
    ] = ""
    version: Annotated[str, Meta(description="What version.bind in class CH says; empty: it is refused.")] = ""
    coredns_metrics: Annotated[
        bool, Meta(description="Whether /metrics has the counters by CoreDNS's names, too, for dashboards of it.")
    ] = False
    tcp_connections: Annotated[
        int, Meta(ge=1, le=100_000, description="Open TCP connections; another one closes the quietest.")
    ] = 1024
    tcp_connections_per_client: Annotated[
        int, Meta(ge=1, le=100_000, description="The same of one address, or of 56 bits of IPv6.")
    ] = 256
    tsig_md5: Annotated[bool, Meta(description="Whether keys of the algorithm hmac-md5 are good.")] = False
    allow_transfer: Annotated[
        tuple[str, ...],
        Meta(description="Who may have whole zones: networks, and key:NAME; a zone's own table may say otherwise."),
    ] = ()
    notify: Annotated[
        tuple[str, ...],
        Meta(description='Servers to be told of each change, an address with or without port; "ns" is a zone\'s own.'),
    ] = ()
    transfer_key: Annotated[
        str, Meta(description="The key that our messages to other servers are signed with (zonemint tsig).")
    ] = ""
    catalog: Annotated[
        str, Meta(description="The name of a zone that tells secondaries which zones there are (RFC 9432).")
    ] = ""
    tcp_idle: Annotated[Seconds, Meta(description="How long a quiet TCP connection stays open.")] = Seconds(10)

    workers: Annotated[
        int, Meta(ge=0, le=64, description="Processes that answer UDP; 0: the main process does (Linux).")
    ] = 0

    def __post_init__(self) -> None:
        for text in self.allow_transfer:
            check("dns.allow_transfer", text, lambda one: Grants.read([one]))
        for text in self.notify:
            if text != OWN_SERVERS:
                check("dns.notify", text, server)
        if self.transfer_key:
            check("dns.transfer_key", self.transfer_key, normalize)
        if self.catalog:
            msgspec.structs.force_setattr(self, "catalog", check("dns.catalog", self.catalog, normalize))
        for key in _LISTS:
            for text in getattr(self, key):
                check(f"dns.{key}", text, lambda one: networks([one]))
        for key in _SHOWN:
            text = getattr(self, key)
            if len(text.encode()) > 255 or not text.isprintable():
                raise SettingError(f"dns.{key}", "it must have at most 255 bytes, all printable")
