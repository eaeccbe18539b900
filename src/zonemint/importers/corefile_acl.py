"""The rules of a Corefile's `acl`, as far as our lists of networks say the same of every client."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import NamedTuple

from zonemint.core.errors import ForeignDataError
from zonemint.core.networks import ANY, Network
from zonemint.importers.corefile_text import Directive

__all__ = ["Rights", "rights"]

_DENIALS = {"allow": "", "block": "refuse", "drop": "ignore"}


class Rights(NamedTuple):
    """`settings` are those of `dns`; `refused` are the rules that have no place, and why: no settings then."""

    settings: dict[str, object]
    refused: Sequence[tuple[Directive, str]] = ()


class _Rule(NamedTuple):
    said: Directive
    denial: str
    networks: tuple[Network, ...]


def rights(acl: Directive) -> Rights:
    """Translate rules, of which the first one that fits a client counts; raises ForeignDataError with file and line.

    Of our lists `deny` goes before `allow`, so no rule may deny what one before it allows.
    """
    # The others would mean something else without the one that is left out.
    if refused := [rule for rule in acl.inside if not _is_of_clients(rule)]:
        return Rights(
            {}, [(rule, "clients are answered or not, whatever they ask: dns.allow and dns.deny") for rule in refused]
        )
    rules = _reached([_Rule(rule, _DENIALS[rule.name], _networks(rule)) for rule in acl.inside])
    allowed: list[Network] = []
    denied: list[Network] = []
    for rule in rules:
        if not rule.denial:
            allowed += rule.networks
            continue
        if rule.networks == ANY and allowed:
            # What is denied in the end is everybody who was not allowed before.
            break
        if found := _common(rule.networks, allowed):
            return Rights(
                {}, [(rule.said, f"a rule before it allows {found}, and dns.deny goes before dns.allow here")]
            )
        denied += rule.networks
    else:
        allowed = []  # who is in no rule is allowed
    denials = {rule.denial for rule in rules if rule.denial}
    if len(denials) > 1:
        return Rights({}, [(acl, "some clients are blocked and others dropped; dns.denial is one for all")])
    settings: dict[str, object] = {"allow": _texts(allowed), "deny": _texts(denied), "denial": "".join(denials)}
    return Rights({key: value for key, value in settings.items() if value})


def _is_of_clients(rule: Directive) -> bool:
    """Tell whether a rule is for all types of records, and says its networks itself."""
    words = list(rule.words)
    if words[:1] == ["type"]:
        words = words[2:] if words[1:2] == ["*"] else ["type"]
    return rule.name in _DENIALS and (not words or (words[0] == "net" and not {"type", "file"} & set(words)))


def _networks(rule: Directive) -> tuple[Network, ...]:
    texts = rule.words[rule.words.index("net") + 1 :] if "net" in rule.words else ("*",)
    if "*" in texts:
        return ANY
    try:
        return tuple(ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise ForeignDataError(f"{rule.place}: {error}") from None


def _reached(rules: Sequence[_Rule]) -> Sequence[_Rule]:
    """Leave out what comes after a rule for everybody."""
    last = next((at for at, rule in enumerate(rules) if rule.networks == ANY), len(rules))
    return rules[: last + 1]


def _common(networks: Sequence[Network], others: Sequence[Network]) -> str:
    """Return a network that overlaps with one of the others, in words, or nothing."""
    for one in networks:
        for other in others:
            if one.version == other.version and one.overlaps(other):
                return f"{other}, which has addresses of {one}"
    return ""


def _texts(networks: Sequence[Network]) -> list[str]:
    if tuple(networks) == ANY:
        return ["any"]
    return list(dict.fromkeys(map(str, networks)))
