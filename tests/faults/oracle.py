"""Judges a service from outside: what the ERP said, what the ledger holds, what Omnitron was sent.

Reads the ledger by plain SQL, the sandbox's journal over HTTP, and files; imports nothing of the
service, so a mistake of the service cannot hide in it. The letters are those of the page of faults.

    truth = Truth()
    truth.says({"A": 5}, file="1.csv")      # whenever the test lets the ERP state something
    truth.says({"A": 6}, cursor="2026-01-02T00:00:00Z")
    truth.rejects(2)                        # rows written that must be rejected
    scene = Scene(ledger=url, sandbox=url, folders=[...], logs=[...], canaries=["secret"])
    check(scene, truth, extra_posts=kills)  # when all is quiet: every rule; returns violations
    check_durable(scene, truth)             # at any moment, also between a crash and the recovery
    unrest(scene)                           # what still has to happen: wait until it is empty

`check` returns sentences, each with the key, what was expected and the journal's lines; a test
asserts that there are none.
"""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Name = tuple[int, str]
"""Stock list and SKU."""

_KEEPS_LINES = 12
_TABLES = (
    *("source", "pull", "pull_row", "part", "level", "batch", "batch_line", "confirmation"),
    *("failure", "target", "channel", "stock_list", "event"),
)
_SHOWN_FAILURES = {"item", "row"}


class Said(NamedTuple):
    """One statement of the ERP: a file by its name, or rows up to a cursor."""

    stocks: Mapping[Name, int]
    file: str | None
    cursor: str | None


@dataclass
class Truth:
    """What the test let the ERP say, in its order; in whole pieces, and one source per key."""

    said: list[Said] = field(default_factory=list)
    rejected: int = 0
    _history: dict[Name, list[int]] = field(default_factory=lambda: defaultdict(list))

    def says(
        self,
        stocks: Mapping[str, int],
        *,
        stock_list: int = 1,
        file: str | None = None,
        cursor: str | None = None,
    ) -> None:
        """The ERP has committed these stocks (what Omnitron should show, rules applied)."""
        named = {(stock_list, sku): stock for sku, stock in stocks.items()}
        self.said.append(Said(named, file, cursor))
        for name, stock in named.items():
            if self._history[name][-1:] != [stock]:
                self._history[name].append(stock)

    def rejects(self, rows: int) -> None:
        """So many rows were written that the service must reject and tell of."""
        self.rejected += rows

    def history(self, name: Name) -> list[int]:
        """Every value of a key in the order in which it was stated, repeats left out."""
        return self._history.get(name, [])

    @property
    def now(self) -> dict[Name, int]:
        """What Omnitron should show when all is quiet."""
        return {name: values[-1] for name, values in self._history.items()}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where to look. ledger: SQLAlchemy URL; sandbox: URL.

    logs, folders: files and trees in which no canary may be, the ledger's own file among them.
    memory: more bytes to look through, such as what a broker holds.
    """

    ledger: str
    sandbox: str
    folders: Sequence[Path] = ()
    logs: Sequence[Path] = ()
    canaries: Sequence[str] = ()
    memory: bytes = b""

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Ask the ledger by plain SQL."""
        if self.ledger.startswith("sqlite"):
            path = self.ledger.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=30)) as database:
                database.row_factory = sqlite3.Row
                return [dict(row) for row in database.execute(statement)]
        with psycopg.connect(self.ledger.replace("+psycopg", ""), row_factory=dict_row) as session:
            return session.execute(statement).fetchall()  # type: ignore[call-overload,no-any-return]

    def ask(self, what: str) -> Any:
        """Ask the sandbox: ``journal``, ``state``, ``stats``."""
        with urllib.request.urlopen(f"{self.sandbox.rstrip('/')}/_sandbox/{what}") as answer:
            return json.load(answer)

    def levels(self) -> dict[Name, dict[str, Any]]:
        """The ledger's levels by key."""
        return {(row["stock_list"], row["sku"]): row for row in self.rows("SELECT * FROM level")}

    def journal(self) -> dict[Name, list[dict[str, Any]]]:
        """The writes that Omnitron accepted through its API, by key, in their order."""
        found: dict[Name, list[dict[str, Any]]] = defaultdict(list)
        for entry in self.ask("journal")["entries"]:
            if entry["by"] == "api":
                found[entry["stock_list"], entry["sku"]].append(entry)
        return found


