"""The value of a CAA property `issue` (RFC 8659 section 4.2), which dns-persist-01 uses too."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["IssueValue", "parse"]

_WSP = " \t"
_LABEL = r"[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_TAG = re.compile(_LABEL)
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e]*")


@dataclass(frozen=True, slots=True)
class IssueValue:
    """An issuer's domain name in lower case, empty for nobody, and its parameters, tags in lower case."""

    issuer: str
    parameters: tuple[tuple[str, str], ...] = ()

    def all(self, tag: str) -> list[str]:
        """Return every value of a parameter."""
        return [value for name, value in self.parameters if name == tag]


def parse(text: str) -> IssueValue | None:
    """Read an issue-value by its grammar; None when it does not follow it."""
    head, separator, rest = text.partition(";")
    issuer = head.strip(_WSP)
    if issuer and not _DOMAIN.fullmatch(issuer):
        return None
    rest = rest.strip(_WSP)
    if not separator or not rest:
        return IssueValue(issuer.lower())
    parameters: list[tuple[str, str]] = []
    for parameter in rest.split(";"):
        tag, equals, value = (part.strip(_WSP) for part in parameter.partition("="))
        if not equals or not _TAG.fullmatch(tag) or not _VALUE.fullmatch(value):
            return None
        parameters.append((tag.lower(), value))
    return IssueValue(issuer.lower(), tuple(parameters))
