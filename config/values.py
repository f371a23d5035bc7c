"""How single values are written: durations, schedules, zones, URLs, columns. Pure.

No message quotes the value: what stands in the wrong place may be a secret.
"""

from __future__ import annotations

import codecs
import datetime as dt
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from config.secret import Secret

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
CRON_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
NAME_TIMES = frozenset("YymdjHMSf")
CRON_FIELDS = 5
MAX_SECONDS = 10 * 365 * UNITS["d"]
MAX_PORT = 65_535
SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_WEB = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d+)?(?:[/?#]\S*)?\Z")
_SFTP = re.compile(
    r"sftp://(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d+)?/[^?#\x00-\x1f]+\Z", re.IGNORECASE
)
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\x00-\x20]+(?:/[^?#\x00-\x1f]*)?\Z")
_INSTEAD = {
    "file": "Write the path alone, without file://.",
    "local": "Write the path alone, without local://.",
    "ssh": "Write sftp://host/dir.",
    "scp": "Write sftp://host/dir.",
    "http": "Nothing can be moved away there; let a tool fetch the files.",
    "https": "Nothing can be moved away there; let a tool fetch the files.",
    "memory": "It ends with the process; name a folder that stays.",
}
APART = "Give the user name and the password apart, the password in the environment or a file."


def mistake(message: str, remedy: str) -> PydanticCustomError:
    """Make the error that a validator raises, in our own words."""
    return PydanticCustomError("mistake", "{message}", {"message": message, "remedy": remedy})


def seconds(value: object) -> float:
    """Read a duration: a number of seconds, or text such as "15s", "10m", "2h", "7d"."""
    found = re.fullmatch(r"(\d{1,10}(?:\.\d{1,6})?)([smhd]?)", str(value).strip())
    if isinstance(value, bool) or found is None:
        raise mistake("is not a duration", 'Write seconds, or text like "15s", "10m", "2h", "7d".')
    number, unit = found.groups()
    result = float(number) * UNITS[unit or "s"]
    if result > MAX_SECONDS:
        raise mistake("is too long", "Ten years is the longest duration.")
    return result


def size(value: object) -> int:
    """Read a size: a number of bytes, or text such as "500KB", "200MB", "1GB"."""
    found = re.fullmatch(r"(\d{1,18})\s?([KMGT]?B)?", str(value).strip(), re.IGNORECASE)
    if isinstance(value, bool) or found is None:
        raise mistake("is not a size", 'Write bytes, or text like "500KB", "200MB", "1GB".')
    number, unit = found.groups()
    return int(number) * SIZES[(unit or "").upper()]


def name_time(value: str) -> str:
    """Check the form of a time within file names; what it can hold is in ``NAME_TIMES``."""
    found = re.findall(r"%(.?)", value)
    fields = [directive for directive in found if directive != "%"]
    if set(fields) - NAME_TIMES or len(set(fields)) != len(fields):
        known = ", ".join(f"%{directive}" for directive in sorted(NAME_TIMES))
        raise mistake("is not the form of a time", f"Use each of these at most once: {known}.")
    day = {"m", "d"} <= set(fields) or "j" in fields
    if not day or not {"Y", "y"} & set(fields):
        raise mistake("has no whole date", 'State year, month and day, as in "%d%m%Y_%H%M".')
    return value


def cron(value: str) -> str:
    """Check a crontab(5) schedule; words such as ``@daily`` become their five fields."""
    expression = CRON_WORDS.get(value.strip().lower(), value.strip())
    remedy = 'Write five fields like "*/2 * * * *", or a word like "@daily".'
    if len(expression.split()) != CRON_FIELDS:
        raise mistake("is not a schedule of five fields", remedy)
    try:
        # a schedule that never comes ends the search, which is found out by asking once
        next(CronSim(expression, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))
    except CronSimError as error:
        # its texts name the field ("Bad hour") and never the value
        raise mistake(f"is not a schedule: {str(error).lower()}", remedy) from None
    except StopIteration:
        raise mistake("is a schedule that never comes", remedy) from None
    return expression


def zone(value: str) -> str:
    """Check the name of a time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = 'Write a name like "Europe/Istanbul" or "UTC".'
        raise mistake("is not a time zone known here", remedy) from None
    return value


def encoding(value: str) -> str:
    """Check that text can be decoded by this name; returns Python's name of it."""
    try:
        found = codecs.lookup(value)
        b"text".decode(value, "replace")  # rot13 and the like are no text encodings
    except (LookupError, ValueError):
        remedy = 'Write a name like "utf-8", "cp1254" or "iso8859-9".'
        raise mistake("is not a known text encoding", remedy) from None
    return found.name


def delimiter(value: str) -> str:
    """Check the character between two cells."""
    if len(value) != 1 or value in '"\r\n\0' or value.isalnum():
        raise mistake("is not a delimiter", 'Write one character such as ";", "," or "\\t".')
    return value


def thousands(value: str) -> str:
    """Check the character between groups of three digits; "" for none."""
    if len(value) > 1 or value.isalnum() or value in {"-", "+", '"', "\r", "\n"}:
        raise mistake("is not a separator", 'Write one character such as "." or "", for none.')
    return value


def trailer(value: str) -> str:
    """Check the last line of a file, as it is written there."""
    text = value.strip()
    if not text or any(ord(letter) < ord(" ") and letter != "\t" for letter in text):
        raise mistake("is not one line of text", 'Write the line itself, like "### SON ###".')
    if text.count("{rows}") > 1:
        raise mistake("counts the rows twice", "Write {rows} once, where the number stands.")
    return text


def not_boolean(value: object) -> object:
    """Refuse true and false where a number is wanted; Python counts them as 1 and 0."""
    if isinstance(value, bool):
        raise mistake("must be a number", "true and false are no numbers.")
    return value


def column(value: object) -> object:
    """Check a column: the text of its header, or its position counted from 1."""
    good = isinstance(value, str) and bool(value.strip())
    if isinstance(value, int) and not isinstance(value, bool):
        good = value >= 1
    if not good:
        remedy = "Write the text of the header in quotes, or the position counted from 1."
        raise mistake("is not a column", remedy)
    return value.strip() if isinstance(value, str) else value


def secret(value: object) -> Secret:
    """Wrap the text of a secret."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        raise mistake("must be text, and not empty", "Put it in quotes.")
    if any(ord(letter) < ord(" ") for letter in value):
        raise mistake("holds a line break or a control character", "Write it on one line.")
    return Secret(value)


def base_url(value: str) -> str:
    """Check Omnitron's address; http:// is for a loopback host only. No slash at the end."""
    _refuse_user_part(value)
    if not _WEB.match(value) or not _port_fits(value):
        raise mistake("is not a web address", 'Write it like "https://acme.omnitron.example".')
    parts = urlsplit(value)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        remedy = "Write https://; http:// is only for this machine (127.0.0.1, localhost)."
        raise mistake("would send the token unencrypted", remedy)
    if parts.query or parts.fragment or parts.path.startswith("/api"):
        remedy = 'Write only scheme and host, like "https://acme.omnitron.example".'
        raise mistake("goes on after the host", remedy)
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether the host is this machine and nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ledger_url(value: str, info: ValidationInfo) -> str:
    """Check the ledger's address: a SQLite file (made absolute) or PostgreSQL through psycopg."""
    url = database_url(value, info)
    scheme, rest = url.split("://", 1)
    if scheme in {"postgresql", "postgresql+psycopg"}:
        return f"postgresql+psycopg://{rest}"
    if scheme not in {"sqlite", "sqlite+pysqlite"}:
        remedy = 'Write "sqlite:///var/stocksync.db" or "postgresql+psycopg://host/database".'
        raise mistake("is neither SQLite nor PostgreSQL", remedy)
    return f"sqlite://{rest}"


def database_url(value: str, info: ValidationInfo) -> str:
    """Check a database's address; a relative SQLite file counts from the configuration's folder."""
    _refuse_user_part(value)
    _refuse_password_in_query(value)
    if not re.match(r"[a-z][a-z0-9_+]*://", value) or not _port_fits(value):
        remedy = 'Write it like "postgresql+psycopg://host/database" or "sqlite:///file.db".'
        raise mistake("is not a database address", remedy)
    return _anchored(value, _folder(info)) if value.startswith("sqlite") else value


def broker_url(value: Secret) -> Secret:
    """Check the broker's address. It may hold a password, so it is a secret as a whole."""
    url = value.reveal()
    rest = url.partition("://")[2]
    if rest.count("@") > 1 or "@" in rest.partition("/")[2]:
        remedy = "Write an @ inside the password as %40, a / as %2F."
        raise mistake("holds '@' in its host or database part", remedy)
    if not re.match(r"rediss?://|redis\+socket://|unix://", url) or not _port_fits(url):
        remedy = 'Write it like "redis://host:6379/0"; left out, the embedded broker is used.'
        raise mistake("is not a Redis address", remedy)
    # logs may show the address, and never the password, however it is written
    password = urlsplit(url).password or ""
    value.revealed = {password, unquote(password)} - {""}
    return value


def folder(value: object, info: ValidationInfo) -> Path | str:
    """Read a folder's path, or its remote address; a relative path counts from our file's."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise mistake("is not a folder", 'Write a path in quotes like "/srv/erp/outbox".')
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", value)
    return _folder(info) / value if scheme is None else _remote_folder(value, scheme[1].lower())


def _remote_folder(value: str, scheme: str) -> str:
    if scheme in _INSTEAD:
        raise mistake(f"names a folder behind {scheme}://, which cannot be read", _INSTEAD[scheme])
    _refuse_user_part(value)
    if scheme == "sftp":
        good = _SFTP.match(value) is not None
        remedy = 'Write it like "sftp://host/outbox" or "sftp://host:2222/srv/erp/outbox".'
    else:
        good = _REMOTE.match(value) is not None
        remedy = 'Write it like "ftp://host/outbox" or "s3://bucket/outbox".'
    if not good or not _port_fits(value) or (scheme == "sftp" and _is_root(value)):
        raise mistake("is not the address of a folder", remedy)
    return value


def _is_root(url: str) -> bool:
    return not urlsplit(url).path.strip("/")


def file(value: object, info: ValidationInfo) -> Path:
    """Read a file's path; a relative one counts from the configuration's folder."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise mistake("is not a file", 'Write a path in quotes like "/etc/stocksync/id_ed25519".')
    return _folder(info) / value


def _folder(info: ValidationInfo) -> Path:
    context: dict[str, Any] = info.context or {}
    return Path(context.get("folder", "."))


def _anchored(url: str, base: Path) -> str:
    scheme, rest = url.split("://", 1)
    path, mark, query = rest.partition("?")
    name = path.removeprefix("/")
    if not path.startswith("/") or not name or name.startswith((":memory:", "file:")):
        raise mistake("does not name a file", 'Write it like "sqlite:///var/stocksync.db".')
    return f"{scheme}:///{base / name}{mark}{query}"


def _refuse_user_part(url: str) -> None:
    if "@" in unquote(url.partition("?")[0]):
        raise mistake("holds '@' in its host or database part", APART)


def _refuse_password_in_query(url: str) -> None:
    query = unquote(url.partition("?")[2]).lower()
    names = " ".join(name for name, _ in parse_qsl(query, keep_blank_values=True))
    if re.search(r"passw|pwd|token|secret", names) or re.search(r"(pwd|password)\s*=", query):
        raise mistake("holds a password in its query part", APART)


def _port_fits(url: str) -> bool:
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return port is None or 0 < port <= MAX_PORT


Duration = Annotated[float, BeforeValidator(seconds)]
"""Seconds."""

Period = Annotated[float, BeforeValidator(seconds), Field(ge=0.1)]
"""Seconds, long enough to be repeated."""

Size = Annotated[int, BeforeValidator(size)]
"""Bytes."""

NameTime = Annotated[str, AfterValidator(name_time)]

Ratio = Annotated[float, BeforeValidator(not_boolean), Field(ge=0, le=1)]
Whole = Annotated[int, BeforeValidator(not_boolean), Field(ge=0, le=2_147_483_647)]
Positive = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=2_147_483_647)]
Rate = Annotated[float, BeforeValidator(not_boolean), Field(gt=0, le=10_000)]
Cron = Annotated[str, AfterValidator(cron)]
Zone = Annotated[str, AfterValidator(zone)]
Encoding = Annotated[str, AfterValidator(encoding)]
Delimiter = Annotated[str, AfterValidator(delimiter)]
Thousands = Annotated[str, AfterValidator(thousands)]
Column = Annotated[str | int, BeforeValidator(column)]
Text = Annotated[str, Field(min_length=1)]
ShortText = Annotated[str, Field(min_length=1, max_length=255)]
TrailerText = Annotated[ShortText, AfterValidator(trailer)]
SecretText = Annotated[Secret, BeforeValidator(secret)]
BrokerUrl = Annotated[Secret, BeforeValidator(secret), AfterValidator(broker_url)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
LedgerUrl = Annotated[str, AfterValidator(ledger_url)]
DatabaseUrl = Annotated[str, AfterValidator(database_url)]
Folder = Annotated[Path | str, BeforeValidator(folder)]
"""A local folder as a path, a remote one as an address."""

File = Annotated[Path, BeforeValidator(file)]
