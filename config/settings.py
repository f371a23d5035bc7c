"""The whole configuration as frozen values with the defaults of the documentation.

Made by `config.loading` only: it also checks what two keys say together (`config.agreement`), and
it turns ``password`` and ``password_file`` into one `Secret`. Durations are seconds, paths and
SQLite addresses are absolute.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from config.values import (
    BaseUrl,
    BrokerUrl,
    Column,
    Cron,
    DatabaseUrl,
    Delimiter,
    Duration,
    Encoding,
    File,
    Folder,
    LedgerUrl,
    NameTime,
    Period,
    Positive,
    Rate,
    Ratio,
    SecretText,
    ShortText,
    Size,
    Text,
    Thousands,
    TrailerText,
    Whole,
    Zone,
    mistake,
    seconds,
)
from connectors.contract import Kind
from worker.model import (
    Duplicates,
    Expect,
    FirstPull,
    Lookalikes,
    Missing,
    Negative,
    Rounding,
    WhileHeld,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_EVERY = 60.0
STARTS = {"timestamp": "1970-01-02", "integer": "0", "text": "", "rowversion": "0x0"}
OVERLAPS = {"timestamp": 120.0, "integer": 120.0, "text": 0.0, "rowversion": 0.0}


class Ready(enum.StrEnum):
    """How a file is known to be complete."""

    STABLE = "stable"  # unchanged for `stable_for`
    MARKER = "marker"  # name.ok stands beside it
    TRAILER = "trailer"  # its last line says so


class FinalNewline(enum.StrEnum):
    """Whether a last line without a line end makes a file not ready."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class OrderBy(enum.StrEnum):
    """What orders the files of a source, where no `name_time` does."""

    NAME = "name"
    MTIME = "mtime"


class After(enum.StrEnum):
    """What becomes of a file that was applied."""

    MOVE = "move"  # to .done
    KEEP = "keep"  # it stays
    DELETE = "delete"  # it goes


class CursorType(enum.StrEnum):
    """What a query's ``cursor_value`` is."""

    TIMESTAMP = "timestamp"
    INTEGER = "integer"
    TEXT = "text"
    ROWVERSION = "rowversion"


class Table(BaseModel):
    """A table of the file: nothing in it changes, nothing unknown is in it, no value in errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        validate_default=True,
    )


class Omnitron(Table):
    """The one Omnitron: where it is, who we are, how fast and how patiently it is written to."""

    base_url: BaseUrl
    username: Text | None = None
    password: SecretText | None = None
    token: SecretText | None = None
    writes: Literal["on", "off"] = "on"
    timeout_seconds: Annotated[Duration, Field(ge=0.1, le=600)] = 15.0
    settle_seconds: Annotated[Duration, Field(le=600)] = 10.0
    max_in_flight: Annotated[Positive, Field(le=1_000)] = 32
    requests_per_second: Rate = 20.0
    unknown_products: Literal["report", "ignore"] = "report"


class Channel(Table):
    """One sales channel to watch: the stock lists it should show, and within what time."""

    id: Positive
    stock_lists: Annotated[tuple[Positive, ...], Field(min_length=1)]
    expect: Expect = Expect.ALL
    poll: Period = 15.0
    confirm_within: Period = 600.0


class Empty(enum.StrEnum):
    """What an empty cell means where a number is expected."""

    REJECT = "reject"  # a mistake: the row is rejected
    ZERO = "zero"  # 0
    ABSENT = "absent"  # nothing: as if the file had no such row


class Format(Table):
    """How a CSV file is written; nothing is guessed. max_bytes: of its text, decompressed."""

    encoding: Encoding = "utf-8"
    delimiter: Delimiter = ","
    quoted: bool = True
    bordered: bool = False
    header: bool = True
    decimal: Literal[".", ","] = "."
    thousands: Thousands = ""
    trailing_minus: bool = False
    empty: Empty = Empty.REJECT
    max_bytes: Annotated[Size, Field(ge=1_000)] = 2_000_000_000


class Columns(Table):
    """Which column is what: the text of its header, or its position counted from 1.

    warehouses: of a pivot table, the headers of the columns with the stock of one warehouse each.
    """

    sku: Column
    stock: Column | None = None
    warehouse: Column | None = None
    warehouses: Annotated[tuple[ShortText, ...], Field(max_length=1_000)] = ()
    unit_type: Column | None = None
    sold_quantity_unreported: Column | None = None
    extra_field: Annotated[dict[ShortText, Column], Field(max_length=100)] = Field(
        default_factory=dict
    )


class SkipTable(Table):
    """Rows that are no stock: those whose cell in a column equals a text or matches a pattern."""

    column: Column
    equals: Annotated[str, Field(max_length=255)] | None = None
    matches: ShortText | None = None


class RuleTable(Table):
    """How what a source says becomes a level."""

    rounding: Rounding = Rounding.ERROR
    negative: Negative = Negative.ZERO
    buffer: Whole = 0
    duplicates: Duplicates = Duplicates.REJECT
    lookalikes: Lookalikes = Lookalikes.REJECT
    max_reject_ratio: Ratio = 0.1
    minimum: Whole = 0
    maximum: Whole | None = None


class SkuRuleTable(Table):
    """One step from the SKU of a source to Omnitron's: one of the three."""

    strip_prefix: ShortText | None = None
    add_prefix: ShortText | None = None
    match: ShortText | None = None
    replace: Annotated[str, Field(max_length=255)] = ""


