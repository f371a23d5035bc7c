"""The program: global options, errors and exit codes for every command alike."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from typer.exceptions import TyperException

from config.problem import ConfigurationError
from connectors.errors import ConnectorError, SourceMisconfigured
from worker.cli.session import Session, printable
from worker.errors import ExitCode, StocksyncError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="stocksync",
    help="Keeps the stock that Omnitron shows equal to the stock that the ERP knows.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"stocksync {version('stocksync')}\n")
        raise typer.Exit


@app.callback()
def program(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="The configuration file; also STOCKSYNC_CONFIG, else stocksync.toml."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout, for scripts.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - acted on by its callback
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that every command has; they may stand before or behind the command."""
    session: Session = context.obj
    session.config, session.as_json = config, as_json


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    stand_in_for_closed_streams()
    given = hoisted(list(sys.argv[1:] if arguments is None else arguments))
    session = Session(as_json="--json" in given[:3])
    code = _run(given, session)
    session.close()
    sys.exit(code)


def stand_in_for_closed_streams() -> None:
    """Open the null device for standard streams that were closed before the program started.

    Else the next file that is opened, such as the ledger, would get what is written there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - for the life of the process


def hoisted(arguments: list[str]) -> list[str]:
    """Bring ``--json`` and ``--config FILE`` to the front, wherever they stood before a ``--``."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*front, *rest, word, *words]
        if word == "--json" or word.startswith("--config="):
            front.append(word)
        elif word == "--config":
            front += [word, *(value for value in [next(words, None)] if value is not None)]
        else:
            rest.append(word)
    return [*front, *rest]


def _run(arguments: list[str], session: Session) -> int:
    try:
        result = app(arguments, standalone_mode=False, obj=session, prog_name="stocksync")
        if session.ended_by:
            return _ended(session)
        return int(result) if isinstance(result, int) else ExitCode.OK
    except (typer.Abort, KeyboardInterrupt):
        return 128 + (session.ended_by or signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except TyperException as error:
        return _usage(error, session)
    except Exception as error:  # noqa: BLE001 - the one home of a broad except in this process
        return _failed(error, session)


def _ended(session: Session) -> int:
    """The exit code after a signal; a service has said it in its log, a step says it here."""
    if session.stopping:
        name = signal.Signals(session.ended_by).name
        session.remark(f"ended by {name}: what was done is recorded, the next run does the rest")
    return 128 + session.ended_by


def _usage(error: TyperException, session: Session) -> int:
    context = getattr(error, "ctx", None)
    remedy = f"see: {context.command_path} --help" if context else "see: stocksync --help"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    report(session, [_document("usage", message, remedy, "command line")])
    return ExitCode.USAGE


def _failed(error: Exception, session: Session) -> int:
    if isinstance(error, ConfigurationError):
        for warning in error.warnings:
            session.remark(f"warning: {warning}")
        report(
            session,
            [
                _document("configuration", problem.message, problem.remedy, problem.place)
                for problem in error.problems
            ],
        )
        return ExitCode.USAGE
    if isinstance(error, StocksyncError):
        report(session, [_document(error.kind, error.message, error.remedy, error.place)])
        return error.exit_code
    if isinstance(error, ConnectorError):
        report(session, [_document("source", error.message, error.remedy, error.place)])
        misconfigured = isinstance(error, SourceMisconfigured)
        return ExitCode.USAGE if misconfigured else ExitCode.UNREACHABLE
    return _defect(error, session)


def _defect(error: Exception, session: Session) -> int:
    """Tell the person in one line, and the log with a plain traceback (no values of variables)."""
    import structlog

    from config.logs import configure_logs

    if not session.configured:
        configure_logs()
    structlog.get_logger(__name__).error("defect", exc_info=error)
    message = f"a defect of stocksync: {type(error).__name__}"
    remedy = "nothing that was saved is lost; report it, with the log above"
    report(session, [_document("defect", message, remedy, "")])
    return ExitCode.DEFECT


def _document(kind: str, message: str, remedy: str, place: str) -> dict[str, Any]:
    return {"kind": kind, "message": message, "remedy": remedy, "place": place}


def report(session: Session, errors: Sequence[dict[str, Any]]) -> None:
    """Show errors: to scripts one document on stdout, to people lines on stderr."""
    if session.as_json:
        document: dict[str, Any] = {"error": errors[0]}
        if len(errors) > 1:
            document["errors"] = list(errors)
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for error in errors:
        place = f"{error['place']}: " if error["place"] else ""
        remedy = f"\n  remedy: {error['remedy']}" if error["remedy"] else ""
        sys.stderr.write(printable(f"error: {place}{error['message']}{remedy}\n"))


COMMANDS = ("setup", "steps", "overview", "explain", "operations", "service", "demo")
"""The modules of this folder whose commands register themselves on `app` when imported."""

for _name in COMMANDS:
    importlib.import_module(f"worker.cli.{_name}")
