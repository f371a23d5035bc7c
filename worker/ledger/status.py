"""How everything stands, counted in one read transaction; the partial indexes make it cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from worker.ledger import bulk, channels, events, failures, levels, pulls, schema, sources, target
from worker.model import ConfirmState, LevelState, SourceState
from worker.planning import limiter
from worker.planning.fingerprints import consequences
from worker.planning.levels import UNKNOWN_PRODUCT
from worker.planning.standing import (
    ChannelStanding,
    LevelCounts,
    SourceStanding,
    Standing,
    TargetStanding,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from worker.model import SourcePlan, TargetPlan

_OWN = "NOT retired AND override_stock IS NULL"
_FREE = f"{_OWN} AND park_reason IS NULL"
_UNKNOWN = f"park_reason = '{UNKNOWN_PRODUCT}' AND {_OWN}"
_CURSOR_LIMIT = 120


def standing(
    connection: Connection, plans: Mapping[str, SourcePlan], *, plan: TargetPlan, now: float
) -> Standing:
    """Gather it. plans: of the configured sources, by name; plan: of the target."""
    of_channels = _channels(connection)
    row = limiter.recovered(_target(connection, now), plan=plan, now=now)
    return Standing(
        at=now,
        levels=level_counts(connection, now=now),
        oldest_due_at=_oldest_due(connection),
        heartbeat_at=target.heartbeat(connection),
        confirmations={
            state.value: sum(channel.counts.get(state.value, 0) for channel in of_channels)
            for state in ConfirmState
        },
        open_failures=failures.open_count(connection),
        ignored_levels=0 if plan.reports_unknown else _count(connection, _UNKNOWN),
        ignored_failures=0 if plan.reports_unknown else failures.unknown_count(connection),
        sources=[_source(connection, of_source, now) for _, of_source in sorted(plans.items())],
        orphans=sources.orphans(connection, plans.keys()),
        channels=of_channels,
        target=TargetStanding(
            state=row.state,
            reason=row.reason,
            since=row.since,
            rate=row.rate,
            rate_reason=limiter.why_slower(row, plan=plan),
            paused_until=row.paused_until,
            raises_paused_until=row.raises_paused_until,
            raises_paused_by=paused_by(connection, "target", raises_only=True),
            base_url=target.base_url(connection),
        ),
    )


def level_counts(connection: Connection, *, now: float) -> LevelCounts:
    """Levels by state, in the order and with the meaning of `planning.levels.state_of`."""
    total = _number(connection, "SELECT count(*) FROM level")
    waiting, must_go = _unsent(connection, now)
    counts = {
        LevelState.RETIRED: _count(connection, "retired"),
        LevelState.OVERRIDDEN: _count(connection, "override_stock IS NOT NULL AND NOT retired"),
        LevelState.PARKED: _count(connection, f"park_reason IS NOT NULL AND {_OWN}"),
        LevelState.IN_FLIGHT: _count(
            connection, f"claim_token IS NOT NULL AND claim_until > ? AND {_FREE}", now
        ),
        LevelState.WAITING: waiting,
        LevelState.DUE: must_go - waiting,
    }
    rest = total - sum(counts.values())
    return LevelCounts(total=total, in_sync=rest, **{state.value: n for state, n in counts.items()})


def _unsent(connection: Connection, now: float) -> tuple[int, int]:
    """(how many wait, how many must go) of the levels that nobody is sending."""
    row = _target(connection, now)
    waits = "CASE WHEN " + " OR ".join(_waits(row, now)) + " THEN 1 ELSE 0 END"
    moments = (now, now, now)
    found = [0, 0]
    for condition, arguments in (
        (levels.CAN_GO, ()),
        ("claim_token IS NOT NULL AND claim_until <= ? AND revision > sent_revision", (now,)),
    ):
        statement = (
            f"SELECT coalesce(sum({waits}), 0), count(*) FROM level WHERE {condition} AND {_FREE}"
        )
        result = connection.exec_driver_sql(
            bulk.driver_sql(connection, statement), (*moments, *arguments)
        ).one()
        found = [found[0] + int(result[0]), found[1] + int(result[1])]
    return found[0], found[1]


def _target(connection: Connection, now: float) -> limiter.Target:
    return limiter.as_of(target.read(connection), now=now)


def _waits(row: limiter.Target, now: float) -> list[str]:
    conditions = [
        "not_before > ?",
        "withheld_until > ?",
        "stock_list IN (SELECT id FROM stock_list WHERE stopped_until > ?)",
    ]
    if limiter.closed_for(row, now=now) > 0:
        conditions.append("1 = 1")
    if row.raises_paused_until > now:
        conditions.append(levels.RAISING)
    return conditions


def _oldest_due(connection: Connection) -> float | None:
    statement = f"SELECT min(due_since) FROM level WHERE {levels.CAN_GO} AND {_OWN}"
    found = connection.exec_driver_sql(statement).scalar()
    return None if found is None else float(found)


def _source(connection: Connection, plan: SourcePlan, now: float) -> SourceStanding:
    row = sources.named(connection, plan.name) or sources.unseen(plan.name)
    last = None if row.last_pull_id is None else pulls.numbered(connection, row.last_pull_id)
    held = None if row.held_pull_id is None else pulls.numbered(connection, row.held_pull_id)
    state = row.state(now, fingerprint=plan.fingerprint, stale_after=plan.stale_from)
    why = held.reason if held is not None else row.trouble_reason
    trouble_since = row.trouble_since if row.trouble is not None else None
    return SourceStanding(
        name=plan.name,
        state=state,
        reason="; ".join(filter(None, (why, _at_zero(connection, row.id)))) or None,
        since=row.read_at if state is SourceState.STALE else trouble_since,
        cursor=cursor_text(row.checkpoint),
        next_at=row.next_at or None,
        last_success_at=row.last_success_at,
        held_pull_id=row.held_pull_id,
        paused_until=row.paused_until if row.paused(now) else None,
        paused_by=paused_by(connection, f"source {row.name}") if row.paused(now) else None,
        last_pull=None if last is None else _last_pull(last),
        new_rules=consequences(row.fingerprint, plan.fingerprint),
    )


def paused_by(connection: Connection, subject: str, **detail: object) -> str | None:
    """Who paused it last; None: nobody, or that is too long ago to be known."""
    event = events.last(connection, subject, "pause", **detail)
    return None if event is None else event.actor


def _at_zero(connection: Connection, source_id: int) -> str | None:
    """Why levels that have stock by the source's last word are at zero."""
    count = levels.zeroed_count(connection, source_id)
    return f"{count} levels are at zero until it is read again (zero_after)" if count else None


