"""What pydantic finds, said in our words: what is wrong and what to do, never the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.keys import Key, Pattern, stray
from config.problem import Complaint, KeyPath

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

SOURCE_TYPES = ("csv", "sql")
WORDS: dict[str, tuple[str, str]] = {
    "missing": ("is missing", "It is required; docs/configuration.md has an example."),
    "string_type": ("must be text", "Put it in quotes."),
    "string_too_short": ("must not be empty", "Write a text, or take the key out."),
    "string_too_long": ("is too long", "Write at most {max_length} characters."),
    "int_type": ("must be a whole number", "Write digits without quotes."),
    "int_parsing": ("must be a whole number", "Write digits without quotes."),
    "int_from_float": ("must be a whole number", "Write digits without a fraction."),
    "float_type": ("must be a number", "Write digits without quotes."),
    "float_parsing": ("must be a number", "Write digits without quotes."),
    "finite_number": ("must be a finite number", "Write digits."),
    "bool_type": ("must be true or false", "Write true or false without quotes."),
    "bool_parsing": ("must be true or false", "Write true or false without quotes."),
    "greater_than_equal": ("is too small", "It must be at least {ge}."),
    "greater_than": ("is too small", "It must be greater than {gt}."),
    "less_than_equal": ("is too large", "It must be at most {le}."),
    "enum": ("is not one of its values", "Write {expected}."),
    "literal_error": ("is not one of its values", "Write {expected}."),
    "tuple_type": ("must be a list", "Write it like [1, 2], tables as [[name]]."),
    "too_short": ("must not be empty", "Name at least one."),
    "dict_type": ("must be a table", "Write [name] and its keys below it."),
    "model_type": ("must be a table", "Write [name] and its keys below it."),
    "model_attributes_type": ("must be a table", "Write [[name]] and its keys below it."),
    "union_tag_invalid": ("is not one of its values", "Write 'csv' or 'sql'."),
    "union_tag_not_found": ("is missing", 'Write type = "csv" or type = "sql".'),
}
PATTERNS: dict[str, str] = {
    "name": "Begin with a letter a-z; then a-z, 0-9 and _ only.",
    "instance": "Use letters, digits, _ and - only, 63 at most.",
    "pattern": 'Write a file name pattern without folders, such as "*.csv".',
    "full_pattern": 'Write a file name pattern without folders, such as "*.csv".',
}


def complaints(error: ValidationError, *, keys: dict[Pattern, Key]) -> list[Complaint]:
    """Translate every finding of a validation."""
    found = error.errors(include_url=False, include_input=False)
    # a default that waits for another key is only unknown because that key is wrong
    told = [finding for finding in found if finding["type"] != "default_factory_not_called"]
    return [_complaint(finding, keys) for finding in told]


def _complaint(finding: ErrorDetails, keys: dict[Pattern, Key]) -> Complaint:
    path, kind = _path(finding["loc"])
    context = finding.get("ctx", {})
    match finding["type"]:
        case "extra_forbidden":
            return stray(path, keys, kind=kind)
        case "mistake":
            return Complaint(path, context["message"], context["remedy"])
        case "string_pattern_mismatch":
            return Complaint(path, "has characters that it may not have", PATTERNS[str(path[-1])])
        case "union_tag_invalid" | "union_tag_not_found" as name:
            path = (*path, "type")
            return Complaint(path, *WORDS[name])
        case name:
            message, remedy = WORDS.get(name, ("is not valid", "See docs/configuration.md."))
            return Complaint(path, message, remedy.format_map(context))


def _path(location: tuple[str | int, ...]) -> tuple[KeyPath, str]:
    """Drop what pydantic adds: the type after a source's index, the branch of a union."""
    kind = ""
    if len(location) > 2 and location[0] == "sources" and location[2] in SOURCE_TYPES:  # noqa: PLR2004 - sources, index, type
        kind = str(location[2])
        location = (*location[:2], *location[3:])
    if location and location[-1] == "[key]":
        location = location[:-1]
    return location, kind