class GuardTable(Table):
    """What holds a pull before its first write. Ratios 0 … 1, zero_window, expires in seconds."""

    first_pull: FirstPull = FirstPull.HOLD
    max_change_ratio: Ratio = 0.5
    max_zero_ratio: Ratio = 0.2
    zero_window: Duration = 3_600.0
    min_row_ratio: Ratio = 0.5
    ignore_below: Whole = 50
    while_held: WhileHeld = WhileHeld.NOTHING
    expires: Annotated[Duration, Field(ge=60)] = 86_400.0


class _Source(Table):
    """What every source has. Either `schedule` (crontab) or `every` (seconds) is set."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
    schedule: Cron | None = None
    every: Annotated[float, BeforeValidator(seconds), Field(ge=1)] | None = Field(
        default_factory=lambda given: None if given.get("schedule") else DEFAULT_EVERY
    )
    stock_list: Positive | None = None
    missing: Missing = Missing.KEEP
    stale_after: Annotated[Duration, Field(ge=60)] | None = None
    zero_after: Annotated[Duration, Field(ge=60)] | None = None
    units: dict[Text, Literal["qty", "kg"]] = Field(default_factory=dict)
    sku_rules: Annotated[tuple[SkuRuleTable, ...], Field(max_length=50)] = ()
    rules: RuleTable = RuleTable()
    guard: GuardTable = GuardTable()


class CsvSource(_Source):
    """A folder into which CSV files are dropped."""

    type: Literal["csv"]
    path: Folder
    username: Text | None = None
    password: SecretText | None = None
    key_file: File | None = None
    known_hosts: File | None = None
    storage_options: dict[Text, str | int | bool] = Field(default_factory=dict)
    pattern: Annotated[str, Field(pattern=r"^[^/]+$")] = "*.csv"
    full_pattern: Annotated[str, Field(pattern=r"^[^/]+$")] | None = None
    mode: Kind
    ready: Ready = Ready.STABLE
    stable_for: Duration = 5.0
    trailer: TrailerText | None = None
    final_newline: FinalNewline = Field(
        default_factory=lambda given: (
            FinalNewline.REQUIRED if given.get("ready") is Ready.STABLE else FinalNewline.OPTIONAL
        )
    )
    order: OrderBy = OrderBy.NAME
    name_time: NameTime | None = None
    after: After = After.MOVE
    format: Format = Format()
    columns: Columns
    skip_rows_where: Annotated[tuple[SkipTable, ...], Field(max_length=50)] = ()

    @property
    def states_all(self) -> bool:
        """Whether some of the files are snapshots."""
        return self.mode is Kind.SNAPSHOT or self.full_pattern is not None

    @property
    def absences(self) -> int:
        """How many successive different snapshots must lack a key before it is gone."""
        return 2 if self.ready is Ready.STABLE else 1


def _start(value: object, info: ValidationInfo) -> str:
    kind = info.data.get("cursor_type", CursorType.TIMESTAMP)
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    try:
        if kind is CursorType.TIMESTAMP:
            dt.datetime.fromisoformat(text)
        elif kind is CursorType.INTEGER:
            int(text[:40])
        elif kind is CursorType.ROWVERSION:
            int(text[:18], 16)
    except ValueError:
        remedy = 'Write a timestamp like "2026-01-31", or a number where the cursor is an integer.'
        raise mistake("does not fit cursor_type", remedy) from None
    return text


class SqlSource(_Source):
    """A query on the ERP's database; it names its columns itself (sku, stock, cursor_value …)."""

    type: Literal["sql"]
    url: DatabaseUrl
    username: Text | None = None
    password: SecretText | None = None
    preset: Text | None = None
    preset_options: dict[Text, str] = Field(default_factory=dict)
    query: Text | None = None
    cursor_type: CursorType = CursorType.TIMESTAMP
    start: Annotated[str, BeforeValidator(_start)] = Field(
        default_factory=lambda given: STARTS[given.get("cursor_type", "timestamp")]
    )
    overlap: Duration = Field(
        default_factory=lambda given: OVERLAPS[given.get("cursor_type", "timestamp")]
    )
    timezone: Zone | None = None
    full_query: Text | None = None
    full_schedule: Cron | None = None
    isolation: Literal["read committed", "repeatable read", "snapshot"] | None = None

    @property
    def absences(self) -> int:
        """A query's answer is complete: a key that it lacks once is gone."""
        return 1


