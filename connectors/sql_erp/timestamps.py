"""Cursors that are moments: read from what drivers return, kept in UTC, bound back in kind.

The same query returns a text on SQLite and a naive or aware ``datetime`` elsewhere (`erp-facts.md`,
fact 9). Each shape seen is remembered as a *form* in the checkpoint, and the bound is written so
that no row at or after the moment compares as less in any form seen:

* naive values are local. In the hour that comes twice when clocks fall back, a value is taken for
  the earlier moment, and a bound from which that change is less than three hours away is put back
  by it: an hour is read again, no row is lost, and it ends with the hour.
* texts compare letter by letter, so the bound has a blank between date and time (less than ``T``),
  whole seconds (less than any fraction) and ``+00:00`` for ``Z``: with ``T`` texts the day of the
  cursor is read again, which costs a little and loses nothing when somebody writes a blank.

Knows no database and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

from connectors.errors import SourceMisconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.contract import Checkpoint

DEFAULT_START = "1970-01-02"
FAR_FUTURE = timedelta(days=1)
"""A cursor later than the source's clock by more than this is a mistake and moves nothing."""

LONGEST_FOLD = timedelta(hours=3)
"""No zone puts its clocks back by more."""

LOWEST = datetime(1, 1, 2, tzinfo=UTC)

NAIVE, AWARE, DATE, TEXT, TEXT_DATE = "naive", "aware", "date", "text", "text-date"
"""Forms; texts with an offset are ``text`` and the offset in minutes, like ``text+180``."""

