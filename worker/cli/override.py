"""`override`: a SKU whose stock in Omnitron a person pins for a while."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from worker.cli.app import app
from worker.cli.nouns import For
from worker.cli.session import Session, rfc3339, table
from worker.errors import UsageError
from worker.model import MAX_STOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.overriding import Override

_PIN = "pin"
_WORDS = ("list", "clear", "--help", "-h")


class _SkuFirst(TyperGroup):
    """A group whose first word may be a SKU: ``override SKU --stock N`` pins it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Whoever states a stock pins, also a SKU named ``list``."""
        pins = any(word.partition("=")[0] == "--stock" for word in args)
        if args and (pins or args[0] not in _WORDS):
            args = [_PIN, *args]
        return super().parse_args(ctx, args)


override = typer.Typer(
    help="Pin what Omnitron shows of a SKU: override SKU --stock N --for 4h --why TEXT.",
    invoke_without_command=True,
    rich_markup_mode=None,
    cls=_SkuFirst,
)
app.add_typer(override, name="override")

_Sku = Annotated[str, typer.Argument(metavar="SKU", help="As the ERP writes it.")]
_List = Annotated[
    int | None, typer.Option("--stock-list", metavar="N", help="Where it is in several lists.")
]


@override.callback()
def opening(context: typer.Context) -> None:
    """Pin what Omnitron shows of a SKU: override SKU --stock N --for 4h --why TEXT."""
    if context.invoked_subcommand is None:
        _list(context.obj)


@override.command("list")
def listed(context: typer.Context) -> None:
    """List what is pinned: to what, until when, by whom and why."""
    _list(context.obj)


@override.command(_PIN, hidden=True)
def pin(
    context: typer.Context,
    sku: _Sku,
    *,
    stock: Annotated[int, typer.Option(min=0, max=MAX_STOCK, help="What Omnitron shall show.")],
    seconds: For,
    why: Annotated[str, typer.Option(help="Why; it is recorded.")],
    stock_list: _List = None,
) -> None:
    """Pin what Omnitron shows of a SKU, sent first; afterwards the ERP's value goes out."""
    from worker.bootstrap import actor
    from worker.overriding import override as pin_down

    session: Session = context.obj
    if not why.strip():
        raise UsageError("--why is empty", remedy="say why; whoever comes next wants to know")
    made = pin_down(
        session.ledger,
        sku,
        stock=stock,
        seconds=seconds,
        why=why.strip(),
        actor=actor(),
        stock_list=stock_list,
    )
    level = made.level
    text = (
        f"Omnitron shall show {stock} of {sku} in stock list {level.stock_list} until"
        f" {session.local(level.override_until)}; the ERP says {level.stock}\n"
        "it goes with the running service, or now: stocksync deliver"
    )
    session.show(_document(made), lambda: text)


@override.command()
def clear(context: typer.Context, sku: _Sku, *, stock_list: _List = None) -> None:
    """End an override now: what the ERP says goes out again."""
    from worker.bootstrap import actor
    from worker.overriding import clear as end

    session: Session = context.obj
    ended = end(session.ledger, sku, actor=actor(), stock_list=stock_list)
    document = {
        "sku": sku,
        "cleared": bool(ended),
        "stock_list": ended[0].stock_list if ended else stock_list,
        "erp_stock": ended[0].stock if ended else None,
    }
    text = (
        f"the override of {sku} has ended; {ended[0].stock}, as the ERP says, goes out"
        if ended
        else f"{sku} is not overridden"
    )
    session.show(document, lambda: text)


def _list(session: Session) -> None:
    from worker.overriding import listed as every

    found = every(session.untouched_ledger)
    session.show([_document(one) for one in found], lambda: _tell(session, found))


def _document(one: Override) -> dict[str, Any]:
    level = one.level
    return {
        "stock_list": level.stock_list,
        "sku": level.sku,
        "stock": level.override_stock,
        "erp_stock": level.stock,
        "until": rfc3339(level.override_until),
        "why": level.override_why,
        "by": one.by,
        "since": rfc3339(one.since),
        "sent": not level.must_go,
        "park_reason": level.park_reason,
    }


def _tell(session: Session, found: Sequence[Override]) -> object:
    columns = ("#list", "sku", "#stock", "#ERP", "until", "by", "since", "sent", "why")
    rows = [
        (
            one.level.stock_list,
            one.level.sku,
            one.level.override_stock,
            one.level.stock,
            session.local(one.level.override_until),
            one.by,
            session.local(one.since),
            one.level.park_reason or ("no" if one.level.must_go else "yes"),
            one.level.override_why,
        )
        for one in found
    ]
    return table("overridden", columns, rows) if rows else "nothing is overridden"
