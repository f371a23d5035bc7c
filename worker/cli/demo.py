"""`demo`: the whole service on sample data against the sandbox, with a report at its end."""

# ruff: noqa: PLC0415 - `--help` must not wait for what the demo brings

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.app import app
from worker.errors import ExitCode, StocksyncError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from worker.cli.session import Session
    from worker.demo.report import Report


@app.command()
def demo(
    context: typer.Context,
    seconds: Annotated[
        float, typer.Option(min=1, max=3_600, help="How long the sample ERP goes on trading.")
    ] = 20.0,
    products: Annotated[
        int, typer.Option(min=50, max=50_000, help="How many products the sample ERP has.")
    ] = 2_500,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the demo's folder where it is, and say where.")
    ] = False,
) -> ExitCode:
    """Run the whole service on sample data against the sandbox; ends by itself with a report."""
    from worker.demo import DemoEnded, DemoFailed, DemoOptions, perform

    session: Session = context.obj
    console = _console(to_stderr=session.as_json)
    options = DemoOptions(seconds=seconds, products=products, keep=keep)
    try:
        report = perform(options, console)
    except DemoEnded as error:
        console.print("ended early: every process has ended in order")
        session.ended_by = error.number
        return ExitCode.OK
    except DemoFailed as error:
        raise StocksyncError(str(error), remedy="look at it with: stocksync demo --keep") from error
    session.show(report.document(), lambda: _tell(console, report))
    return ExitCode.ATTENTION if report.problems() else ExitCode.OK


def _console(*, to_stderr: bool) -> Console:
    """Lines are broken for a terminal of any width, and left whole for a file.

    What the terminal's encoding lacks (the samples are Turkish) is shown as a question mark.
    """
    from rich.console import Console

    stream = sys.stderr if to_stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    console = Console(stderr=to_stderr, highlight=False, emoji=False)
    console.soft_wrap = not console.is_terminal
    return console


def _tell(console: Console, report: Report) -> None:
    console.print()
    console.print(_rows(report))
    console.print(_verdict(report), style="bold red" if report.problems() else "bold green")
    for problem in report.problems():
        console.print(f"  ✗ {problem}")
    for line in _next(report):
        console.print(line)


def _rows(report: Report) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in report.lines():
        table.add_row(name, Text(text))
    return table


def _verdict(report: Report) -> str:
    found = report.comparison
    return (
        f"{found.equal:,} of {found.keys:,} keys equal: ERP and file, Omnitron, sales channel"
        f" ({report.seconds:.0f} s)"
    )


def _next(report: Report) -> Iterator[str]:
    yield ""
    if report.folder is not None:
        yield f"Everything stays in {report.folder}; to look at it:"
        yield f"  export STOCKSYNC_CONFIG={report.folder}/stocksync.toml"
        yield "  stocksync failures; stocksync pulls; stocksync explain 0001234"
    yield "Next:"
    yield "  stocksync demo --keep           again, and everything stays to be looked at"
    yield "  stocksync init --template sql   a configuration of your own (or csv)"
    yield "  stocksync check                 tries it"
