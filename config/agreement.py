"""What keys say together: mistakes that no single value shows, and remarks on the whole.

`mistakes` looks at the bare tree, so that they are found beside wrong values, all at once;
whatever has the wrong shape is left to `config.settings`. `remarks` looks at valid settings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from config.layouts import layout_mistakes
from config.problem import Complaint, KeyPath
from config.remotes import remote_mistakes, remote_remarks
from config.settings import CsvSource, Ready, Settings, Source, SqlSource, reads_warehouses
from config.values import seconds
from connectors.contract import Kind
from worker.model import Duplicates, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

Tree = dict[str, Any]


def mistakes(tree: Tree) -> Iterator[Complaint]:
    """Find what cannot be true together, each with the key where to mend it."""
    yield from _credentials(tree)
    yield from _database(tree)
    yield from _repeated(tree, "sources", "name")
    yield from _repeated(tree, "channels", "id")
    yield from _same_files(tree)
    yield from _warehouse_names(tree)
    for index, source in _items(tree, "sources"):
        path = ("sources", index)
        yield from _schedule(source, path)
        yield from _unread(source, path)
        yield from _missing(source, path)
        yield from _bounds(_table(source, "rules"), (*path, "rules"))
        for number, rule in _items(source, "sku_rules"):
            yield from _sku_rule(rule, (*path, "sku_rules", number))
        if source.get("type") == "csv":
            yield from _csv(source, path)
        elif source.get("type") == "sql":
            yield from _sql(source, path)


def remarks(settings: Settings) -> Iterator[Complaint]:
    """Find what is allowed but probably not meant."""
    if not settings.sources:
        yield Complaint(("sources",), "are none configured", "Add a [[sources]] table.")
    yield from _unused_lists(settings)
    yield from _unfed_channels(settings)
    for index, source in enumerate(settings.sources):
        yield from _idle_keys(source, ("sources", index))
        yield from _unseen_cut(source, ("sources", index))
        yield from remote_remarks(source, ("sources", index))


def _credentials(tree: Tree) -> Iterator[Complaint]:
    target = _table(tree, "omnitron")
    named, token = "username" in target or "password" in target, "token" in target
    if named and token:
        yield Complaint(
            ("omnitron", "token"),
            "stands beside a user name or password",
            "Keep either the token, or username and password.",
        )
    elif not token:
        for key in ("username", "password"):
            if key not in target:
                yield Complaint(
                    ("omnitron", key),
                    "is missing",
                    f"Set it ({_variable(key)}), or set a token alone.",
                )


def _variable(key: str) -> str:
    name = f"STOCKSYNC_OMNITRON__{key.upper()}"
    return f"{name} or {name}_FILE" if key == "password" else name


def _database(tree: Tree) -> Iterator[Complaint]:
    url = tree.get("database_url")
    is_file = url is None or (isinstance(url, str) and url.startswith("sqlite"))
    for key in ("database_username", "database_password"):
        if is_file and key in tree:
            yield Complaint((key,), "stands beside a SQLite file", "Take it out; a file has none.")
    if "database_password" in tree and "database_username" not in tree:
        yield Complaint(
            ("database_username",), "is missing beside database_password", "Set the user name too."
        )


def _repeated(tree: Tree, table: str, key: str) -> Iterator[Complaint]:
    seen: set[str] = set()
    for index, item in _items(tree, table):
        name = item.get(key)
        if not isinstance(name, str | int):
            continue
        if str(name) in seen:
            remedy = f"Give every one of [[{table}]] its own {key}."
            yield Complaint((table, index, key), "is used twice", remedy)
        seen.add(str(name))


def _same_files(tree: Tree) -> Iterator[Complaint]:
    seen: set[tuple[str, str]] = set()
    for index, source in _items(tree, "sources"):
        if source.get("type") != "csv" or not isinstance(source.get("path"), str):
            continue
        files = (source["path"].rstrip("/"), str(source.get("pattern", "*.csv")).casefold())
        if files in seen:
            yield Complaint(
                ("sources", index, "path"),
                "has the same files as another source",
                "Give one of them another folder or pattern; a file belongs to one source.",
            )
        seen.add(files)


def _warehouse_names(tree: Tree) -> Iterator[Complaint]:
    for name in _table(tree, "stock_lists"):
        if name != name.strip():
            yield Complaint(
                ("stock_lists", name),
                "has blanks around its name",
                "Take them out; sources are read without outer blanks.",
            )


def _schedule(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    if "schedule" in source and "every" in source:
        remedy = "Keep one of the two: a crontab schedule, or a period."
        yield Complaint((*path, "every"), "stands beside schedule", remedy)


def _unread(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    """Refuse levels at zero before anybody was told that nothing is read."""
    try:
        stale_after, zero_after = seconds(source["stale_after"]), seconds(source["zero_after"])
    except (KeyError, PydanticCustomError):
        return
    if zero_after < stale_after:
        remedy = "Write one as long or longer: the alarm comes first, the zeroes after it."
        yield Complaint((*path, "zero_after"), "is shorter than stale_after", remedy)


def _missing(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    """Refuse ``sum`` where a pull states only what changed: a part would replace the whole."""
    partly = source.get("mode") == Kind.DELTA or ":cursor" in str(source.get("query", ""))
    if partly and _table(source, "rules").get("duplicates") == "sum":
        yield Complaint(
            (*path, "rules", "duplicates"),
            "cannot be sum where a pull states only what has changed",
            "Sum in the query or the export, or read snapshots.",
        )


def _bounds(rules: Tree, path: KeyPath) -> Iterator[Complaint]:
    least, most = rules.get("minimum", 0), rules.get("maximum")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield Complaint((*path, "minimum"), "is above maximum", "Write a minimum that fits in.")


def _sku_rule(rule: Tree, path: KeyPath) -> Iterator[Complaint]:
    steps = [name for name in ("strip_prefix", "add_prefix", "match") if name in rule]
    if len(steps) != 1:
        remedy = "Write one of strip_prefix, add_prefix, or match with replace; a list has several."
        yield Complaint(path, "is not one rule", remedy)
    if ("match" in rule) != ("replace" in rule):
        yield Complaint(path, "has only one of match and replace", "Write both, or neither.")
    elif isinstance(rule.get("match"), str) and isinstance(rule.get("replace"), str):
        yield from _pattern(rule["match"], rule["replace"], (*path, "match"))


def _pattern(pattern: str, template: str, path: KeyPath) -> Iterator[Complaint]:
    try:
        re.compile(pattern).sub(template, "")
    except (re.error, IndexError):
        remedy = r'Write an expression like "(\d+)-TR" and a text like "\1", in single quotes.'
        yield Complaint(path, "is no regular expression, or replace does not fit it", remedy)


def _csv(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    yield from remote_mistakes(source, path)
    yield from _trailer(source, path)
    yield from _file_order(source, path)
    yield from layout_mistakes(source, path)


def _trailer(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    if "trailer" in source and source.get("ready") != "trailer":
        remedy = 'Set ready = "trailer", or take it out: no other way looks at the last line.'
        yield Complaint((*path, "trailer"), 'has no effect without ready = "trailer"', remedy)


def _file_order(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    if "name_time" in source and source.get("order") == "mtime":
        yield Complaint(
            (*path, "order"),
            "is mtime, but name_time is set",
            "Keep one of the two: files are ordered by the time in their names, or by their own.",
        )
    if "full_pattern" in source and source["full_pattern"] == source.get("pattern", "*.csv"):
        remedy = 'Give it a pattern that fits snapshots alone, or set mode = "snapshot".'
        yield Complaint((*path, "full_pattern"), "is the same as pattern", remedy)


def _sql(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    if "password" in source and "username" not in source:
        yield Complaint((*path, "username"), "is missing beside password", "Set the user name too.")
    if "full_schedule" in source and "full_query" not in source:
        yield Complaint(
            (*path, "full_query"),
            "is missing beside full_schedule",
            "Add the query that reads everything, or take full_schedule out.",
        )
    if "query" not in source and "full_query" not in source:
        yield Complaint(
            (*path, "query"),
            "is missing, and so are full_query and preset",
            "Write the query that states what changed, full_query for everything, or a preset.",
        )
    kind, overlap = source.get("cursor_type"), source.get("overlap", 0)
    if kind == "integer" and isinstance(overlap, str) and not overlap.isdecimal():
        yield Complaint(
            (*path, "overlap"),
            "is a duration, but the cursor is an integer",
            "Write a number: how far to go back before the last cursor.",
        )
    if kind in {"text", "rowversion"} and overlap not in {0, "0", "0s"}:
        yield Complaint((*path, "overlap"), f"does not fit a {kind} cursor", "Take it out.")


def _unused_lists(settings: Settings) -> Iterator[Complaint]:
    if any(reads_warehouses(source) for source in settings.sources):
        return
    used = {source.stock_list for source in settings.sources}
    used.update(pk for channel in settings.channels for pk in channel.stock_lists)
    for warehouse, pk in settings.stock_lists.items():
        if pk not in used:
            yield Complaint(
                ("stock_lists", warehouse),
                "is used by no source and no channel",
                "Take it out, or name it in a source or a channel.",
            )


def _unfed_channels(settings: Settings) -> Iterator[Complaint]:
    if not settings.sources or any(reads_warehouses(source) for source in settings.sources):
        return
    fed = {source.stock_list for source in settings.sources}
    for index, channel in enumerate(settings.channels):
        if not fed.intersection(channel.stock_lists):
            yield Complaint(
                ("channels", index, "stock_lists"),
                "has no stock list that a source feeds",
                "Name a list that a source has, or take the channel out.",
            )


def _idle_keys(source: Source, path: KeyPath) -> Iterator[Complaint]:
    snapshots = source.states_all if isinstance(source, CsvSource) else _full(source)
    if source.missing is not Missing.KEEP and not snapshots:
        remedy = "Only a snapshot (mode, full_query) shows that a key is gone."
        yield Complaint((*path, "missing"), "has no effect on a delta source", remedy)
    if isinstance(source, CsvSource) and source.full_pattern and source.mode is Kind.SNAPSHOT:
        remedy = 'Set mode = "delta", which is what the other files are, or take full_pattern out.'
        yield Complaint((*path, "full_pattern"), "has no effect on a snapshot source", remedy)
    if isinstance(source, CsvSource) and source.units and source.columns.unit_type is None:
        remedy = "Set columns.unit_type, or take the units out."
        yield Complaint((*path, "units"), "have no effect without a unit column", remedy)
    if (
        isinstance(source, SqlSource)
        and source.query
        and _full(source)
        and not source.full_schedule
    ):
        remedy = 'Set full_schedule, such as "30 3 * * *"; else it runs first and with --full.'
        yield Complaint((*path, "full_query"), "has no schedule", remedy)


def _unseen_cut(source: Source, path: KeyPath) -> Iterator[Complaint]:
    """Remark on keys of several rows where nothing says that no row is missing at a file's end."""
    if not isinstance(source, CsvSource) or source.ready is not Ready.STABLE:
        return
    if (several := source.rules.duplicates) is not Duplicates.REJECT:
        yield Complaint(
            (*path, "rules", "duplicates"),
            f'is {several}, and under ready = "stable" a file that was cut at the end of a row '
            "looks whole: of a SKU with several rows a wrong number would be made",
            'Set ready = "trailer", best with the number of rows, or "marker"; or let the ERP '
            "write one row per SKU.",
        )


def _full(source: SqlSource) -> bool:
    return source.full_query is not None


def _table(tree: Tree, name: str) -> Tree:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _items(tree: Tree, name: str) -> Iterator[tuple[int, Tree]]:
    found = tree.get(name)
    for index, item in enumerate(found if isinstance(found, list) else []):
        if isinstance(item, dict):
            yield index, item
