"""The command line: parse, call, show. Decides nothing."""

from worker.cli.app import main

__all__ = ["main"]
