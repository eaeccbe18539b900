"""The table `[enrollment]`: certificates for machines without ACME."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Enrollment"]


class Enrollment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates for one-time tokens, and new ones for those that clients show."""

    enabled: Annotated[
        bool, Meta(description="Whether there is such a thing; then TLS clients are asked for a certificate.")
    ] = True
    profile: Annotated[
        str,
        Meta(description="The profile of these certificates; empty: the default, with clientAuth beside serverAuth."),
    ] = ""
