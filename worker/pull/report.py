"""What a turn of a source is given, and how each of its pulls ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.errors import SourceMisconfigured, SourceUnreachable
from worker.errors import ExitCode
from worker.model import PullStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.contract import Connector, Waiting
    from connectors.errors import ConnectorError
    from worker.ledger import Ledger
    from worker.model import SourcePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """How one pull ended, for the caller; error: what a person should read.

    eased: levels that were let through although the pull is held; incomplete: levels that wait,
    since not all that is stated of them could be read.
    """

    source: str
    label: str
    status: str
    pull_id: int | None = None
    read: int = 0
    changed: int = 0
    rejected: int = 0
    missing: int = 0
    eased: int = 0
    incomplete: int = 0
    reason: str | None = None
    error: ConnectorError | None = None

    @property
    def exit_code(self) -> ExitCode:
        """What this pull alone would end a command with."""
        if isinstance(self.error, SourceMisconfigured):
            return ExitCode.USAGE
        if isinstance(self.error, SourceUnreachable):
            return ExitCode.UNREACHABLE
        attention = self.status in {PullStatus.HELD, PullStatus.FAILED} or self.rejected
        return ExitCode.ATTENTION if attention else ExitCode.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn of a source works with.

    min_free: bytes that must be left on our own disks. on_progress: label and rows so far.
    on_waiting: is told at the end what the source does not offer yet.
    """

    ledger: Ledger
    connector: Connector
    plan: SourcePlan
    full: bool = False
    actor: str | None = None
    min_free: int = 0
    on_progress: Callable[[str, int], None] = lambda _label, _rows: None
    on_waiting: Callable[[Sequence[Waiting]], None] = lambda _waiting: None
    stopped: Callable[[], bool] = lambda: False
