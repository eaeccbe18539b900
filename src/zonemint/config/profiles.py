"""The tables `[profiles.NAME]`: the kinds of certificates that orders may ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds, SettingError

__all__ = ["BUILT_IN", "LONGEST_LIFETIME", "Profile"]

_KEYS = ("p256", "p384", "p521", "ed25519", "rsa")
_USAGES = ("serverAuth", "clientAuth")
_POINTERS = ("crl", "issuer", "ocsp")
_ATTRIBUTES = ("C", "ST", "L", "O", "OU")
_LONGEST_ATTRIBUTE = 64  # RFC 5280 appendix A

LONGEST_LIFETIME = Seconds(5 * 365 * 86400)
"""The life of an intermediate, which no certificate outlives."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the certificates of one kind are like; SettingError of a table has the setting's name alone."""

    lifetime: Annotated[
        Seconds | None,
        Meta(description="How long a certificate lives; unset: acme.certificate_lifetime, 160h for shortlived."),
    ] = None
    backdate: Annotated[
        Seconds, Meta(description="How far back its life begins, for clocks that run late; a part of the lifetime.")
    ] = Seconds(3600)
    keys: Annotated[tuple[str, ...], Meta(description="The kinds of keys that a CSR may have.")] = _KEYS
    rsa_bits: Annotated[int, Meta(ge=2048, le=4096, description="The least length of an RSA key.")] = 2048
    extended_key_usages: Annotated[
        tuple[str, ...], Meta(description="What the key serves for: serverAuth, clientAuth.")
    ] = ("serverAuth",)
    common_name: Annotated[
        bool, Meta(description="Whether the first name of at most 64 characters is the subject's common name.")
    ] = True
    subject: Annotated[Mapping[str, str], Meta(description="Fixed attributes of the subject: C, ST, L, O, OU.")] = {}
    pointers: Annotated[
        tuple[str, ...], Meta(description="What a certificate points to: crl, issuer (its issuer's certificate), ocsp.")
    ] = ("crl", "issuer")
    description: Annotated[
        str, Meta(description="One line for people, in the directory; empty: made from the rest.")
    ] = ""

    def __post_init__(self) -> None:
        for key, words in (("keys", _KEYS), ("extended_key_usages", _USAGES), ("pointers", _POINTERS)):
            chosen = getattr(self, key)
            if not set(chosen) <= set(words) or len(set(chosen)) < len(chosen):
                raise SettingError(key, f"it must be a list of some of {', '.join(words)}")
            if not chosen and key != "pointers":
                raise SettingError(key, "a certificate without any cannot be made")
        for name, value in self.subject.items():
            if name not in _ATTRIBUTES:
                raise SettingError(f"subject.{name}", f"it is not one of {', '.join(_ATTRIBUTES)}")
            if not 0 < len(value) <= _LONGEST_ATTRIBUTE or not value.isprintable():
                raise SettingError(f"subject.{name}", f"it must have 1 to {_LONGEST_ATTRIBUTE} printable characters")
        if (country := self.subject.get("C")) is not None and not re.fullmatch(r"[A-Z]{2}", country):
            raise SettingError("subject.C", "it must be a country's two capital letters, such as DE")
        if len(self.description) > 200 or not self.description.isprintable():
            raise SettingError("description", "it must have at most 200 characters, all printable")


BUILT_IN: Mapping[str, Profile] = {"default": Profile(), "shortlived": Profile(lifetime=Seconds(160 * 3600))}
"""The profiles that are there without a table, and whose lifetime a table need not say."""
