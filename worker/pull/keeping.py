"""How a row that the rules reject is kept, and how kept rows are offered to be judged again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from connectors.contract import Chunk, Kind, Mends, Row, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from connectors.contract import Checkpoint, Position
    from worker.ledger.parts import Part
    from worker.ledger.sources import Source

RAW_LIMIT = 2_048
"""Bytes that a failure keeps of a row."""

_SAID = ("sku", "warehouse", "quantity", "unit", "sold", "extra")


def kept_text(row: Row, *, mapped: bool = True) -> str:
    """A row as one line of JSON: what was read of it, then its cells, if these fit.

    mapped: whether the SKU is Omnitron's already. A row that is too long is cut, and cannot be
    judged again.
    """
    said = {"row": {name: getattr(row, name) for name in _SAID}, "mapped": mapped}
    whole = _line({**said, "cells": list(row.cells)})
    text = whole if len(whole.encode()) <= RAW_LIMIT else _line({**said, "cells": []})
    return text.encode()[:RAW_LIMIT].decode(errors="ignore")


def kept_row(raw: str, *, place: int) -> tuple[Row, bool] | None:
    """The row of `kept_text`, and whether its SKU is Omnitron's; None: it is none, or was cut."""
    try:
        kept = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(kept, dict) or set(kept) != {"row", "mapped", "cells"}:
        return None
    return Row(**kept["row"], place=place, cells=kept["cells"]), kept["mapped"]


def is_kept(position: Position) -> bool:
    """Whether a pull was made of rows that were kept (`KeptRows`)."""
    return "kept_of" in position


def restated_row(part: Part) -> Row:
    """What a source says already, said once more."""
    said = part.said._asdict()
    return Row(part.sku, part.warehouse, **said, place=part.place or 0, cells=())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRows:
    """Rejected rows of one pull, as an offer: a delta of that pull's order, which moves nothing."""

    label: str
    mends: Mends
    chunk: Chunk
    standing: Checkpoint = field(repr=False)
    kind: Kind = Kind.DELTA
    verdict: Verdict = Verdict.READ
    remark: str = ""

    @classmethod
    def of(cls, chunks: Sequence[Chunk], source: Source, pull_id: int, label: str) -> Self:
        """Put together what was kept of a pull."""
        rows = [row for chunk in chunks for row in chunk.rows]
        rejects = [reject for chunk in chunks for reject in chunk.rejects]
        return cls(
            label=label,
            mends=Mends(pull=pull_id, label=label, whole=False),
            chunk=Chunk(rows, rejects),
            standing=source.checkpoint or {},
        )

    @property
    def position(self) -> Position:
        """No file, and no range of a cursor."""
        return {"mended": True, "kept_of": self.mends.pull}

    def chunks(self) -> Iterator[Chunk]:
        """All of it."""
        yield self.chunk

    def checkpoint(self) -> Checkpoint:
        """Where the source stands already."""
        return self.standing

    def set_aside(self, rows: Iterable[tuple[int, str]], *, pull: int) -> None:
        """Do nothing: what is rejected again is kept already."""


def _line(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, default=str)
