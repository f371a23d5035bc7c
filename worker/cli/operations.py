"""What people do between the runs; each noun is a module of its own."""

from worker.cli import (
    batches,
    failures,
    later,
    override,
    ownership,
    pulls,
    replaying,
    sample,
    sources,
    target,
)

__all__ = [
    "batches",
    "failures",
    "later",
    "override",
    "ownership",
    "pulls",
    "replaying",
    "sample",
    "sources",
    "target",
]
