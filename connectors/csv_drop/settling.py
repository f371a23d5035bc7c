"""What becomes of a file when it is decided: it is noted, and moved or deleted with its marker.

A process may die between any two steps, and each may be done again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.contract import Position, Settlement
from connectors.csv_drop.folder import DONE, FAILED, Folder, NotThisFile, Stamp, sha256_of
from connectors.csv_drop.lineage import note
from connectors.csv_drop.markers import marker_of, spent, widowed
from connectors.csv_drop.options import After, CsvOptions, Ready

if TYPE_CHECKING:
    from connectors.csv_drop.history import Version

_TAKEN = frozenset({Settlement.APPLIED, Settlement.UNCHANGED})
_INTO_FAILED = frozenset({Settlement.FAILED, Settlement.DISCARDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """Settles one file."""

    folder: Folder
    options: CsvOptions
    version: Version
    settlement: Settlement

    def settle(self, position: Position, reason: str) -> None:
        """Do what is configured, unless the file is gone, or another by now.

        Raises SourceUnreachable if the folder does not let us.
        """
        name = self.version.order.name
        place = position.get("place", name)
        if self._stays(position) or (stamp := self._stamp_if_same(place)) is None:
            return
        if "lineage" in position and self.settlement in _TAKEN:
            note(self.folder, position["lineage"], self.version)
        marked = self.options.ready is Ready.MARKER and place == name
        left = self._spend_marker() if marked else frozenset()
        self._put_away(place, stamp, reason=f"{self.settlement}: {reason}")
        self._put_away_markers(left)

    @property
    def _failed(self) -> bool:
        return self.settlement in _INTO_FAILED

    def _stays(self, position: Position) -> bool:
        """Whether it is kept where it is; what a person mended and dropped never is."""
        kept = self.options.after is After.KEEP
        return kept and not self._failed and not position.get("mended")

    def _put_away(
        self, place: str, stamp: Stamp, *, name: str | None = None, reason: str | None = None
    ) -> None:
        """Move a file, or delete it where that is configured and it did not fail."""
        if self._failed:
            self.folder.move(place, stamp, FAILED, name=name, reason=reason)
        elif self.options.after is After.DELETE:
            self.folder.delete(place, stamp)
        else:
            self.folder.move(place, stamp, DONE, name=name)

    def _spend_marker(self) -> frozenset[str]:
        """Let the marker vouch for this content alone; returns all names but that of the file."""
        name, names = self.version.order.name, self.folder.list().names
        marker = marker_of(name, names)
        stamp = None if marker is None else self._stamp_of(marker)
        if marker is None or stamp is None:
            return names - {name}
        other = spent(marker, self.version.sha256)
        self.folder.rename(marker, stamp, other)
        return names - {name} | {other}

    def _put_away_markers(self, names: frozenset[str]) -> None:
        """Put away the markers of files that are gone, also what a crash left of others."""
        for name, marker in widowed(names).items():
            if stamp := self._stamp_of(name):
                self._put_away(name, stamp, name=marker)

    def _stamp_if_same(self, place: str) -> Stamp | None:
        """Stamp the file; None if it is gone, or another by now."""
        try:
            with self.folder.open(place) as (stream, stamp):
                return stamp if sha256_of(stream) == self.version.sha256 else None
        except (FileNotFoundError, NotThisFile):
            return None

    def _stamp_of(self, place: str) -> Stamp | None:
        """Stamp a marker; None if it is gone, or no file."""
        try:
            with self.folder.open(place) as (_, stamp):
                return stamp
        except (FileNotFoundError, NotThisFile):
            return None
