"""Settings from the environment: ``STOCKSYNC_`` and the path of the key, joined by ``__``.

Sources go by name, channels by id; upper and lower case are the same; an empty variable is unset;
lists and tables are JSON. Reads no file, and quotes no value.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from config.keys import LATER, Key, Pattern, pattern_of
from config.problem import KeyPath, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "STOCKSYNC_"
ELSEWHERE = frozenset({"config", "actor", "fault"})
"""Variables that are no settings: STOCKSYNC_CONFIG, _ACTOR and, for tests, STOCKSYNC_FAULT."""


class Variable(NamedTuple):
    """One set variable: its name as found, the key that it spells in lower case, its text."""

    name: str
    spelt: str
    text: str


@dataclass(kw_only=True)
class Overlay:
    """The tree of the file with the environment laid over it, and which variable set what."""

    tree: dict[str, Any]
    names: dict[KeyPath, str] = field(default_factory=dict)
    mistakes: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def put(self, path: KeyPath, value: object, *, name: str) -> None:
        """Set one value, making the tables on its way."""
        inner: Any = self.tree
        for step in path[:-1]:
            inner = inner[step] if isinstance(step, int) else inner.setdefault(step, {})
            if not isinstance(inner, dict | list):
                return  # the file is wrong there, and will be told so
        inner[path[-1]] = value
        self.names[path] = name


def variables(environ: Mapping[str, str]) -> list[Variable]:
    """Pick what is ours and not empty, tables before what is in them."""
    found = [
        Variable(name, name[len(PREFIX) :].lower(), text)
        for name, text in environ.items()
        if name.upper().startswith(PREFIX) and text
    ]
    ours = [variable for variable in found if variable.spelt not in ELSEWHERE]
    return sorted(ours, key=lambda variable: (variable.spelt.count("__"), variable.name))


def overlay(
    tree: dict[str, Any], environ: Mapping[str, str], *, keys: dict[Pattern, Key]
) -> Overlay:
    """Lay the environment over the tree of the file; the tree is changed in place."""
    result = Overlay(tree=tree)
    for variable in variables(environ):
        path = _path(variable.spelt, tree)
        pattern = pattern_of(path, keys | dict.fromkeys(LATER, Key())) if path else None
        if pattern is None:
            result.warnings.append(_unknown(variable, keys))
        elif path in result.names:
            result.mistakes.append(_twice(variable, result.names[path]))
        else:
            _set(result, path, variable, key=keys.get(pattern, Key()))
    return result


def _set(result: Overlay, path: KeyPath, variable: Variable, *, key: Key) -> None:
    try:
        value = json.loads(variable.text) if key.structured else _plain(path, variable.text)
    except (ValueError, RecursionError):
        result.mistakes.append(
            Problem(
                place=f"environment {variable.name}",
                message="is not valid JSON",
                remedy='A list is written like [1, 2], a table like {"IST": 1}.',
            )
        )
        return
    result.put(_placed(result, path, name=variable.name), value, name=variable.name)


def _placed(result: Overlay, path: KeyPath, *, name: str) -> KeyPath:
    """Make the source or channel that only the environment names; its path is an index then."""
    if len(path) == 1 or path[0] not in {"sources", "channels"} or isinstance(path[1], int):
        return path
    items = result.tree.setdefault(path[0], [])
    if not isinstance(items, list):
        return path
    items.append({"id": int(path[1])} if path[0] == "channels" else {"name": path[1]})
    item = (path[0], len(items) - 1)
    result.names[item] = result.names[*item, *items[-1]] = name
    return (*item, *path[2:])


def _plain(path: KeyPath, text: str) -> str | int:
    """Take text as it is; a column in digits is a position, for a header is rarely a number."""
    is_column = len(path) > 1 and path[-2] in {"columns", "extra_field"}
    return int(text) if is_column and text.isdecimal() else text


def _path(spelt: str, tree: dict[str, Any]) -> KeyPath:
    head, _, rest = spelt.partition("__")
    if head == "sources" and rest:
        name, _, rest = _split_name(rest, _names(tree, "sources", "name"))
        return _item(tree, "sources", "name", name, rest)
    if head == "channels" and rest:
        name, _, rest = rest.partition("__")
        return _item(tree, "channels", "id", name, rest) if name.isdecimal() else ()
    if head == "stock_lists" and rest:
        return (head, _as_written(rest, tree.get(head)))
    return tuple(spelt.split("__"))


def _split_name(rest: str, names: list[str]) -> tuple[str, str, str]:
    """Cut a source's name off; a known name may hold ``__`` itself."""
    for name in sorted(names, key=len, reverse=True):
        if rest.startswith(f"{name}__"):
            return name, "__", rest.removeprefix(f"{name}__")
    return rest.partition("__")


def _names(tree: dict[str, Any], table: str, key: str) -> list[str]:
    items = tree.get(table)
    if not isinstance(items, list):
        return []
    return [str(item.get(key, "")).lower() if isinstance(item, dict) else "" for item in items]


def _item(tree: dict[str, Any], table: str, key: str, name: str, rest: str) -> KeyPath:
    names = _names(tree, table, key)
    index = names.index(name) if name in names else len(names)
    if not rest:
        return ()
    steps = tuple(rest.split("__"))
    if steps[0] == "units" and len(steps) > 1 and index < len(names):
        steps = ("units", _as_written("__".join(steps[1:]), tree[table][index].get("units")))
    return (table, index, *steps) if index < len(names) else (table, name, *steps)


def _as_written(name: str, table: object) -> str:
    """Find the spelling that the file has for a free name, else capitals."""
    known = table if isinstance(table, dict) else {}
    return next((key for key in known if key.lower() == name), name.upper())


def _unknown(variable: Variable, keys: dict[Pattern, Key]) -> Problem:
    tails = {"__".join(key): "__".join(key).upper() for key in keys if "*" not in key}
    close = difflib.get_close_matches(variable.spelt, tails, n=1, cutoff=0.75)
    remedy = "Unset it, or see docs/configuration.md for the names."
    if close:
        remedy = f"Did you mean {PREFIX}{tails[close[0]]}?"
    return Problem(place=f"environment {variable.name}", message="is not a setting", remedy=remedy)


def _twice(variable: Variable, other: str) -> Problem:
    return Problem(
        place=f"environment {variable.name}",
        message=f"sets the same key as {other}",
        remedy="Unset one of the two.",
    )
