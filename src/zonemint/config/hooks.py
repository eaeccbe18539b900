"""The tables `[hooks.NAME]`: who is told of certificates, by a request or by a command."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds, SettingError, check
from zonemint.core.exchange import address_of

__all__ = ["EVENTS", "Hook"]

EVENTS = ("issued", "revoked", "failed", "expiring", "rotated", "ca-expiring")
"""What a hook can be told of."""

_LONGEST_TIMEOUT = Seconds(60)


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told, of what, and how long that is tried; SettingError of a table has the setting's name alone."""

    url: Annotated[str, Meta(description="A webhook: events are POSTed to it, each as a CloudEvent in JSON.")] = ""
    secret_file: Annotated[
        str, Meta(description="The file of the secret that signs what is POSTed; relative to the data folder.")
    ] = ""
    command: Annotated[
        tuple[str, ...], Meta(description="A program and its words: it reads each event from its standard input.")
    ] = ()
    events: Annotated[tuple[str, ...], Meta(description=f"Of {', '.join(EVENTS)}, those that are told.")] = EVENTS
    expiring: Annotated[
        tuple[Seconds, ...], Meta(description="How long before the end of a certificate that nobody renewed.")
    ] = (Seconds(30 * 86400), Seconds(7 * 86400), Seconds(86400))
    ca_expiring: Annotated[
        tuple[Seconds, ...], Meta(description="How long before the end of a certificate of the CA's own.")
    ] = (Seconds(90 * 86400), Seconds(30 * 86400), Seconds(7 * 86400))
    timeout: Annotated[Seconds, Meta(description="How long one delivery may take.")] = Seconds(10)
    give_up: Annotated[
        Seconds, Meta(description="How old an event is, at least, when its delivery is not tried again.")
    ] = Seconds(3 * 86400)

    @property
    def host(self) -> str:
        """The URL up to the host; what follows may be a secret."""
        parts = address_of(self.url) if self.url else None
        return "" if parts is None else f"{parts.scheme}://{parts.netloc}"

    def __post_init__(self) -> None:
        if self.url:
            check("url", self.url, address_of)
        if self.secret_file and not self.url:
            raise SettingError("secret_file", "only what is sent to a url is signed")
        if self.command and not self.command[0].startswith("/"):
            raise SettingError("command", "the program is named by its whole path, such as /usr/local/bin/told")
        if unknown := next((one for one in self.events if one not in EVENTS), None):
            raise SettingError("events", f"'{unknown}' is not one of {', '.join(EVENTS)}")
        if self.timeout > _LONGEST_TIMEOUT:
            raise SettingError("timeout", f"{self.timeout} is too long: at most {_LONGEST_TIMEOUT} are allowed")
        for key in ("expiring", "ca_expiring"):
            longest_first = tuple(sorted(set(getattr(self, key)), reverse=True))
            msgspec.structs.force_setattr(self, key, longest_first)
