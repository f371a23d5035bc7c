"""The tables (`design.md` §3). Times are seconds of the ledger's clock since 1970, UTC.

There are no foreign keys: rows of the hot tables come and go by the thousand, and every reference
is written in the transaction that writes what it names. Texts that are part of a key sort by code
point on both databases (PostgreSQL: collation "C"), so that ordered reads can be merged.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects import postgresql

metadata = MetaData(
    naming_convention={"ix": "ix_%(column_0_N_label)s", "pk": "pk_%(table_name)s"},
)

_KeyText = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_Number = BigInteger().with_variant(Integer(), "sqlite")


def _moment(name: str, *, nullable: bool = True) -> Column[float]:
    """Seconds since 1970 on the ledger's clock; 0 where "never" must sort first."""
    default = None if nullable else text("0")
    return Column(name, Double(), nullable=nullable, server_default=default)


def _count(name: str) -> Column[int]:
    return Column(name, Integer(), nullable=False, server_default=text("0"))


def _word(name: str, *, nullable: bool = True) -> Column[str]:
    default = None if nullable else text("''")
    return Column(name, Text(), nullable=nullable, server_default=default)


source = Table(
    "source",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("name", Text(), nullable=False, unique=True),
    Column("configured", Boolean(), nullable=False),
    _word("checkpoint"),  # JSON of the connector
    _word("fingerprint"),  # of the rules that the levels were computed by
    _moment("next_at", nullable=False),
    _moment("next_full_at", nullable=False),
    _moment("last_success_at"),
    _moment("read_at"),  # something was read, or the source was first configured
    Column("last_pull_id", _Number),
    Column("held_pull_id", _Number),
    Column("snapshot_pull_id", _Number),  # every part was stated by this pull at the latest
    Column("snapshot_rows", Integer()),
    _word("trouble"),  # failing | unreachable
    _word("trouble_reason"),
    _moment("trouble_since"),
    _moment("paused_until"),
    _word("header"),  # JSON: the header seen first
    _word("device"),  # where the folder was last time
    _word("intent"),  # adopt | retire, until it is done; retired: a person decided
    _word("lease_token"),
    _moment("lease_until"),
    sqlite_autoincrement=True,
)

pull = Table(
    "pull",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),  # numbered when it starts
    Column("source_id", _Number, nullable=False),
    _word("label", nullable=False),
    _word("kind", nullable=False),  # delta | snapshot
    _word("status", nullable=False),
    _word("reason"),
    _word("position"),  # JSON of the connector: which file, which cursor range
    _word("checkpoint"),  # JSON: where the source goes on once this pull is decided
    _word("fingerprint"),
    _word("counts"),  # JSON of PullCounts
    _count("read"),
    _count("changed"),
    _count("zeroed"),
    _count("missing"),
    _count("rejected"),
    Column("as_of", _Number),  # the pull whose rejected rows these are, mended
    Column("first", Boolean(), nullable=False, server_default=false()),
    Column("backfill", Boolean(), nullable=False, server_default=false()),
    _count("pages"),
    _count("pages_applied"),
    _moment("started_at", nullable=False),
    _moment("decided_at"),
    _moment("ended_at"),
    _word("actor"),
    Index("ix_pull_source", "source_id", "id"),
    sqlite_autoincrement=True,
)

pull_row = Table(
    "pull_row",
    metadata,
    Column("pull_id", _Number, primary_key=True),
    Column("page", Integer(), primary_key=True),  # 0: rejected rows; pages of changes from 1
    Column("n", Integer(), primary_key=True),
    _word("change", nullable=False),  # part | gone | absent | rules | reject
    Column("stock_list", Integer()),
    Column("sku", _KeyText),
    Column("warehouse", _KeyText),
    _word("quantity"),
    _word("unit"),
    _word("sold"),
    _word("extra"),
    Column("place", BigInteger()),
    Column("before", BigInteger()),  # the level's stock before, None: it is new
    Column("after", BigInteger()),  # and after
    _word("reject"),  # JSON: column, value, reason, message, remedy, raw
    sqlite_with_rowid=False,
)

part = Table(
    "part",
    metadata,
    Column("source_id", _Number, primary_key=True),
    Column("stock_list", Integer(), primary_key=True),
    Column("sku", _KeyText, primary_key=True),
    Column("warehouse", _KeyText, primary_key=True),
    Column("quantity", Text(), nullable=False),
    _word("unit", nullable=False),
    _word("sold"),
    _word("extra"),
    Column("pull_id", _Number, nullable=False),
    Column("place", BigInteger()),
    Column("gone", Boolean(), nullable=False, server_default=false()),
    Column("absent_pull_id", _Number),  # the snapshot that lacked it first
    sqlite_with_rowid=False,
)

