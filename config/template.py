"""What `stocksync init` writes: a commented configuration that loads, and its folders.

The pieces in ``config/templates`` are the only source of the text; ``stocksync.example.toml`` in
the repository is `example()` written down.
"""

from __future__ import annotations

import os
import re
import textwrap
from importlib import resources
from typing import TYPE_CHECKING

from config.loading import FILE_NAME
from config.problem import refusal
from connectors import presets

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.presets import Preset

TEMPLATES: dict[str, tuple[str, ...]] = {"csv": ("drop", "var"), "sql": ("var",)}
"""The templates beside those of presets, each with the folders that its text names."""

_OPTIONAL = re.compile(r"# [a-z_]+ = ")
"""A key with its remark that is left to uncomment."""


def text_of(template: str) -> str:
    """Return the text of a template; raises ConfigurationError for an unknown one."""
    preset = presets.load(template)
    if preset is not None:
        return _piece("head") + _of_preset(preset) + _piece("tail")
    if template not in TEMPLATES:
        known = f"{' or '.join(TEMPLATES)}, or a preset: {', '.join(presets.names())}"
        raise refusal("--template", "there is no such template in this version", f"Choose {known}.")
    return _piece("head") + _piece(template) + _piece("tail")


def example() -> str:
    """Return the annotated example: the CSV template, and a SQL source as comments."""
    sql = "".join(_commented(line) for line in _piece("sql").splitlines(keepends=True))
    return _piece("head") + _piece("csv") + sql + _piece("tail")


def write_template(folder: Path, template: str = "csv", *, name: str = FILE_NAME) -> list[Path]:
    """Write the configuration and make its folders; returns what is new, the file first.

    Raises ConfigurationError where there is a configuration already, or nothing can be written.
    """
    file = folder / name
    text = text_of(template)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # it will hold names of hosts and users at least: for its owner's eyes
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        remedy = "Move it away first, or edit it; init never overwrites."
        raise refusal(str(file), "there is a configuration already", remedy) from None
    except OSError as error:
        message = f"the configuration cannot be written ({error.strerror})"
        raise refusal(str(file), message, "Choose a folder that this user may write to.") from None
    return [file, *_make(folder, TEMPLATES.get(template, TEMPLATES["sql"]))]


def _of_preset(preset: Preset) -> str:
    """Write a source with a preset, its limits as remarks, and the usual rules and guard."""
    limits = [
        line
        for limit in preset.cannot_see
        for line in textwrap.wrap(limit, 94, initial_indent="# - ", subsequent_indent="#   ")
    ]
    chosen = [f'{each.name} = "{each.default or each.example}"' for each in preset.options]
    meanings = [f"# {each.name}: {each.meaning}" for each in preset.options]
    own, mark, rules = _piece("sql").partition("[sources.rules]")
    lines = [
        _remarked("[[sources]]", f"{preset.title}; it is only read"),
        'name = "erp"',
        'type = "sql"',
        _remarked(f'preset = "{preset.name}"', "what a key here says goes before the preset"),
        *limits,
        *meanings,
        *([f"preset_options = {{ {', '.join(chosen)} }}"] if chosen else []),
        f'url = "{preset.url}"',
        _remarked('username = "stocksync"', "the password: STOCKSYNC_SOURCES__ERP__PASSWORD"),
        *(line for line in own.splitlines() if _OPTIONAL.match(line)),
    ]
    return "\n".join(lines) + "\n\n" + mark + rules


def _remarked(line: str, remark: str) -> str:
    return f"{line:<48}# {remark}"


def _make(folder: Path, names: tuple[str, ...]) -> list[Path]:
    new = [folder / name for name in names if not (folder / name).is_dir()]
    for path in new:
        try:
            path.mkdir()
        except OSError as error:
            message = f"the folder cannot be made ({error.strerror})"
            raise refusal(str(path), message, "Make it, or change its name in the file.") from None
    return new


def _piece(name: str) -> str:
    return resources.files("config").joinpath("templates", f"{name}.toml").read_text("utf-8")


def _commented(line: str) -> str:
    return f"# {line}" if line.strip() else line