def check(
    scene: Scene,
    truth: Truth,
    *,
    extra_posts: int = 0,
    may_revert: Iterable[Name] = (),
    overlaps: int = 0,
    minimum: int = 1,
) -> list[str]:
    """Judge a quiet service by every rule; returns violations, [] is good.

    extra_posts: kills and ambiguous faults that were injected: so often a key may have had one
    value more than once. may_revert: keys of which the fault itself held a request back, so that an
    older value may have landed late (it must be healed all the same). overlaps: keys that may have
    had two requests under way, because the fault resumed an old one. minimum: writes that Omnitron
    must have accepted, or the run proves nothing.
    """
    return [
        *(f"J5 not quiet: {what}" for what in unrest(scene)),
        *_conserved(scene, truth),
        *_fresh(scene, truth, set(may_revert)),
        *_duplicates(scene, extra_posts, overlaps),
        *check_durable(scene, truth),
        *leaks(scene),
        *_visible(scene, truth),
        *_volume(scene, minimum),
    ]


def unrest(scene: Scene) -> list[str]:
    """What still has to happen before the service is quiet; it is, when there is nothing."""
    questions = {
        "levels must still go": "SELECT stock_list, sku, revision, sent_revision, not_before"
        " FROM level WHERE revision > sent_revision AND park_reason IS NULL AND NOT retired",
        "levels are claimed": "SELECT stock_list, sku, claim_token FROM level"
        " WHERE claim_token IS NOT NULL",
        "pulls are under way": "SELECT id, status FROM pull WHERE status IN ('running', 'applying')"
        " AND id IN (SELECT max(id) FROM pull GROUP BY source_id)",
        "pulls are half applied": "SELECT id, status FROM pull WHERE status = 'applying'",
        "batches are open": "SELECT id, status FROM batch WHERE status = 'sending'",
        "lines have no outcome": "SELECT batch_id, sku FROM batch_line WHERE outcome IS NULL",
        "levels are not seen in their channels": "SELECT channel_id, sku, revision, seen_stock"
        " FROM confirmation WHERE state = 'waiting'",
        "the target is not up": "SELECT state, reason FROM target WHERE state <> 'up'",
    }
    found = {what: scene.rows(statement) for what, statement in questions.items()}
    return [f"{len(rows)} {what}, {rows[0]} for one" for what, rows in found.items() if rows]


def check_durable(scene: Scene, truth: Truth) -> list[str]:
    """J4, at any moment: of what the checkpoint says was read, every row is in the ledger.

    A row is there where its part has the stated value or a later one, or where a pull that was
    decided still has to write it.
    """
    told = {row["name"]: row["checkpoint"] or "" for row in scene.rows("SELECT * FROM source")}
    passed = [said for said in truth.said if any(_covers(text, said) for text in told.values())]
    if not passed:
        return []
    # staged first: what is applied while we look is then in the parts
    staged = defaultdict(set)
    for row in scene.rows(
        "SELECT stock_list, sku, after FROM pull_row JOIN pull ON pull.id = pull_row.pull_id"
        " WHERE status = 'applying'"
    ):
        staged[row["stock_list"], row["sku"]].add(row["after"])
    parts: dict[Name, int] = defaultdict(int)
    readable = "SELECT stock_list, sku, quantity, gone FROM part WHERE quantity <> '?'"
    for row in scene.rows(readable):
        there = 0 if row["gone"] else int(float(row["quantity"]))
        parts[row["stock_list"], row["sku"]] += there
    return [
        f"J4 the checkpoint is past {said.file or said.cursor}, but {name} = {stock} is nowhere:"
        f" its part is {parts.get(name)}, staged are {staged[name] or 'none'}"
        for said in passed
        for name, stock in said.stocks.items()
        if not _reached(truth.history(name), stock, {parts.get(name), *staged[name]})
    ]


