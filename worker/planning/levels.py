"""The states of a level and what each event does to it (`design.md` §3), as pure functions.

`Level` is one row of the table; an event takes a level and returns the level after it. Times are
seconds of the ledger's clock.
"""

from __future__ import annotations

from typing import NamedTuple

from worker.model import Key, LevelState, Rank, Value

REST_CAP = 600.0
"""A key never rests longer than ten minutes after an outcome in doubt."""

UNKNOWN_PRODUCT = "unknown_product"
"""The one park that another value of the ERP does not clear."""

UNKNOWN_FIRST = 3_600.0
UNKNOWN_LONGEST = 86_400.0
"""A product that Omnitron does not know is tried again after an hour, doubling, up to a day."""

CRASHED = "crashed"
ALONE = 3
_TOGETHER = {1: 50, 2: 5}
"""After so many deaths of their workers, so many levels are sent together; then each alone."""

MISSING_IN_SOURCE = "missing_in_source"
"""The one park that is the source's business: a snapshot no longer states the key."""


class Level(NamedTuple):
    """A row of the `level` table, field by column."""

    stock_list: int
    sku: str
    source_id: int
    stock: int
    unit_type: str | None
    sold: int | None
    extra: str | None
    pull_id: int
    changed_at: float
    revision: int
    sent_revision: int = 0
    sent_stock: int | None = None
    sent_at: float | None = None
    remote_pk: int | None = None
    rank: int = Rank.NORMAL
    due_since: float = 0.0
    not_before: float = 0.0
    withheld_until: float = 0.0
    attempts: int = 0
    crashes: int = 0
    claim_token: str | None = None
    claim_until: float | None = None
    batch_id: int | None = None
    park_reason: str | None = None
    parked_at: float | None = None
    retired: bool = False
    override_stock: int | None = None
    override_until: float | None = None
    override_why: str | None = None
    vetted_stock: int | None = None

    @property
    def key(self) -> Key:
        """What Omnitron has one stock of."""
        return Key(self.stock_list, self.sku)

    @property
    def value(self) -> Value:
        """What the ERP says Omnitron should show."""
        return Value(self.stock, self.unit_type, self.sold, self.extra)

    @property
    def pinned(self) -> bool:
        """Whether a person has pinned what Omnitron shows (`override`)."""
        return self.override_stock is not None

    @property
    def shown(self) -> Value:
        """What Omnitron should show: the value, but for a stock that a person has pinned."""
        pinned = self.override_stock
        return self.value if pinned is None else self.value._replace(stock=pinned)

    @property
    def zeroed(self) -> bool:
        """Whether it is at zero only because its source was not read for too long."""
        return self.stock == 0 and (self.vetted_stock or 0) > 0

    @property
    def must_go(self) -> bool:
        """Whether Omnitron has not yet answered that it has this revision."""
        return self.revision > self.sent_revision


def state_of(level: Level, *, now: float, open_for_sending: bool) -> LevelState:
    """The first state that fits; `open_for_sending`: the target and the level's list accept."""
    if level.retired:
        return LevelState.RETIRED
    if level.override_stock is not None:
        return LevelState.OVERRIDDEN
    if level.park_reason is not None:
        return LevelState.PARKED
    if level.claim_token is not None and (level.claim_until or 0.0) > now:
        return LevelState.IN_FLIGHT
    if not level.must_go:
        return LevelState.IN_SYNC
    rests = level.not_before > now or level.withheld_until > now
    return LevelState.WAITING if rests or not open_for_sending else LevelState.DUE


def created(  # noqa: PLR0913 - what is stated, and by whom, all by name
    key: Key,
    value: Value,
    *,
    source_id: int,
    pull_id: int,
    now: float,
    backfill: bool = False,
) -> Level:
    """A level that its source states for the first time."""
    return Level(
        stock_list=key.stock_list,
        sku=key.sku,
        source_id=source_id,
        stock=value.stock,
        unit_type=value.unit_type,
        sold=value.sold,
        extra=value.extra,
        pull_id=pull_id,
        changed_at=now,
        revision=1,
        rank=_first_rank(value.stock, backfill=backfill),
        due_since=now,
    )


def _first_rank(stock: int, *, backfill: bool) -> Rank:
    """How soon goes what Omnitron was never sent: a first load of very many after today's."""
    if backfill:
        return Rank.BACKFILL if stock else Rank.BACKFILL_LOWER
    return Rank.NORMAL if stock else Rank.URGENT


