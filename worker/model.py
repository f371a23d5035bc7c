"""The words of the service as frozen values. Knows no database, no HTTP, no clock."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MAX_STOCK = 2_147_483_647
"""The largest stock that Omnitron takes (its API page)."""

PAGE_ROWS = 5_000
"""No transaction touches more rows than this (`design.md` I12)."""


class Key(NamedTuple):
    """What Omnitron has one stock of."""

    stock_list: int
    sku: str


class Value(NamedTuple):
    """What Omnitron should show for a key; a change of any field is a change.

    unit_type: ``qty`` or ``kg``, None: not sent. sold: ``sold_quantity_unreported``, None: not
    sent. extra: ``extra_field`` as canonical JSON text, None: not sent.
    """

    stock: int
    unit_type: str | None = None
    sold: int | None = None
    extra: str | None = None


class Said(NamedTuple):
    """What one source says for one (stock list, SKU, warehouse): the content of a part, as read."""

    quantity: str
    unit: str = ""
    sold: str | None = None
    extra: str | None = None


UNREAD = "?"
"""The quantity of a part that its source has stated, but never yet so that it could be read."""


class Rank(enum.IntEnum):
    """The order in which levels are sent."""

    PINNED_LOWER = -2  # a person pinned it, to less than what was sent, or that is unknown
    PINNED = -1  # a person pinned it, to more
    URGENT = 0  # zero, lower than what was sent, or what was sent is unknown
    NORMAL = 1  # higher, or never sent
    BACKFILL_LOWER = 2  # zero, and never sent, by a pull that raised over 1,000 levels
    BACKFILL = 3  # raised by such a pull, or replayed in bulk


LOWERING = frozenset({Rank.PINNED_LOWER, Rank.URGENT, Rank.BACKFILL_LOWER})
"""Ranks of what may go while increases are paused."""


class LevelState(enum.StrEnum):
    """The states of a level; the first that fits (`design.md` §3)."""

    RETIRED = "retired"  # no configured source feeds it
    OVERRIDDEN = "overridden"  # a person pinned what Omnitron shows
    PARKED = "parked"  # needs a person, with the reason
    IN_FLIGHT = "in_flight"  # a live claim is out
    WAITING = "waiting"  # must go, but rests, or the target is paused
    DUE = "due"  # must go, and can
    IN_SYNC = "in_sync"  # Omnitron has answered that it has this revision


class PullStatus(enum.StrEnum):
    """How a pull stands or ended."""

    RUNNING = "running"  # reading and weighing
    APPLYING = "applying"  # decided, checkpoint moved, pages are being written
    APPLIED = "applied"
    UNCHANGED = "unchanged"  # nothing differs
    HELD = "held"  # a guard stopped it before its first write
    DISCARDED = "discarded"
    SUPERSEDED = "superseded"
    FAILED = "failed"


class BatchStatus(enum.StrEnum):
    """How a batch stands or ended."""

    SENDING = "sending"
    DONE = "done"  # every line was accepted or superseded
    PARTIAL = "partial"  # some lines were parked or wait
    LOST = "lost"  # its worker died; lines without outcome are in doubt


class LineOutcome(enum.StrEnum):
    """What became of a batch line, for people."""

    SENT = "sent"
    SUPERSEDED = "superseded"
    PARKED = "parked"
    WAITING = "waiting"


class ReplayAnswer(enum.StrEnum):
    """What became of one key, or of one kept row, that was replayed."""

    REPLAYED = "replayed"  # it is due again
    MOVED_ON = "moved_on"  # the ERP has said something newer, which goes (or went) by itself
    ALREADY_SENT = "already_sent"  # Omnitron has the current value
    WAITING = "waiting"  # it is due, in flight or at rest already
    REJECTED = "rejected"  # a kept row that today's rules reject too


class AnswerClass(enum.StrEnum):
    """What an answer of Omnitron means for its item (`design.md` §5)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # the item's own fault: parked
    UNKNOWN_PRODUCT = "unknown_product"  # the product is not in Omnitron (yet)
    LIST_STOPPED = "list_stopped"  # an error on `stock_list`: that list stops, nothing is parked
    FORBIDDEN = "forbidden"  # 403 on one list
    NOT_SENT = "not_sent"  # never left us: free at once, target pauses
    IN_DOUBT = "in_doubt"  # may or may not have been applied
    THROTTLED = "throttled"
    DENIED = "denied"  # our credentials
    REMOTE_FAULT = "remote_fault"  # target pauses with back-off
    DEFECT = "defect"  # ours: parked as `internal`


