"""How often Python looks for reference cycles while millions of rows, which have none, go by."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW_OBJECTS = 100_000


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Look for cycles every hundred thousand new objects, not every seven hundred."""
    before = gc.get_threshold()
    gc.set_threshold(max(_NEW_OBJECTS, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