Source = CsvSource | SqlSource
"""Any configured source, told apart by its ``type``."""


class RetentionTable(Table):
    """How long things are kept, in seconds, and how many bytes must stay free on our disks."""

    history: Annotated[Duration, Field(ge=3_600)] = 30 * 86_400.0
    failures: Annotated[Duration, Field(ge=3_600)] = 180 * 86_400.0
    files: Annotated[Duration, Field(ge=60)] = 14 * 86_400.0
    min_free: Size = 1_000_000_000


class Log(Table):
    """What is logged and how. format None: console on a terminal, else json."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] | None = None


class Settings(Table):
    """The whole configuration. instance None: the ledger's fingerprint; broker_url None: ours."""

    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")] | None = None
    timezone: Zone = "UTC"
    database_url: LedgerUrl = "sqlite:///var/stocksync.db"
    database_username: Text | None = None
    database_password: SecretText | None = None
    broker_url: BrokerUrl | None = None
    omnitron: Omnitron
    stock_lists: dict[Text, Positive] = Field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    sources: tuple[Annotated[Source, Field(discriminator="type")], ...] = ()
    retention: RetentionTable = RetentionTable()
    log: Log = Log()

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of schedules and of what people see."""
        return ZoneInfo(self.timezone)

    def source(self, name: str) -> Source | None:
        """Find a source by name."""
        return next((source for source in self.sources if source.name == name), None)

    def leaves(self) -> Iterator[tuple[str, Any]]:
        """Yield every effective value under its dotted key, sources by name, channels by id."""
        yield from _leaves(self, ())


def reads_warehouses(source: Source) -> bool:
    """Whether the source's rows name a warehouse, so that `stock_lists` decides their list."""
    return source.stock_list is None


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    children = _children(value)
    if children is None:
        yield ".".join(path), value
        return
    for name, child in children:
        yield from _leaves(child, (*path, name))


def _children(value: object) -> list[tuple[str, Any]] | None:
    if isinstance(value, BaseModel):
        return [(name, getattr(value, name)) for name in type(value).model_fields]
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return [(str(getattr(item, "name", getattr(item, "id", ""))), item) for item in value]
    return None