def _covers(checkpoint: str, said: Said) -> bool:
    """Whether a checkpoint says that this statement was read."""
    if not checkpoint:
        return False
    found = json.loads(checkpoint)
    if said.file is not None:
        return any(name == said.file for name, *_ in found.get("applied", ()))
    return said.cursor is not None and str(found.get("cursor") or "") >= said.cursor


def _reached(history: list[int], stock: int, there: set[int | None]) -> bool:
    later = history[history.index(stock) :]
    return any(value in later for value in there)


def _conserved(scene: Scene, truth: Truth) -> Iterator[str]:
    """J1: every key that was stated has one level; every line of every batch is accounted for."""
    levels, held = scene.levels(), _held(scene)
    for name, stock in truth.now.items():
        level = levels.get(name)
        if level is None and name not in held:
            yield f"J1 {name} was stated as {stock}, and is lost: no level, not held"
        elif level is not None and level["stock"] != stock and name not in held:
            yield (
                f"J1 {name}: the ERP stated {truth.history(name)}, the ledger has"
                f" {level['stock']} at revision {level['revision']} of pull {level['pull_id']}"
            )
    for name in levels.keys() - truth.now.keys():
        yield f"J1 {name} is in the ledger, but the ERP never stated it"
    ends = ("sent", "superseded", "parked", "waiting")
    for batch in scene.rows("SELECT * FROM batch WHERE status <> 'sending'"):
        if batch["lines"] != sum(batch[end] for end in ends):
            yield f"J1 the lines of batch {batch['id']} do not add up: {batch}"
    counted = {row["batch_id"]: row["n"] for row in scene.rows(_LINES)}
    for batch in scene.rows("SELECT id, lines FROM batch"):
        if counted.get(batch["id"], 0) != batch["lines"]:
            yield f"J1 batch {batch['id']} has {counted.get(batch['id'], 0)} of {batch['lines']}"


_LINES = "SELECT batch_id, count(*) AS n FROM batch_line GROUP BY batch_id"


def _held(scene: Scene) -> set[Name]:
    statement = (
        "SELECT stock_list, sku FROM pull_row JOIN pull ON pull.id = pull_row.pull_id"
        " WHERE status = 'held'"
    )
    return {(row["stock_list"], row["sku"]) for row in scene.rows(statement)}


def _fresh(scene: Scene, truth: Truth, may_revert: set[Name]) -> Iterator[str]:
    """J2: Omnitron has the newest value, and values came to it in the order of the ERP."""
    levels, state, journal = scene.levels(), scene.ask("state"), scene.journal()
    excused = {name for name, level in levels.items() if level["park_reason"]} | _held(scene)
    for name, stock in truth.now.items():
        shown = state.get(f"{name[0]}:{name[1]}", {}).get("stock")
        if name not in excused and shown != stock:
            yield f"J2 {name}: Omnitron has {shown}, the ERP says {stock}; {_told(journal[name])}"
    for name, entries in journal.items():
        sent, history = [entry["stock"] for entry in entries], truth.history(name)
        if set(sent) - set(history):
            yield f"J2 {name}: {sorted(set(sent) - set(history))} never stated; {_told(entries)}"
        elif name not in may_revert and not _in_order(sent, history):
            yield f"J2 {name}: an older value after a newer one: stated {history}; {_told(entries)}"


