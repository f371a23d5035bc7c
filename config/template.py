"""What `stocksync init` writes: a commented configuration that loads, and its folders.

The pieces in ``config/templates`` are the only source of the text; ``stocksync.example.toml`` in
the repository is `example()` written down.
"""

from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING

from config.loading import FILE_NAME
from config.problem import refusal

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATES: dict[str, tuple[str, ...]] = {"csv": ("drop", "var"), "sql": ("var",)}
"""The templates, each with the folders that its text names."""


def text_of(template: str) -> str:
    """Return the text of a template; raises ConfigurationError for an unknown one."""
    if template not in TEMPLATES:
        known = " or ".join(TEMPLATES)
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
    return [file, *_make(folder, TEMPLATES[template])]


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
