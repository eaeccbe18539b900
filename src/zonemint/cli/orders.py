"""`zonemint orders`: what was asked for, what became of it, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.core.trace import Event
    from zonemint.store.orders import Order

__all__ = ["app"]

app = typer.Typer(help="Orders: what was asked for, and what became of it.", no_args_is_help=True)


@app.command("list")
def list_orders(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N.")] = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List orders, newest first."""
    from time import time

    from zonemint.acme.orders import as_of
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.store import orders

    found = run(data, lambda session: session.db.read(orders.listing(limit=limit)))
    now = int(time())
    show_table([_row(as_of(order, now)) for order in found], ["id", "status", "created", "names"], as_json=as_json)


@app.command("explain")
def explain(
    order_id: Annotated[str, typer.Argument(metavar="ID", help="The order's id, the last part of its URL.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell an order's story, and why it failed.

    It says who asked whom, what came back, and how long it took.
    """
    from time import time

    from zonemint.acme.orders import as_of
    from zonemint.cli.output import show_facts
    from zonemint.cli.session import Session, run
    from zonemint.core.errors import ConfigError
    from zonemint.store import orders, traces

    async def read(session: Session) -> tuple[Order, list[Event]]:
        order = await session.db.read(orders.by_id(order_id))
        if order is None:
            raise ConfigError(f"there is no order '{order_id}'; `zonemint orders list` shows them")
        return order, await session.db.read(traces.of_order(order_id))

    order, events = run(data, read)
    order = as_of(order, int(time()))
    if as_json:
        show_facts({**_row(order), "error": _problem(order), "events": events}, as_json=True)
        return
    print(f"order {order.id} for {', '.join(_names(order))}: {order.status}")
    if problem := _problem(order):
        print(f"why: {problem['detail']}")
    for event in events:
        print(_line(event, events[0].at))


def _row(order: Order) -> dict[str, object]:
    from zonemint.core.clock import rfc3339

    return {
        "id": order.id,
        "status": order.status,
        "created": rfc3339(order.created_at),
        "names": _names(order),
        "profile": order.profile,
        "account": order.account_id,
        # A serial is set aside when the order is made; before the order is valid no certificate has it.
        "serial": order.serial if order.status == "valid" else None,
    }


def _names(order: Order) -> list[str]:
    return [identifier.value for identifier in order.identifiers]


def _problem(order: Order) -> dict[str, object] | None:
    import msgspec

    return None if order.error is None else msgspec.json.decode(order.error, type=dict[str, object])


def _line(event: Event, began: float) -> str:
    """Write an event: seconds since the first one, who asked whom, what, and how long it took."""
    who = f"{event.actor} -> {event.peer}" if event.peer else event.actor
    took = "" if event.ms is None else f" ({event.ms:.1f} ms)"
    sent = f"{event.data['method']} {event.data['path']}: " if "path" in event.data else ""
    return f"{event.at - began:+9.3f} s  {event.what:<10}  {who}: {sent}{event.detail}{took}"
