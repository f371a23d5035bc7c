"""Finds the configuration, reads it, lays the environment over it, and tells all mistakes at once.

The only reader of the TOML file; the environment is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from config import agreement, lines, presets
from config.complaints import complaints
from config.environment import Overlay, overlay, variables
from config.keys import LATER, Key, Pattern, catalogue
from config.problem import Complaint, ConfigurationError, KeyPath, Problem, refusal
from config.secret import Secret, readable_by_everybody
from config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE_NAME = "stocksync.toml"
VARIABLE = "STOCKSYNC_CONFIG"
STAND_IN = Secret("redis://stand-in")
"""For a secret that could not be read, so that it is not also called missing or malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A usable configuration and where it comes from.

    path: the file, None where the environment alone configures. folder: relative paths count from
    it. origins: dotted key -> ``default``, ``stocksync.toml line 12``, ``environment NAME`` or
    ``preset NAME``.
    """

    settings: Settings
    path: Path | None
    folder: Path
    origins: Mapping[str, str]
    warnings: tuple[Problem, ...] = ()

    def secrets(self) -> tuple[Secret, ...]:
        """All secrets in it, for the redaction of logs."""
        return tuple(value for _, value in self.settings.leaves() if isinstance(value, Secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What is known while loading: the tree, and the place of everything in it."""

    label: str
    folder: Path
    tree: dict[str, Any]
    lines: Mapping[KeyPath, int]
    names: dict[KeyPath, str]
    keys: dict[Pattern, Key]
    presets: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def origin(self, path: KeyPath) -> str | None:
        """Where exactly this key was set, None if it was not."""
        if path in self.names:
            return f"environment {self.names[path]}"
        if path in self.presets:
            return f"preset {self.presets[path]}"
        return f"{self.label} line {self.lines[path]}" if path in self.lines else None

    def place(self, path: KeyPath) -> str:
        """Where a person has to look: the key, else what surrounds it, and its dotted name."""
        ancestors = (path[:length] for length in range(len(path), 0, -1))
        origin = next(filter(None, map(self.origin, ancestors)), self.label)
        return f"{origin}: {self.dotted(path)}"

    def dotted(self, path: KeyPath) -> str:
        """Name a key: sources by name, channels by id, other items by number."""
        return ".".join(self._step(path[:at], step) for at, step in enumerate(path))

    def _step(self, above: KeyPath, step: str | int) -> str:
        if above not in {("sources",), ("channels",)} or not isinstance(step, int):
            return str(step)
        item = self.tree[str(above[0])][step]
        name = (item.get("name") or item.get("id")) if isinstance(item, dict) else None
        return str(name) if isinstance(name, str | int) else str(step + 1)

    def refuse(self, found: Iterable[Complaint]) -> None:
        """Note mistakes."""
        self.problems.extend(self._problems(found))

    def warn(self, found: Iterable[Complaint]) -> None:
        """Note warnings."""
        self.warnings.extend(self._problems(found))

    def _problems(self, found: Iterable[Complaint]) -> Iterator[Problem]:
        for path, message, remedy in found:
            yield Problem(place=self.place(path), message=message, remedy=remedy)