class TargetState(enum.StrEnum):
    """How the one Omnitron stands."""

    UP = "up"
    THROTTLED = "throttled"
    DENIED = "denied"
    DOWN = "down"
    PAUSED = "paused"  # by a person


class ConfirmState(enum.StrEnum):
    """What a channel has shown of a level."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"  # `confirm_within` is over
    OVERWRITTEN = "overwritten"  # somebody else wrote a newer value


class SourceState(enum.StrEnum):
    """How a source stands; the first that fits in this order but for `active`, the rest."""

    ACTIVE = "active"
    PAUSED = "paused"  # by a person
    HELD = "held"  # a pull waits for approve or discard
    FAILING = "failing"  # the last pull failed and a person is needed
    STALE = "stale"  # nothing was read for longer than `stale_after`
    UNREACHABLE = "unreachable"
    RULES_CHANGED = "rules_changed"  # the rules differ from those of the last pull


class FailureKind(enum.StrEnum):
    """What a failure is about."""

    ROW = "row"
    FILE = "file"
    SOURCE = "source"
    ITEM = "item"
    CHANNEL = "channel"


class Rounding(enum.StrEnum):
    """What becomes of a fraction."""

    ERROR = "error"
    FLOOR = "floor"
    NEAREST = "nearest"  # half away from zero


class Negative(enum.StrEnum):
    """What becomes of a negative number of the source."""

    ZERO = "zero"
    REJECT = "reject"


class Duplicates(enum.StrEnum):
    """What becomes of several rows for one (stock list, SKU, warehouse) in one pull."""

    REJECT = "reject"  # equal rows count once, differing ones are rejected
    LAST = "last"
    SUM = "sum"


class Lookalikes(enum.StrEnum):
    """What becomes of two SKUs of a source that differ only in case, blanks or composition."""

    REJECT = "reject"  # neither is raised
    ALLOW = "allow"  # they are two products


class WhileHeld(enum.StrEnum):
    """What of a held pull is applied before a person decides."""

    NOTHING = "nothing"
    DECREASES = "decreases"  # what lowers a level without reaching zero


class Missing(enum.StrEnum):
    """What becomes of a key that a snapshot no longer states."""

    KEEP = "keep"
    ZERO = "zero"
    PARK = "park"


class FirstPull(enum.StrEnum):
    """What becomes of a source's first pull."""

    HOLD = "hold"
    APPLY = "apply"


