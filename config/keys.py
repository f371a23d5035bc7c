"""Every key that a configuration may have, and what to say of one that it may not.

Knows names only. A pattern is a path in which ``*`` stands for any list index or free name.
"""

from __future__ import annotations

import difflib
import types
import typing
from dataclasses import dataclass

from pydantic import BaseModel

from config.problem import Complaint, KeyPath
from config.secret import Secret
from config.settings import Settings

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

Pattern = tuple[str, ...]

LATER: dict[Pattern, str] = {
    # one line per key of the documentation that is not built yet; building it deletes its line
    ("alerts",): "alerts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. structured: a list or table, JSON in the environment; secret: has a file form."""

    structured: bool = False
    secret: bool = False


def catalogue() -> dict[Pattern, Key]:
    """List every key and table by its pattern, the ``_file`` forms of secrets with them."""
    return dict(_fields(Settings, ()))


def pattern_of(path: KeyPath, keys: dict[Pattern, Key]) -> Pattern | None:
    """Find the pattern that a path follows, None for an unknown key."""
    pattern: Pattern = ()
    for step in path:
        exact, free = (*pattern, str(step)), (*pattern, "*")
        if isinstance(step, str) and exact in keys:
            pattern = exact
        elif free in keys:
            pattern = free
        else:
            return None
    return pattern


def stray(path: KeyPath, keys: dict[Pattern, Key], *, kind: str = "") -> Complaint:
    """Say of an unknown key where it belongs, or which one was meant.

    kind: the type of the source that it stands in, if it stands in one.
    """
    name = str(path[-1])
    here = [key[-1] for key in keys if len(key) == len(path) and _matches(key[:-1], path[:-1])]
    if name in here:
        message, other = f"is not a key of a {kind} source", "csv" if kind == "sql" else "sql"
        return Complaint(path, message, f"It belongs to a source of type {other}; take it out.")
    homes = [key[:-1] for key in keys if key[-1] == name]
    if homes:
        names = " or ".join(dict.fromkeys(_table(home) for home in homes))
        return Complaint(path, "is in the wrong table", f"{name} belongs in {names}.")
    close = difflib.get_close_matches(name.lower(), here, n=1)
    everywhere = sorted({key[-1] for key in keys if key[-1] != "*"})
    distant = difflib.get_close_matches(name.lower(), everywhere, n=1, cutoff=0.8)
    if not close and distant:
        home = next(key[:-1] for key in keys if key[-1] == distant[0])
        return Complaint(
            path, "is an unknown key", f"Did you mean {distant[0]}? It belongs in {_table(home)}."
        )
    remedy = f"Did you mean {close[0]}?" if close else "Take it out; docs/configuration.md has all."
    return Complaint(path, "is an unknown key", remedy)


def _matches(pattern: Pattern, path: KeyPath) -> bool:
    return all(want in {"*", step} for want, step in zip(pattern, path, strict=True))


def _table(pattern: Pattern) -> str:
    names = ".".join(step for step in pattern if step != "*")
    listed = pattern[-1:] == ("*",)
    if not names:
        return "the top of the file, before the first table"
    return f"[[{names}]]" if listed else f"[{names}]"


def _fields(model: type[BaseModel], path: Pattern) -> Iterator[tuple[Pattern, Key]]:
    for name, field in model.model_fields.items():
        yield from _key((*path, name), field.annotation)


def _key(path: Pattern, annotation: object) -> Iterator[tuple[Pattern, Key]]:
    parts = list(_parts(annotation))
    models = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
    free = {typing.get_origin(part) for part in parts} & {tuple, dict}
    secret = Secret in parts
    yield path, Key(structured=bool(models or free), secret=secret)
    if secret:
        yield (*path[:-1], f"{path[-1]}_file"), Key()
    if free:
        yield (*path, "*"), Key(structured=bool(models))
    for model in models:
        yield from _fields(model, (*path, "*") if tuple in free else path)


def _parts(annotation: object) -> Iterator[object]:
    """Take an annotation apart: unions, Annotated, and what a tuple is of."""
    origin = typing.get_origin(annotation)
    if origin in {typing.Annotated, typing.Union, types.UnionType, tuple}:
        if origin is tuple:
            yield annotation
        members = typing.get_args(annotation)
        for member in members[:1] if origin is typing.Annotated else members:
            yield from _parts(member)
    else:
        yield annotation