level = Table(
    "level",
    metadata,
    Column("stock_list", Integer(), primary_key=True),
    Column("sku", _KeyText, primary_key=True),
    Column("source_id", _Number, nullable=False),  # the owner
    Column("stock", Integer(), nullable=False),
    _word("unit_type"),
    Column("sold", Integer()),
    _word("extra"),
    Column("pull_id", _Number, nullable=False),  # that changed it last
    _moment("changed_at", nullable=False),
    Column("revision", Integer(), nullable=False),
    _count("sent_revision"),
    Column("sent_stock", Integer()),  # None: unknown or never sent
    _moment("sent_at"),
    Column("remote_pk", BigInteger()),
    Column("rank", SmallInteger(), nullable=False),
    _moment("due_since", nullable=False),
    _moment("not_before", nullable=False),
    _moment("withheld_until", nullable=False),  # its source is still reading
    _count("attempts"),
    _count("crashes"),
    _word("claim_token"),
    _moment("claim_until"),
    Column("batch_id", _Number),
    _word("park_reason"),
    _moment("parked_at"),
    Column("retired", Boolean(), nullable=False, server_default=false()),
    Column("override_stock", Integer()),
    _moment("override_until"),
    _word("override_why"),
    Column("vetted_stock", Integer()),  # that the guard let pass last, where it is not `stock`
    sqlite_with_rowid=False,
)

_DUE = text("revision > sent_revision AND claim_token IS NULL AND park_reason IS NULL")
_FLYING = text("claim_token IS NOT NULL")
_PARKED = text("park_reason IS NOT NULL")
_PINNED = text("override_stock IS NOT NULL")
_RETIRED = text("retired")
_WITHHELD = text("withheld_until > 0")
_UNVETTED = text("vetted_stock IS NOT NULL")
_SUSPECT = text("crashes > 0")


def _partial(name: str, *columns: Column[object], where: object) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


_partial("ix_level_due", level.c.rank, level.c.due_since, where=_DUE)
_partial("ix_level_oldest", level.c.due_since, where=_DUE)
_partial("ix_level_claim", level.c.claim_token, where=_FLYING)
_partial("ix_level_parked", level.c.park_reason, level.c.not_before, where=_PARKED)
_partial("ix_level_suspect", level.c.crashes, level.c.due_since, where=_SUSPECT)
_partial("ix_level_pinned", level.c.override_until, where=_PINNED)
_partial("ix_level_retired", level.c.source_id, where=_RETIRED)
_partial("ix_level_withheld", level.c.source_id, where=_WITHHELD)
_partial("ix_level_unvetted", level.c.source_id, where=_UNVETTED)
Index("ix_level_owner", level.c.source_id, level.c.stock_list)
Index("ix_level_remote", level.c.remote_pk)
Index("ix_level_sku", level.c.sku)

batch = Table(
    "batch",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("token", Text(), nullable=False, unique=True),
    _word("worker", nullable=False),
    _word("status", nullable=False),
    _count("lines"),
    _count("sent"),
    _count("superseded"),
    _count("parked"),
    _count("waiting"),
    _word("reason"),
    _moment("started_at", nullable=False),
    _moment("ended_at"),
    _moment("lease_until", nullable=False),
    sqlite_autoincrement=True,
)

_partial("ix_batch_sending", batch.c.lease_until, where=text("status = 'sending'"))
_partial("ix_batch_untaken", batch.c.ended_at, where=text("lines > sent"))

batch_line = Table(
    "batch_line",
    metadata,
    Column("batch_id", _Number, primary_key=True),
    Column("stock_list", Integer(), primary_key=True),
    Column("sku", _KeyText, primary_key=True),
    Column("revision", Integer(), nullable=False),
    Column("stock", Integer(), nullable=False),
    _word("unit_type"),
    Column("sold", Integer()),
    _word("extra"),
    _word("outcome"),  # sent | superseded | parked | waiting; None: no outcome yet
    _word("reason"),
    Column("status", Integer()),
    _word("message"),
    _moment("at"),
    Index("ix_batch_line_key", "stock_list", "sku", "batch_id"),
    sqlite_with_rowid=False,
)

