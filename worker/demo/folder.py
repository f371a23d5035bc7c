"""The one folder that everything of a demo lies in, removed afterwards unless it is to be kept."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE = Path(__file__).resolve().parents[2]
_VAR = "var"


@contextlib.contextmanager
def demo_folder(*, keep: bool) -> Iterator[Path]:
    """A new folder in the clone's ``var``; where that cannot be written, among temporary files."""
    created = _in_clone() or Path(tempfile.mkdtemp(prefix="stocksync-demo-"))
    try:
        yield created
    finally:
        if not keep:
            shutil.rmtree(created, ignore_errors=True)
            _remove_if_empty(created.parent)


def _in_clone() -> Path | None:
    if not (_CLONE / "pyproject.toml").is_file():
        return None  # installed from a wheel: there is no clone
    var = _CLONE / _VAR
    try:
        var.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="demo-", dir=var))
    except OSError:
        return None


def _remove_if_empty(folder: Path) -> None:
    if folder == _CLONE / _VAR:
        with contextlib.suppress(OSError):  # it holds something of somebody's
            folder.rmdir()
