"""The table `[ca]`: where the key is that signs, how it is opened, and when another one takes its place."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds, SettingError

__all__ = ["Ca"]


class Ca(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The authority's own keys."""

    key: Annotated[
        str,
        Meta(description="The intermediate's key in a token, as a PKCS #11 URI; empty: pki/intermediate.key."),
    ] = ""
    pin_file: Annotated[str, Meta(description="The file with the PIN of that token.")] = ""
    password_file: Annotated[
        str,
        Meta(
            description="The file with the password of encrypted keys; empty: $ZONEMINT_PASSWORD_FILE, else systemd's "
            "credential zonemint-password."
        ),
    ] = ""
    rotate: Annotated[
        bool,
        Meta(description="Whether the intermediate is replaced by itself in time, where the root's key is here."),
    ] = True
    renew_within: Annotated[
        Seconds,
        Meta(description="Over what time clients are asked to renew (ARI) when another intermediate signs."),
    ] = Seconds(7 * 86400)

    def __post_init__(self) -> None:
        if self.key and not self.key.startswith("pkcs11:"):
            raise SettingError("ca.key", "it must be a PKCS #11 URI (RFC 7512), such as pkcs11:token=ca;object=key")