def load(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Loaded:
    """Load the configuration.

    path: what ``--config`` names, else STOCKSYNC_CONFIG, else ``./stocksync.toml``; with no file
    the environment alone may configure. Relative paths count from the file's folder, else cwd.
    Raises ConfigurationError with every mistake.
    """
    file = _find(path, environ, cwd)
    draft = _draft(file, environ, cwd)
    draft.refuse(_take_later(draft))
    _take_secrets(draft)
    draft.refuse(presets.fill(draft.tree, draft.presets))
    draft.refuse(agreement.mistakes(draft.tree))
    settings = _validated(draft)
    if settings is None or draft.problems:
        raise ConfigurationError(_sorted(draft.problems), warnings=draft.warnings)
    draft.warn(agreement.remarks(settings))
    return Loaded(
        settings=settings,
        path=file,
        folder=draft.folder,
        origins=_origins(draft, settings),
        warnings=tuple(draft.warnings),
    )


def _find(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    named = path or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    file = cwd / (named or FILE_NAME)
    if named is None and not file.exists():
        if variables(environ):
            return None
        remedy = "Run `stocksync init` to write one here, or name one with --config."
        raise refusal(str(file), "there is no configuration", remedy)
    return file


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"the configuration cannot be read ({error.strerror})"
        remedy = f"Name an existing file with --config or {VARIABLE}, or run `stocksync init`."
        raise refusal(str(file), message, remedy) from None


def _draft(file: Path | None, environ: Mapping[str, str], cwd: Path) -> _Draft:
    label = file.name if file else "configuration"
    tree, numbers = lines.parse(_read(file), label=label) if file else ({}, {})
    keys = catalogue()
    laid: Overlay = overlay(tree, environ, keys=keys)
    tree.setdefault("omnitron", {})  # so that its missing keys are named one by one
    return _Draft(
        label=label,
        folder=(file.parent if file else cwd).resolve(),
        tree=laid.tree,
        lines=numbers,
        names=laid.names,
        keys=keys,
        problems=laid.mistakes,
        warnings=laid.warnings,
    )


def _take_later(draft: _Draft) -> list[Complaint]:
    """Take out the keys that are not built yet, with a complaint for each."""
    found = []
    for pattern, feature in LATER.items():
        for path, table in _matching(draft.tree, pattern):
            found.append(_not_yet(path, feature))
            del table[path[-1]]
    return found


def _not_yet(path: KeyPath, feature: str) -> Complaint:
    message = f"is known but not built yet in this version ({feature})"
    return Complaint(path, message, "Take it out until a later version has it.")


def _take_secrets(draft: _Draft) -> None:
    """Make one `Secret` of each ``x`` and ``x_file``."""
    for pattern, key in draft.keys.items():
        if not key.secret:
            continue
        in_file = (*pattern[:-1], f"{pattern[-1]}_file")
        for path, table in list(_matching(draft.tree, in_file)):
            plain = (*path[:-1], pattern[-1])
            if pattern[-1] in table and (path in draft.names) == (plain in draft.names):
                remedy = f"Keep {pattern[-1]} or {path[-1]}, not both."
                draft.refuse([Complaint(path, f"stands beside {pattern[-1]}", remedy)])
                del table[path[-1]]
            elif pattern[-1] in table and plain in draft.names:
                del table[path[-1]]  # the environment beats the file
            else:
                _read_from_file(draft, path, plain, table)


def _read_from_file(
    draft: _Draft, path: KeyPath, plain: KeyPath, table: dict[str | int, Any]
) -> None:
    name = table.pop(path[-1])
    table.pop(plain[-1], None)
    place = draft.place(path)
    if path in draft.names:
        draft.names[plain] = draft.names[path]
    if not isinstance(name, str) or not name or "\0" in name:
        draft.refuse([Complaint(path, "must be the path of a file", "Put it in quotes.")])
        table[plain[-1]] = STAND_IN
        return
    secret = Secret(file=draft.folder / name, place=place)
    table[plain[-1]] = secret
    try:
        secret.reveal()
    except ConfigurationError as error:
        draft.problems.extend(error.problems)
        table[plain[-1]] = STAND_IN
        return
    if readable_by_everybody(draft.folder / name):
        remedy = f"Run: chmod o-r '{draft.folder / name}'"
        draft.warn([Complaint(path, "names a secret file that everybody may read", remedy)])


def _matching(tree: dict[str, Any], pattern: Pattern) -> list[tuple[KeyPath, dict[str | int, Any]]]:
    """Find the keys of the tree that follow a pattern, each with the table that it is in."""
    found: list[tuple[KeyPath, Any]] = [((), tree)]
    for step in pattern[:-1]:
        found = [below for path, inner in found for below in _below(path, inner, step)]
    return [
        ((*path, pattern[-1]), inner)
        for path, inner in found
        if isinstance(inner, dict) and pattern[-1] in inner
    ]


def _below(path: KeyPath, inner: object, step: str) -> list[tuple[KeyPath, Any]]:
    if step == "*" and isinstance(inner, list):
        return [((*path, index), item) for index, item in enumerate(inner)]
    if isinstance(inner, dict) and step in inner:
        return [((*path, step), inner[step])]
    return []


def _validated(draft: _Draft) -> Settings | None:
    try:
        return Settings.model_validate(draft.tree, context={"folder": draft.folder})
    except ValidationError as error:
        draft.refuse(complaints(error, keys=draft.keys))
        return None


def _sorted(problems: list[Problem]) -> list[Problem]:
    def line(problem: Problem) -> int:
        words = problem.place.partition(" line ")[2].partition(":")[0].split()
        return int(words[0]) if words and words[0].isdecimal() else 0

    return sorted(problems, key=line)


def _origins(draft: _Draft, settings: Settings) -> dict[str, str]:
    known = [*draft.lines, *draft.names, *draft.presets]
    set_at = {draft.dotted(path): origin for path in known if (origin := draft.origin(path))}
    in_files = {
        key.removesuffix("_file"): origin for key, origin in set_at.items() if key.endswith("_file")
    }
    known_at = in_files | set_at
    return {key: known_at.get(key, "default") for key, _ in settings.leaves()}