def _last_pull(pull: pulls.Pull) -> dict[str, object]:
    return {
        "id": pull.id,
        "label": pull.label,
        "status": pull.status,
        "read": pull.read,
        "changed": pull.changed,
        "rejected": pull.rejected,
        "missing": pull.missing,
        "started_at": pull.started_at,
    }


def cursor_text(checkpoint: Mapping[str, Any] | None) -> str | None:
    """How far a source was read, in a few words: the last file, or the cursor's value."""
    if not checkpoint:
        return None
    for name in ("file", "cursor"):
        if checkpoint.get(name) is not None:
            return str(checkpoint[name])[:_CURSOR_LIMIT]
    return None


def _channels(connection: Connection) -> list[ChannelStanding]:
    table = schema.confirmation
    query = select(table.c.channel_id, table.c.state, func.count()).group_by(
        table.c.channel_id, table.c.state
    )
    counts: dict[int, dict[str, int]] = {}
    for channel_id, state, count in connection.execute(query):
        counts.setdefault(channel_id, {})[state] = count
    return [
        ChannelStanding(
            id=row.id,
            state=row.state,
            reason=row.reason,
            polled_at=row.polled_at,
            counts=counts.get(row.id, {}),
        )
        for row in channels.every(connection)
    ]


def _count(connection: Connection, condition: str, *arguments: object) -> int:
    return _number(connection, f"SELECT count(*) FROM level WHERE {condition}", *arguments)


def _number(connection: Connection, statement: str, *arguments: object) -> int:
    sql = bulk.driver_sql(connection, statement)
    return int(connection.exec_driver_sql(sql, arguments).scalar_one())
