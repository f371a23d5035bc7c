"""What is wrong with a configuration: where, what, and what to do. Never quotes a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

KeyPath = tuple[str | int, ...]
"""Where a value stands in the tree of tables: keys, and indexes of lists."""


class Complaint(NamedTuple):
    """A mistake or a remark about one key, before its place in the file is known."""

    path: KeyPath
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake or warning for a person. place: ``stocksync.toml line 12: sources.drop.path``."""

    place: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}. {self.remedy}"


class ConfigurationError(Exception):
    """The configuration cannot be used; all its mistakes at once. Exit code 2.

    Has the attributes of `worker.errors.UsageError` (kind, exit_code, message, remedy, place), so
    that a command shows both in the same way; ``warnings`` may explain a mistake (a misspelt
    environment variable is why a key is missing).
    """

    kind = "configuration"
    exit_code = 2

    def __init__(self, problems: Sequence[Problem], *, warnings: Sequence[Problem] = ()) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)

    @property
    def message(self) -> str:
        """The one mistake, or how many there are with each on a line of its own."""
        if len(self.problems) == 1:
            return self.problems[0].message
        return f"{len(self.problems)} mistakes in the configuration\n{self}"

    @property
    def remedy(self) -> str:
        """What to do about the first mistake."""
        return self.problems[0].remedy

    @property
    def place(self) -> str:
        """Where the first mistake is."""
        return self.problems[0].place


def refusal(place: str, message: str, remedy: str) -> ConfigurationError:
    """Make the error for a single mistake."""
    return ConfigurationError([Problem(place=place, message=message, remedy=remedy)])