confirmation = Table(
    "confirmation",
    metadata,
    Column("channel_id", Integer(), primary_key=True),
    Column("stock_list", Integer(), primary_key=True),
    Column("sku", _KeyText, primary_key=True),
    Column("remote_pk", BigInteger()),
    Column("revision", Integer(), nullable=False),  # that is looked for
    Column("stock", Integer(), nullable=False),
    _word("unit_type"),
    _word("state", nullable=False),
    _moment("since", nullable=False),
    _moment("posted_at"),  # Date of the answer to our POST
    Column("other", Boolean(), nullable=False),  # another value was sent or seen since
    _moment("other_modified"),  # modified_date of the last record with another value
    Column("confirmed_revision", Integer()),
    _moment("confirmed_at"),
    Column("seen_stock", BigInteger()),
    _moment("seen_modified"),
    _moment("seen_at"),
    _word("seen"),  # older | never
    Column("healed_revision", Integer()),
    _moment("looked_at", nullable=False),
    _moment("unreadable_before", nullable=False),  # the channel's unreadable seconds at `since`
    Index("ix_confirmation_key", "stock_list", "sku"),
    sqlite_with_rowid=False,
)
_partial(
    "ix_confirmation_open",
    confirmation.c.channel_id,
    confirmation.c.state,
    confirmation.c.looked_at,
    confirmation.c.since,
    where=text("state <> 'confirmed'"),
)
Index("ix_confirmation_remote", confirmation.c.remote_pk)

failure = Table(
    "failure",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    _word("source", nullable=False),  # name; "" for what no source is to blame for
    _word("kind", nullable=False),
    _word("identity", nullable=False),  # the key, or the hash of a raw row, or a file
    _word("reason", nullable=False),
    Column("stock_list", Integer()),
    Column("sku", _KeyText),
    _word("warehouse"),
    _word("message", nullable=False),
    _word("remedy", nullable=False),
    _word("file"),
    Column("line", BigInteger()),
    _word("column"),
    _word("value"),
    _word("raw"),
    Column("status", Integer()),
    _word("excerpt"),
    Column("occurrences", Integer(), nullable=False, server_default=text("1")),
    Column("attempts", Integer(), nullable=False, server_default=text("1")),
    Column("pull_id", _Number),
    Column("batch_id", _Number),
    _moment("first_seen", nullable=False),
    _moment("last_seen", nullable=False),
    _moment("closed_at"),
    _word("closed_why"),
    Index("ix_failure_key", "stock_list", "sku"),
    sqlite_autoincrement=True,
)
Index(
    "ix_failure_open",
    failure.c.source,
    failure.c.kind,
    failure.c.identity,
    failure.c.reason,
    unique=True,
    sqlite_where=text("closed_at IS NULL"),
    postgresql_where=text("closed_at IS NULL"),
)

target = Table(
    "target",
    metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),  # always 1
    _word("base_url"),  # that the ledger has sent to
    _word("state", nullable=False),
    _word("reason"),
    _moment("since"),
    _moment("paused_until", nullable=False),
    _moment("raises_paused_until", nullable=False),
    Column("rate", Double(), nullable=False),
    _moment("next_free", nullable=False),
    _count("step"),  # of the back-off
    _moment("rate_changed_at", nullable=False),
    _moment("login_at", nullable=False),
    _moment("heartbeat_at"),
    _word("clock_id"),  # boot id that `clock_offset` belongs to (SQLite)
    Column("clock_offset", Double()),
    _moment("seen_at", nullable=False),  # the latest time that was noted
)

channel = Table(
    "channel",
    metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),
    Column("configured", Boolean(), nullable=False),
    _word("state", nullable=False),  # readable | unreadable | unknown
    _word("reason"),
    _moment("since"),
    _moment("polled_at"),
    _moment("next_at", nullable=False),
    _moment("unreadable_seconds", nullable=False),
    _word("resources", nullable=False),  # JSON: stock list -> resource that shows it
    _word("lease_token"),
    _moment("lease_until"),
)

stock_list = Table(
    "stock_list",
    metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),
    _word("name", nullable=False),
    _word("code", nullable=False),
    _moment("seen_at"),
    _word("stopped_reason"),
    _moment("stopped_until", nullable=False),
    _count("stops"),
)

event = Table(
    "event",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    _moment("at", nullable=False),
    _word("actor", nullable=False),
    _word("action", nullable=False),
    _word("subject", nullable=False),
    _word("detail"),  # JSON
    Index("ix_event_subject", "subject", "at"),
    sqlite_autoincrement=True,
)
