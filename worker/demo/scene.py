"""What an act of the demo works with, and the facts that it leaves for the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from worker.demo.drop import Stock
    from worker.demo.options import DemoOptions
    from worker.demo.programs import Program, Programs
    from worker.demo.remote import Remote
    from worker.demo.screen import Screen
    from worker.demo.waiting import Waiting
    from worker.demo.watch import Watch
    from worker.demo.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that plays along. stocks: what the first drop file states."""

    options: DemoOptions
    folder: Path
    programs: Programs
    service: Program
    remote: Remote
    watch: Watch
    writer: Writer
    screen: Screen
    waiting: Waiting
    stocks: Sequence[Stock]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The held first pull, and when a person approved it, in epoch seconds."""

    pull_id: int
    reason: str
    changed: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The item that Omnitron refused at first; answer: what `failures replay` said of it."""

    failure_id: int
    sku: str
    message: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the story left behind. second: what the last drop file states."""

    approval: Approval
    replay: Replay
    second: Sequence[Stock]
    service_code: int
