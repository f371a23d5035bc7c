"""A preset: the keys that it stands for, the options that go into its statements, its limits.

Each preset is a TOML file beside this module; its name is the file's. Knows no database.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STATEMENTS = ("query", "full_query")
_SUFFIX = ".toml"


class Unfit(NamedTuple):
    """Why an option cannot be what it is given as: a clause, and what to do."""

    option: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A part of table names or a code that differs between companies.

    pattern: what the whole of it must match, as nothing else is checked before it becomes a part of
    a statement. meaning: a phrase for people. default: None where it must be given.
    """

    name: str
    pattern: str
    meaning: str
    example: str
    default: str | None = None

    def fits(self, given: object) -> bool:
        """Whether a value may become a part of the statement."""
        return isinstance(given, str) and re.fullmatch(self.pattern, given, re.ASCII) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What one ERP needs. database: SQLAlchemy's backend name; url: how one looks.

    keys: keys of a source and their values, statements with ``{option}`` in them. run_on: the
    databases that tests of this project run it on, "" for none. cannot_see: sentences.
    """

    name: str
    title: str
    database: str
    url: str
    run_on: str
    keys: Mapping[str, str]
    options: tuple[Option, ...]
    limits: tuple[str, ...]

    @property
    def cannot_see(self) -> tuple[str, ...]:
        """What a person must know of it, as sentences, that it was never run among them."""
        if self.run_on:
            return self.limits
        never = "It was compiled for this database in tests and never run on one: compare its "
        return (*self.limits, f"{never}first pull, which is held, with what the ERP itself shows.")

    def unfit(self, given: Mapping[str, object]) -> Iterator[Unfit]:
        """Find what is wrong with the options that a source gives."""
        known = {option.name for option in self.options}
        for name in given:
            if name not in known:
                remedy = f"It has: {', '.join(sorted(known)) or 'none'}."
                yield Unfit(name, f"is not an option of the preset {self.name}", remedy)
        for option in self.options:
            value = given.get(option.name, option.default)
            if not option.fits(value):
                wrong = "is missing" if value is None else "cannot be"
                remedy = f'Write {option.meaning}, like {option.name} = "{option.example}".'
                yield Unfit(option.name, wrong, remedy)

    def filled(self, given: Mapping[str, object]) -> dict[str, str]:
        """Return the keys with the options in their statements; unfit options are left out."""
        values = {
            option.name: str(given.get(option.name, option.default))
            for option in self.options
            if option.fits(given.get(option.name, option.default))
        }
        return {
            key: _filled(value, values) if key in _STATEMENTS else value
            for key, value in self.keys.items()
        }


def names() -> tuple[str, ...]:
    """Return the names of all presets."""
    files = resources.files(__package__).iterdir()
    return tuple(
        sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX))
    )


@lru_cache(maxsize=32)
def load(name: str) -> Preset | None:
    """Return a preset by its name; None for an unknown one."""
    if name not in names():
        return None
    text = resources.files(__package__).joinpath(f"{name}{_SUFFIX}").read_text("utf-8")
    return _made(name, tomllib.loads(text))


def _made(name: str, tree: dict[str, Any]) -> Preset:
    options = tree.get("options", {})
    return Preset(
        name=name,
        title=tree["title"],
        database=tree["database"],
        url=tree["url"],
        run_on=tree["run_on"],
        keys={key: value.strip() for key, value in tree["keys"].items()},
        options=tuple(Option(name=key, **value) for key, value in options.items()),
        limits=tuple(tree["cannot_see"]),
    )


def _filled(statement: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        statement = statement.replace(f"{{{name}}}", value)
    return statement
