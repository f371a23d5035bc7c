"""One look at the folder: which files are ready, in their order, and what the others wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.contract import Waiting
from connectors.csv_drop.folder import NotThisFile
from connectors.csv_drop.history import Candidate, Left, Version
from connectors.csv_drop.markers import is_marker
from connectors.csv_drop.mended import mending, mends
from connectors.csv_drop.options import After, CsvOptions, Ready
from connectors.csv_drop.ordering import NoPlace, Ordering
from connectors.csv_drop.readiness import (
    OVERDUE,
    believed_mtime_ns,
    is_overdue,
    ready_in,
    why_waiting,
)
from connectors.csv_drop.reasons import is_mended
from connectors.csv_drop.staging import Changed, content_hash

if TYPE_CHECKING:
    from connectors.contract import Mends
    from connectors.csv_drop.folder import Contents, Folder, Found, Misfit
    from connectors.csv_drop.history import History
    from connectors.csv_drop.ordering import Order


@dataclass(slots=True, kw_only=True)
class Survey:
    """What a look found.

    ready: in their order. through_ns: the latest change of one of these. mended: files of rejected
    rows that come back.
    """

    ready: list[Candidate] = field(default_factory=list)
    mended: list[tuple[Version, Mends]] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    through_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyor:
    """Looks at files with what is configured and what is known. now: epoch seconds."""

    folder: Folder
    options: CsvOptions
    ordering: Ordering
    history: History
    full: bool
    now: float

    def survey(self, contents: Contents) -> Survey:
        """Part the files that are ready from those that wait."""
        found = Survey(waiting=[self._misfit(misfit) for misfit in contents.misfits])
        for file in contents.files:
            if is_marker(file.name, self.options):
                continue
            try:
                self._look_at(file, contents, found)
            except FileNotFoundError:
                continue
            except (NotThisFile, OSError) as error:
                found.waiting.append(self._waits(file, str(error)))
        return found

    def _look_at(self, file: Found, contents: Contents, found: Survey) -> None:
        """Sort one file in. Raises OSError or NotThisFile if it cannot be looked into."""
        if is_mended(file.name):
            self._look_at_mended(file, contents, found)
            return
        try:
            order = self.ordering.place(file.name, believed_mtime_ns(file, now=self.now))
        except NoPlace as error:
            if not self._look_at_mended(file, contents, found):  # renamed by a person
                found.waiting.append(Waiting(label=file.name, reason=str(error), alarm=True))
            return
        if self._is_decided(file, order):
            return
        reason, digest = self._examined(file, contents, self.options)
        if reason:
            told_apart = self.options.ready is not Ready.STABLE
            if not (told_apart and self._look_at_mended(file, contents, found)):
                found.waiting.append(self._waits(file, reason))
            return
        rows_of = mends(self.folder, file, self.options)
        if rows_of is not None:  # renamed by a person
            found.mended.append((Version(order, digest), rows_of))
            return
        left = Left(file.stamp.inode, file.stamp.size, digest)
        kind = self.options.kind_of(file.name)
        found.ready.append(Candidate(Version(order, digest), kind, file.place, left))
        found.through_ns = max(found.through_ns, _changed_ns(file))

    def _look_at_mended(self, file: Found, contents: Contents, found: Survey) -> bool:
        """Sort in a file of rejected rows; False: it is none. Raises OSError or NotThisFile."""
        rows_of = mends(self.folder, file, self.options)
        if rows_of is None:
            return False
        reason, digest = self._examined(file, contents, mending(self.options))
        if reason:
            found.waiting.append(self._waits(file, reason))
            return True
        order = self.ordering.recall(file.name, believed_mtime_ns(file, now=self.now))
        found.mended.append((Version(order, digest), rows_of))
        return True

    def _examined(self, file: Found, contents: Contents, options: CsvOptions) -> tuple[str, str]:
        """Give why a file waits, as a sentence, and "", or "" and the hash of a ready one."""
        reason = why_waiting(file, self.folder, options, names=contents.names, now=self.now)
        if reason:
            return reason, ""
        try:
            return "", content_hash(self.folder, file.place, file.stamp)
        except Changed:
            return "It was written to while it was looked at.", ""

    def _is_decided(self, file: Found, order: Order) -> bool:
        """Whether a kept file was there when a later one, or itself, was decided."""
        last = self.history.last
        if self.options.after is not After.KEEP or last is None:
            return False
        outdone = order < last.order if self.full else order <= last.order
        return outdone and 0 < _changed_ns(file) <= self.history.through_ns

    def _waits(self, file: Found, reason: str) -> Waiting:
        """Make an entry of a file that is not ready; it concerns a person if it never gets so."""
        overdue = is_overdue(file, self.options, now=self.now)
        rest = ready_in(file, self.options, now=self.now)
        return Waiting(label=file.name, reason=reason, alarm=overdue, ready_in=rest)

    def _misfit(self, misfit: Misfit) -> Waiting:
        """Make an entry of what is no file."""
        since = self.now if misfit.changed is None else misfit.changed
        overdue = self.now - since > OVERDUE
        return Waiting(label=misfit.label, reason=misfit.reason, alarm=overdue)


def _changed_ns(file: Found) -> int:
    """When anything of a file was last changed, in nanoseconds."""
    return int(max(file.mtime, file.ctime) * 1_000_000_000)
