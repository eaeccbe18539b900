"""How much of the ACME server one account, one address and one request may take."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is too much is refused as `rateLimited`, with the time to wait; 0 is no limit, where one can be left out.

    The defaults are out of reach for 500 hosts behind one address, each with ten names that it renews at once.
    """

    body_size: Annotated[int, Meta(ge=4096, le=65536, description="Octets of a request to the ACME server.")] = 65536
    names_per_order: Annotated[int, Meta(ge=1, le=1000, description="Names of one order.")] = 100
    accounts_per_address: Annotated[
        int, Meta(ge=0, description="New accounts that one address may make in a minute; 0: no limit.")
    ] = 3000
    orders_per_address: Annotated[
        int, Meta(ge=0, description="New orders that one address may make in a minute; 0: no limit.")
    ] = 12000
    orders_per_account: Annotated[
        int, Meta(ge=0, description="New orders that one account may make in a minute; 0: no limit.")
    ] = 12000
    pending_orders: Annotated[
        int, Meta(ge=0, description="Orders of one account that are neither finalized nor over; 0: no limit.")
    ] = 10000
    failures_per_name: Annotated[
        int, Meta(ge=0, description="Failed validations that one account may have for a name in an hour; 0: no limit.")
    ] = 60