def _in_order(sent: Sequence[int], history: Sequence[int]) -> bool:
    """Whether what was sent goes through the history without a step back, repeats allowed."""
    at = 0
    for value in sent:
        if value not in history[at:]:
            return False
        at = history.index(value, at)
    return True


def _duplicates(scene: Scene, extra_posts: int, overlaps: int) -> Iterator[str]:
    """J3: one POST per value, and as many more as there were faults that explain them."""
    for name, entries in scene.journal().items():
        runs = Counter(_runs([entry["stock"] for entry in entries]))
        most = max(runs.values(), default=0)
        if most > 1 + extra_posts:
            yield f"J3 {name}: one value was sent {most} times; {_told(entries)}"
    stats = scene.ask("stats")
    if stats["max_in_flight_per_key"] > 1 and len(stats["overlaps"]) > overlaps:
        yield f"J3 two requests for one key were under way: {stats['overlaps'][:3]}"


def _runs(values: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Number the stretches of equal values, so that a value that comes back counts anew."""
    number, before = 0, None
    for value in values:
        number += value != before
        before = value
        yield number, value


def leaks(scene: Scene) -> list[str]:
    """J6: no canary in any file, table, process title or memory that was given."""
    if not scene.canaries:
        return []
    places: dict[str, bytes] = {"the broker": scene.memory}
    for path in [*scene.logs, *(p for f in scene.folders for p in f.rglob("*") if p.is_file())]:
        places[str(path)] = path.read_bytes()
    for table in _TABLES:
        rows = scene.rows(f"SELECT * FROM {table}")
        places[f"table {table}"] = json.dumps(rows, default=str).encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        places[f"the arguments of process {path.parent.name}"] = _quietly(path)
    return [
        f"J6 a secret stands in {place}"
        for place, content in places.items()
        if any(canary.encode() in content for canary in scene.canaries)
    ]


def _quietly(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""


def _visible(scene: Scene, truth: Truth) -> Iterator[str]:
    """J7: what is parked or rejected has an open failure that tells a person enough."""
    failures = scene.rows("SELECT * FROM failure WHERE closed_at IS NULL")
    open_items = {(f["stock_list"], f["sku"]) for f in failures if f["kind"] in _SHOWN_FAILURES}
    for name, level in scene.levels().items():
        if level["park_reason"] and name not in open_items:
            yield f"J7 {name} is parked ({level['park_reason']}), and no open failure tells of it"
    for failure in failures:
        lacking = [word for word in ("reason", "message", "remedy") if not failure[word]]
        if lacking or failure["attempts"] < 1 or failure["last_seen"] < failure["first_seen"]:
            yield f"J7 failure {failure['id']} lacks {lacking or 'sense'}: {failure}"
    told = scene.rows("SELECT coalesce(sum(occurrences), 0) AS n FROM failure WHERE kind = 'row'")
    if told[0]["n"] < truth.rejected:
        yield f"J7 {truth.rejected} rows were to be rejected, failures tell of {told[0]['n']}"
    for pull in scene.rows("SELECT id FROM pull WHERE status = 'held'"):
        if not scene.rows(f"SELECT 1 FROM source WHERE held_pull_id = {pull['id']}"):
            yield f"J7 pull {pull['id']} is held, and its source does not say so"


def _volume(scene: Scene, minimum: int) -> Iterator[str]:
    """V: a run in which little happened proves little."""
    written = sum(map(len, scene.journal().values()))
    if written < minimum:
        yield f"V only {written} writes reached Omnitron, at least {minimum} must"


def _told(entries: Sequence[Mapping[str, Any]]) -> str:
    """Lines of the journal for people: when it was received, applied, and what."""
    lines = [
        f"#{e['n']} {e['received_at']:.3f} applied {e['applied_at'] or 0:.3f}: {e['stock']}"
        f" ({e['fate']})"
        for e in entries[-_KEEPS_LINES:]
    ]
    return "journal: " + ("; ".join(lines) or "empty")