def stated(
    level: Level, value: Value, *, pull_id: int, now: float, backfill: bool = False
) -> Level:
    """A pull states a value: another one raises the revision, the same one only the number.

    While a person has pinned what Omnitron shows, it changes only what the pin lies on.
    """
    if value == level.value:
        return level._replace(pull_id=max(level.pull_id, pull_id))
    moved = level._replace(
        stock=value.stock,
        unit_type=value.unit_type,
        sold=value.sold,
        extra=value.extra,
        pull_id=pull_id,
        changed_at=now,
    )
    if level.pinned:
        return moved
    return _raised(_unparked(moved), now=now, backfill=backfill)


def _unparked(level: Level) -> Level:
    """Another value may be taken; whether the product is known, no value changes."""
    if level.park_reason == UNKNOWN_PRODUCT:
        return level
    return level._replace(park_reason=None, parked_at=None)


def pinned(level: Level, *, stock: int, until: float, why: str, now: float) -> Level:
    """A person pins what Omnitron shows; the same stock once more only sets end and reason.

    A park ends, since a person wants it sent; a rest goes on.
    """
    again = level.override_stock == stock
    moved = replayed(level)._replace(
        override_stock=stock, override_until=until, override_why=why, withheld_until=0.0
    )
    return moved if again else _raised(moved, now=now, backfill=False)


def unpinned(level: Level, *, now: float) -> Level:
    """The pin has ended: what the ERP says now goes, by a revision of its own."""
    bare = level._replace(
        override_stock=None, override_until=None, override_why=None, attempts=0, crashes=0
    )
    return _raised(_unparked(bare), now=now, backfill=False)


def zeroed(level: Level, *, now: float) -> Level:
    """Its source was not read for too long: it goes to zero, and what it was is remembered.

    What the source did not state any more when it was read last has nothing to come back to.
    """
    after = stated(level, level.value._replace(stock=0), pull_id=level.pull_id, now=now)
    if level.park_reason == MISSING_IN_SOURCE:
        return after._replace(vetted_stock=None)
    before = level.stock if level.vetted_stock is None else level.vetted_stock
    return after._replace(vetted_stock=before)


def sinks(level: Level, value: Value) -> bool:
    """Whether a value lowers a level without reaching zero, in the same unit."""
    return 0 < value.stock < level.stock and value.unit_type == level.unit_type


def rises(level: Level | None, value: Value) -> bool:
    """Whether a value raises a level, against what it was if it went to zero unread."""
    if level is None:
        return value.stock > 0
    before = (level.vetted_stock or 0) if level.zeroed else level.stock
    return value.stock > before


def resent(level: Level, *, now: float) -> Level:
    """Repair or re-send: the same value must go again."""
    return _raised(level, now=now, backfill=False)


def healed(level: Level, *, has: int | None, now: float) -> Level:
    """Omnitron went back to an older value of ours, so the newest goes again, retired or not.

    has: the stock that it has now, where that is proven; what it was sent last counts no more.
    """
    back = level._replace(retired=False, sent_stock=level.sent_stock if has is None else has)
    return resent(back, now=now)


def _raised(level: Level, *, now: float, backfill: bool) -> Level:
    return level._replace(
        revision=level.revision + 1,
        rank=rank_of(level, backfill=backfill),
        due_since=level.due_since if level.must_go else now,
    )


def rank_of(level: Level, *, backfill: bool) -> Rank:
    """How soon a level goes, by what Omnitron was last sent; what a person has pinned, first."""
    lowers = _lowers(level)
    if level.pinned:
        return Rank.PINNED_LOWER if lowers else Rank.PINNED
    if lowers:
        return Rank.URGENT
    return Rank.BACKFILL if backfill else Rank.NORMAL


def _lowers(level: Level) -> bool:
    """Whether it goes to zero, lower, or to where what Omnitron has is unknown."""
    stock = level.shown.stock
    is_new = level.sent_revision == 0 and not level.not_before  # it never rested after a doubt
    if is_new and level.sent_stock is None and stock > 0:
        return False
    return level.sent_stock is None or stock == 0 or stock < level.sent_stock


def accepted(level: Level, *, revision: int, stock: int, pk: int | None, now: float) -> Level:
    """Omnitron answered that it has the claimed ``revision``."""
    known = _known(level)
    return _free(level)._replace(
        sent_revision=revision,
        sent_stock=stock,
        sent_at=now,
        remote_pk=level.remote_pk if pk is None else pk,
        park_reason=known.park_reason,
        parked_at=known.parked_at,
        attempts=0,
        crashes=0,
        not_before=0.0,
        due_since=level.changed_at if level.revision > revision else 0.0,
        rank=_rank_after(level, stock) if level.revision > revision else level.rank,
    )