_DATE_LENGTHS = (8, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampCursor:
    """How moments are read, compared and bound for one source.

    start: text of the first bound, as a person wrote it. texts: whether the database takes a text
    where its columns are moments, which leaves their form open until one was seen.
    """

    zone: tzinfo
    overlap: timedelta
    start: str = DEFAULT_START
    texts: bool = True

    def bound(self, checkpoint: Checkpoint | None, *, now: datetime) -> object:
        """Return what to bind as ``:cursor``; never later than the source's clock less the overlap.

        Raises SourceMisconfigured where the stored cursor or the start is not a moment.
        """
        stored = self.stored(checkpoint)
        if stored is None:
            return self._first()
        moment = max(min(stored, now) - self.overlap, LOWEST)
        return self._bind(moment, (checkpoint or {}).get("forms") or ())

    def stored(self, checkpoint: Checkpoint | None) -> datetime | None:
        """Return the moment that the checkpoint holds, in UTC."""
        text = (checkpoint or {}).get("cursor")
        return None if text is None else self._moment(str(text))

    def watch(
        self,
        *,
        now: datetime,
        active: bytes | None = None,  # noqa: ARG002 - of the protocol
    ) -> TimestampWatch:
        """Look out for the highest value of one read that began at ``now``."""
        return TimestampWatch(zone=self.zone, now=now)

    def after(
        self, checkpoint: Checkpoint | None, watch: TimestampWatch, *, full: bool
    ) -> dict[str, Any]:
        """Build the checkpoint after a read; an empty one moves nothing.

        full: the statement was a full one without a cursor, so it saw all up to the clock.
        """
        forms = sorted({*((checkpoint or {}).get("forms") or ()), *watch.forms})
        stored = self.stored(checkpoint)
        known = (min(stored, watch.now) if stored else None, watch.highest())
        reached = watch.now if full else max(filter(None, known), default=None)
        return {"cursor": reached.isoformat(timespec="microseconds") if reached else None} | (
            {"forms": forms} if forms else {}
        )

    def canonical(self, text: str) -> str:
        """Turn a moment as a person writes it into the text that a checkpoint holds."""
        return self._moment(text).isoformat(timespec="microseconds")

    def _moment(self, text: str) -> datetime:
        try:
            return _in_utc(datetime.fromisoformat(text.strip()), self.zone)
        except (ValueError, OverflowError) as error:
            raise SourceMisconfigured(
                f"the cursor {text[:64]!r} is not a moment, but cursor_type is timestamp.",
                remedy="Write it like 2026-11-21 20:58:00, or rewind the source to such a moment.",
                place="cursor_type",
            ) from error

    def _first(self) -> object:
        """Return the start as written, in the shape that this database compares best."""
        self._moment(self.start)
        written = datetime.fromisoformat(self.start.strip())
        if not self.texts:
            return written if written.tzinfo is None else self._bind(self._moment(self.start), ())
        if len(self.start.strip()) in _DATE_LENGTHS:
            return written.date().isoformat()
        return written.isoformat(sep=" ", timespec="seconds")

    def _bind(self, moment: datetime, forms: Sequence[str]) -> object:
        texts = [form for form in forms if form.startswith(TEXT)]
        if texts:
            return min(self._text(moment, form) for form in texts)
        if AWARE in forms:
            return moment
        local = _earliest_local(moment, self.zone)
        if NAIVE in forms or not (forms or self.texts):
            return local
        if DATE in forms:
            return local.date()
        # The form is open: the lower of both readings, and it says UTC where the column has a zone.
        lower = min(local, moment.replace(tzinfo=None)) - timedelta(seconds=1)
        return _written(lower.replace(tzinfo=UTC))

    def _text(self, moment: datetime, form: str) -> str:
        minutes = form.removeprefix(TEXT)
        if form not in (TEXT, TEXT_DATE):
            offset = timezone(timedelta(minutes=int(minutes)))
            return _written(moment.astimezone(offset))
        local = _earliest_local(moment, self.zone)
        return local.date().isoformat() if form == TEXT_DATE else _written(local)


@dataclass(slots=True, kw_only=True)
class TimestampWatch:
    """The highest moment of one read, per form; what is far in the future is passed over.

    now: the source's clock when the read began. strange: a value that is no moment, or None.
    """

    zone: tzinfo
    now: datetime
    strange: object = None
    _highest: dict[Any, datetime] = field(default_factory=dict)
    _limits: dict[Any, datetime] = field(default_factory=dict)

    @property
    def forms(self) -> frozenset[str]:
        """The forms of the values seen."""
        return frozenset(_form_name(shape) for shape in self._limits)

    def add(self, values: Iterable[object]) -> None:
        """Take note of the values of some rows; None and texts that are no moments move nothing.

        Raises SourceMisconfigured for a value of another type, such as a number.
        """
        for value in set(values):
            if value is None:
                continue
            try:
                shape, moment = _read(value)
            except ValueError:
                self.strange = value
                continue
            self._note(shape, moment)

    def highest(self) -> datetime | None:
        """Return the highest moment seen, in UTC, not later than the source's clock."""
        moments = [_in_utc(moment, self.zone) for moment in self._highest.values()]
        return min(max(moments), self.now) if moments else None

    def _note(self, shape: object, moment: datetime) -> None:
        limit = self._limits.get(shape)
        if limit is None:
            limit = self.now + FAR_FUTURE
            if moment.tzinfo is None:
                limit = limit.astimezone(self.zone).replace(tzinfo=None)
            self._limits[shape] = limit
        if moment <= limit and moment >= self._highest.get(shape, moment):
            self._highest[shape] = moment


def _read(value: object) -> tuple[object, datetime]:
    """Return the shape of a value, cheap to compare, and its moment, naive where it has no zone.

    Raises ValueError for a text that is no moment, SourceMisconfigured for another type.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if len(value) in _DATE_LENGTHS:
            return TEXT_DATE, moment
        return (TEXT, moment.utcoffset()), moment
    if isinstance(value, datetime):
        return (NAIVE if value.tzinfo is None else AWARE), value
    if isinstance(value, date):
        return DATE, datetime(value.year, value.month, value.day)  # noqa: DTZ001 - local by meaning
    raise SourceMisconfigured(
        f"cursor_value is of type {type(value).__name__}, but cursor_type is timestamp.",
        remedy='Set cursor_type = "integer" for numbers, or let the query state a moment.',
        place="cursor_type",
    )


def _form_name(shape: object) -> str:
    if isinstance(shape, tuple):
        offset = shape[1]
        return TEXT if offset is None else f"{TEXT}{offset // timedelta(minutes=1):+d}"
    return str(shape)


def _in_utc(moment: datetime, zone: tzinfo) -> datetime:
    """Return the moment in UTC; a naive one that is there twice, or never, is the earlier one."""
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return min(moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _earliest_local(moment: datetime, zone: tzinfo) -> datetime:
    """Return the lowest naive local time that any moment from ``moment`` on can have."""
    readings = (moment, moment + LONGEST_FOLD)
    offset = min(reading.astimezone(zone).utcoffset() or timedelta() for reading in readings)
    return (moment + offset).replace(tzinfo=None)


def _written(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat(sep=" ")
