"""What in the settings opens more than it has to: each may be meant, and none should be there unnoticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from urllib.parse import parse_qs, urlsplit

import msgspec

from zonemint.app.doctor.finding import Finding
from zonemint.config import Config
from zonemint.core.networks import networks
from zonemint.validation.fence import Fence

__all__ = ["weak_spots"]

_WHAT = "the settings"
_LONG = 825 * 86400  # seconds for which Apple's clients take a certificate of a private CA at most
_VERIFIED = frozenset({"verify-ca", "verify-full"})


def weak_spots(config: Config) -> Iterator[Finding]:
    """Return a note for each, or one word that there is none."""
    found = [*_acme(config), *_dns(config), *_acmedns(config), *_validation(config), *_store(config)]
    for seen, advice in found:
        yield Finding.note(_WHAT, seen, advice)
    if not found:
        yield Finding.ok(_WHAT, "none of them opens more than it has to")


def _acme(config: Config) -> Iterator[tuple[str, str]]:
    if "ca" not in config.roles:
        return
    if "*" in config.acme.origins:
        yield "acme.origins: scripts of every web site may use ACME", "name the sites"
    if unlimited := [key for key, value in msgspec.structs.asdict(config.limits).items() if value == 0]:
        yield f"no limit for {', '.join('limits.' + one for one in unlimited)}", "set one that your hosts do not meet"
    if off := [zone for zone, scope in config.acme.caa.items() if scope == "off"]:
        yield f"acme.caa: CAA does not count for {', '.join(off)}", "let it count where others than you set records"
    for name, one in config.every_profile.items():
        if one.lifetime is not None and one.lifetime > _LONG:
            yield f"profiles.{name}: {one.lifetime} is longer than some clients take (825d)", "shorten it"


def _dns(config: Config) -> Iterator[tuple[str, str]]:
    if "dns" not in config.roles:
        return
    if _is_everybody(config.dns.recursion):
        yield (
            "dns.recursion: everybody may ask for names that are not ours",
            'set "private", or the networks of your hosts',
        )
    unlimited = not config.dns.rate_limit or _is_everybody(config.dns.rate_limit_exempt)
    if unlimited and _is_everybody(config.dns.allow) and not _is_everybody(config.dns.deny):
        yield "dns.rate_limit: whoever forges senders can have others flooded with answers", "set a limit"


def _acmedns(config: Config) -> Iterator[tuple[str, str]]:
    if _has_everything(config.acmedns.trusted_proxies):
        yield "acmedns.trusted_proxies: everybody is believed which address is theirs", "name the proxies"
    if "acmedns" not in config.roles:
        return
    if config.acmedns.registration == "open":
        yield "acmedns.registration: everybody may register", 'set "private", "token" or networks'
    if "*" in config.acmedns.origins:
        yield "acmedns.origins: scripts of every web site may call the API", "name the sites"
    if config.acmedns.plain_http:
        yield "acmedns.plain_http: passwords of its accounts may cross the network in the clear", "use the HTTPS port"


def _validation(config: Config) -> Iterator[tuple[str, str]]:
    if "ca" not in config.roles:
        return
    opened = [one for one in config.validation.allow if _opens(one)]
    if opened:
        seen = f"validation.allow: with http-01, clients make this machine connect to {', '.join(opened)}"
        yield seen, "leave out what is no client's"


def _store(config: Config) -> Iterator[tuple[str, str]]:
    url = urlsplit(config.store.database)
    hosts = [one.rpartition("@")[2] for one in url.netloc.split(",")] if url.netloc else []
    remote = [one for one in hosts if one.partition(":")[0] not in ("", "localhost", "127.0.0.1", "[")]
    if remote and not _VERIFIED & set(parse_qs(url.query).get("sslmode", ())):
        seen = f"store.database: whether {', '.join(remote)} is the right server is not verified"
        yield seen, "add sslmode=verify-full to the URL"


def _opens(text: str) -> bool:
    """Tell whether a network has an address in it that is closed unless the settings open it."""
    network = ip_network(text)
    ends = (network.network_address, network.broadcast_address)
    return network.prefixlen == 0 or any(Fence().refusal(one) is not None for one in ends)


def _is_everybody(texts: Sequence[str]) -> bool:
    return any(not network.prefixlen for network in networks(texts))


def _has_everything(networks: Sequence[str]) -> bool:
    return any(ip_network(one).prefixlen == 0 for one in networks)