def _rank_after(level: Level, sent: int) -> Rank:
    return rank_of(level._replace(sent_revision=level.revision, sent_stock=sent), backfill=False)


def rejected(level: Level, *, revision: int, reason: str, now: float) -> Level:
    """The item's own fault: parked, unless the ERP has said something newer meanwhile."""
    known = _known(_free(level))
    return known if level.revision > revision else parked(known, reason=reason, now=now)


def unknown_product(level: Level, *, revision: int, now: float) -> Level:
    """Omnitron does not know the product (yet): parked, and tried again by itself, ever later."""
    again = level.park_reason == UNKNOWN_PRODUCT
    if level.revision > revision and not again:
        return _free(level)
    tries = level.attempts + 1 if again else 1
    return _free(level)._replace(
        park_reason=UNKNOWN_PRODUCT,
        parked_at=level.parked_at if again else now,
        attempts=tries,
        not_before=now + min(UNKNOWN_FIRST * 2.0 ** min(tries - 1, 16), UNKNOWN_LONGEST),
    )


def _known(level: Level) -> Level:
    """Whatever Omnitron says of it now, it is no longer that the product is unknown."""
    if level.park_reason != UNKNOWN_PRODUCT:
        return level
    return level._replace(park_reason=None, parked_at=None, attempts=0, not_before=0.0)


def parked(level: Level, *, reason: str, now: float) -> Level:
    """Needs a person."""
    return level._replace(park_reason=reason, parked_at=now)


def released(level: Level) -> Level:
    """It was never sent: the claim is off, nothing else."""
    return _free(level)


def in_doubt(level: Level, *, settle: float, now: float, blame: bool) -> Level:
    """It may or may not have been applied: the key rests, and what Omnitron has is unknown.

    blame: count it against the item (others of its batch were accepted).
    """
    level = _known(level)
    rest = min(settle * 2.0 ** min(level.attempts, 16), REST_CAP)
    return _free(level)._replace(
        attempts=level.attempts + blame,
        not_before=max(level.not_before, now + rest),
        sent_stock=None,
        rank=Rank.PINNED_LOWER if level.pinned else Rank.URGENT,
    )


def together(crashes: int) -> int | None:
    """How many levels that saw so many workers die may share a batch; None: any number."""
    return None if crashes <= 0 else _TOGETHER.get(crashes, 1)


def expired(level: Level, *, settle: float, now: float, alone: bool = False) -> Level:
    """Its worker died or lost its lease: in doubt from the lease's end.

    alone: nothing else was in that worker's hands; the second time, nothing else is to blame. A
    lease that is further ahead than any can be counts as over; the key rests from now on.
    """
    end = min(level.claim_until or 0.0, now)
    doubtful = in_doubt(level, settle=settle, now=end, blame=False)
    deaths = max(level.crashes, ALONE if alone else 0) + 1
    after = doubtful._replace(crashes=deaths)
    is_poison = alone and deaths > ALONE + 1
    return parked(after, reason=CRASHED, now=now) if is_poison else after


def survived(level: Level) -> Level:
    """The worker that was taken for dead has only stood still: that death does not count."""
    cleared = level if level.park_reason != CRASHED else replayed(level)
    return cleared._replace(crashes=max(level.crashes - 1, 0))


def replayed(level: Level) -> Level:
    """A person wants it tried again. A rest goes on: what is in doubt may still land."""
    return _known(level)._replace(park_reason=None, parked_at=None, attempts=0, crashes=0)


def never_sent(level: Level, *, now: float, stays_parked: bool = False) -> Level:
    """It goes to another Omnitron, as in a first load: what happened at the old one is void.

    A rest goes on, for it may be the same one, named anew. stays_parked: its park is the source's
    business, not Omnitron's.
    """
    open_again = level if stays_parked else replayed(level)
    pin = Rank.PINNED if level.shown.stock else Rank.PINNED_LOWER
    return _free(open_again)._replace(
        sent_revision=0,
        sent_stock=None,
        sent_at=None,
        remote_pk=None,
        rank=pin if level.pinned else _first_rank(level.stock, backfill=True),
        due_since=now,
        attempts=0,
        crashes=0,
    )


def _free(level: Level) -> Level:
    return level._replace(claim_token=None, claim_until=None, batch_id=None)