class Expect(enum.StrEnum):
    """Which levels a channel is expected to show."""

    ALL = "all"
    LISTED = "listed"  # only what it has ever shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How parts become a level (`design.md` §4.2). maximum None: what is too large is broken."""

    rounding: Rounding = Rounding.ERROR
    negative: Negative = Negative.ZERO
    buffer: int = 0
    duplicates: Duplicates = Duplicates.REJECT
    lookalikes: Lookalikes = Lookalikes.REJECT
    missing: Missing = Missing.KEEP
    max_reject_ratio: float = 0.1
    minimum: int = 0
    maximum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkuRule:
    """One step from the SKU of a source to Omnitron's: exactly one of the three is set.

    match: a regular expression that must fit the whole SKU; replace: what takes its place, which
    may name its groups.
    """

    strip_prefix: str | None = None
    add_prefix: str | None = None
    match: str | None = None
    replace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The limits that hold a pull (`design.md` §4.6). Ratios are 0 … 1.

    zero_window, expires (a held pull is dropped and read again) in seconds.
    """

    first_pull: FirstPull = FirstPull.HOLD
    max_change_ratio: float = 0.5
    max_zero_ratio: float = 0.2
    zero_window: float = 3600.0
    min_row_ratio: float = 0.5
    ignore_below: int = 50
    while_held: WhileHeld = WhileHeld.NOTHING
    expires: float = 86_400.0


class Fingerprint(NamedTuple):
    """Of the rules of a source, in parts, each a digest (or any text without a slash).

    reading: how rows are read and judged; skus: under which SKU; levels: how parts add up.
    """

    reading: str
    skus: str
    levels: str

    def __str__(self) -> str:
        """As it is kept in the ledger."""
        return "/".join(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """What the pull step must know of a source beside its connector.

    stock_list: the fixed list, or None where rows name a warehouse. stock_lists: warehouse -> list.
    units: unit as written -> ``qty`` or ``kg``. every: seconds, or None where `cron` is set.
    fingerprint: of everything that decides how a row becomes a level, as `Fingerprint` writes it.
    absences: how many successive different snapshots must lack a key before it is gone.
    stale_after: seconds without anything read after which the source is stale; None: never.
    zero_after: such seconds after which its levels go to zero; None: never.
    """

    name: str
    stock_list: int | None
    stock_lists: dict[str, int]
    units: dict[str, str]
    rules: Rules
    guard: Guard
    fingerprint: str
    cron: str | None
    every: float | None
    full_cron: str | None
    timezone: str
    absences: int = 1
    stale_after: float | None = None
    zero_after: float | None = None
    sku_rules: tuple[SkuRule, ...] = ()

    @property
    def stale_from(self) -> float | None:
        """Seconds without anything read from which on its state is stale."""
        return self.zero_after if self.stale_after is None else self.stale_after


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlan:
    """One sales channel to watch. poll, confirm_within in seconds."""

    id: int
    stock_lists: tuple[int, ...]
    expect: Expect
    poll: float
    confirm_within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPlan:
    """How fast and how patiently Omnitron is written to. Seconds, requests per second.

    reports_unknown: whether products that Omnitron does not know concern a person.
    """

    base_url: str
    writes: bool
    timeout: float
    settle: float
    max_in_flight: int
    rate: float
    reports_unknown: bool = True


class Claimed(NamedTuple):
    """One level as the claiming statement returned it; the only thing a sender ever sends.

    unknown: the last time Omnitron did not know its product.
    """

    key: Key
    value: Value
    revision: int
    rank: int
    attempts: int
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one request, reduced to what a decision needs.

    status: HTTP status, None where no answer came. body: parsed JSON, or None where it is none.
    sent: whether the request may have left us. error: short name of a transport error.
    retry_after: the header, verbatim. date: the answer's ``Date`` header as epoch seconds.
    excerpt: at most 500 characters of the body with secrets removed.
    """

    status: int | None
    body: Any = None
    is_json: bool = False
    sent: bool = True
    error: str = ""
    retry_after: str | None = None
    date: float | None = None
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer, classified. retry_after in seconds (capped), None where none was given."""

    verdict: AnswerClass
    reason: str = ""
    message: str = ""
    status: int | None = None
    excerpt: str = ""
    remote_pk: int | None = None
    date: float | None = None
    retry_after: float | None = None


class StockRecord(NamedTuple):
    """One record of a channel's feed or list. modified in epoch seconds, None if unreadable."""

    pk: int
    stock_list: int
    stock: int
    unit_type: str | None
    modified: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StockList:
    """One of Omnitron's stock lists."""

    pk: int
    name: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What a deliver run did, in levels; ignored: those parked that shall concern nobody."""

    sent: int = 0
    superseded: int = 0
    parked: int = 0
    waiting: int = 0
    ignored: int = 0

    @property
    def for_people(self) -> int:
        """Levels parked that a person has to look at."""
        return self.parked - self.ignored

    def __add__(self, other: Delivered) -> Delivered:
        """Field by field."""
        return Delivered(
            sent=self.sent + other.sent,
            superseded=self.superseded + other.superseded,
            parked=self.parked + other.parked,
            waiting=self.waiting + other.waiting,
            ignored=self.ignored + other.ignored,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCounts:
    """What one pull means for one stock list, in levels; known: before the pull."""

    known: int = 0
    created: int = 0
    changed: int = 0
    raised: int = 0
    lowered: int = 0
    zeroed: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PullCounts:
    """What one pull read and what it means; rows, then levels, and per stock list.

    passing: levels that only sink, and not to zero, so that they may go while the rest is held.
    skipped: rows passed over because the configuration says so; not among those read.
    incomplete: levels that wait, since not all that is stated of them could be read.
    """

    read: int = 0
    skipped: int = 0
    rejected: int = 0
    incomplete: int = 0
    foreign: int = 0
    passing: int = 0
    lists: dict[int, ListCounts] = field(default_factory=dict)
