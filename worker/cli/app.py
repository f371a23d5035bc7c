"""The program: global options, errors and exit codes for every command alike."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import structlog
import typer
from typer.exceptions import TyperException

from config.problem import ConfigurationError
from connectors.errors import ConnectorError, SourceMisconfigured
from worker.cli.session import Session
from worker.errors import ExitCode, StocksyncError

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger(__name__)

app = typer.Typer(
    name="stocksync",
    help="Keeps the stock that Omnitron shows equal to the stock that the ERP knows.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
) -> None:
    """Take the options that every command has; they may stand before or behind the command."""
    session: Session = context.obj
    session.config, session.as_json = config, as_json


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    given = hoisted(list(sys.argv[1:] if arguments is None else arguments))
    session = Session(as_json="--json" in given[:3])
    code = _run(given, session)
    session.close()
    sys.exit(code)


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
        if session.signal:
            return 128 + session.signal
        return int(result) if isinstance(result, int) else ExitCode.OK
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except TyperException as error:
        return _usage(error, session)
    except Exception as error:  # noqa: BLE001 - the one home of a broad except in this process
        return _failed(error, session)


def _usage(error: TyperException, session: Session) -> int:
    context = getattr(error, "ctx", None)
    remedy = f"see: {context.command_path} --help" if context else "see: stocksync --help"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    report(session, [_document("usage", message, remedy, "command line")])
    return ExitCode.USAGE


def _failed(error: Exception, session: Session) -> int:
    if isinstance(error, ConfigurationError):
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
    log.error("defect", exc_info=error)
    if os.environ.get("STOCKSYNC_DEBUG"):
        traceback.print_exception(error)
    message = f"a defect of stocksync: {type(error).__name__}"
    report(session, [_document("defect", message, "report it, with the log of this time", "")])
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
        sys.stderr.write(f"error: {place}{error['message']}{remedy}\n")


# every command registers itself on `app` when its module is imported
from worker.cli import steps  # noqa: E402, F401
