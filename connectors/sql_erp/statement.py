"""A statement as a person wrote it, made safe for binding. Knows the text only, no database.

``sqlalchemy.text`` binds every ``:name``, in comments and literals too (`erp-facts.md`, fact 8),
and it reads ``:cursor::date`` as a bind named ``curso``. So each colon that is not one of our two
binds is escaped here first, and what reaches the database is the statement as written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from connectors.errors import SourceMisconfigured

BINDS = frozenset({"cursor", "today"})
"""The names that a statement may bind."""

_COMMENTS = (r"--[^\n]*", r"/\*.*?(?:\*/|\Z)")
_QUOTED = (r"'[^']*(?:'|\Z)", r'"[^"]*(?:"|\Z)', r"`[^`]*(?:`|\Z)")
_BACKSLASHED = r"'(?:[^'\\]|\\.)*(?:'|\Z)"
_OF_DIALECT = {
    "postgresql": (r"\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)", rf"\b[eE]{_BACKSLASHED}"),
    "mysql": (r"\#[^\n]*", _BACKSLASHED, r'"(?:[^"\\]|\\.)*(?:"|\Z)'),
    "mariadb": (r"\#[^\n]*", _BACKSLASHED, r'"(?:[^"\\]|\\.)*(?:"|\Z)'),
    "mssql": (r"\[[^\]]*\]",),
    "sqlite": (r"\[[^\]]*\]",),
}
_BIND = r"(?P<glued>(?<=\w))?:(?P<bind>[A-Za-z_]\w*)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement for ``sqlalchemy.text`` and the names that it binds, a subset of `BINDS`.

    hidden: those of them that stand only in a comment or a literal, where they bind nothing.
    """

    label: str
    text: str
    binds: frozenset[str]
    hidden: frozenset[str] = frozenset()


def parse(statement: str, *, label: str, dialect: str) -> Statement:
    """Find the binds of ``statement`` and escape every other colon.

    label: ``query`` or ``full_query``, for people. dialect: SQLAlchemy's backend name; it decides
    what a literal and a comment look like.

    Raises SourceMisconfigured for a bind that is neither ``:cursor`` nor ``:today``.
    """
    binds: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        name = match["bind"]
        if name is None or (match["glued"] is not None and name not in BINDS):
            return match[0].replace(":", r"\:")
        if name not in BINDS:
            raise _unknown_bind(name, label)
        binds.add(name)
        return f" :{name}" if match["glued"] is not None else f":{name}"

    text = _tokens(dialect).sub(replace, statement.strip())
    written = {name for name in BINDS if f":{name}" in statement}
    return Statement(
        label=label, text=text, binds=frozenset(binds), hidden=frozenset(written - binds)
    )


@lru_cache(maxsize=16)
def _tokens(dialect: str) -> re.Pattern[str]:
    """Match what may hold a colon: literals and comments, casts, binds, any other."""
    shapes = (*_OF_DIALECT.get(dialect, ()), *_COMMENTS, *_QUOTED, "::+", ":=", _BIND, ":")
    return re.compile("|".join(shapes), re.DOTALL | re.ASCII)


def _unknown_bind(name: str, label: str) -> SourceMisconfigured:
    return SourceMisconfigured(
        f"{label} binds :{name}, which nobody sets.",
        remedy="Use :cursor (where reading goes on) or :today (the source's date), or put the "
        "value into the statement.",
        place=label,
    )
