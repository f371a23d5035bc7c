"""A session with a server that fsspec reaches: its driver, who logs in, and what may go wrong.

Each protocol needs a package of its own, some of which come with fsspec. What these raise is theirs
to choose, so anything is translated here.
"""

from __future__ import annotations

import ftplib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fsspec import get_filesystem_class
from fsspec.registry import known_implementations

from connectors.errors import ConnectorError, SourceMisconfigured, SourceUnreachable

if TYPE_CHECKING:
    from connectors.csv_drop.places import FsspecPlace

_LOGINS = {
    "s3": ("key", "secret"),
    "s3a": ("key", "secret"),
    "gs": ("project", "token"),
    "gcs": ("project", "token"),
    "abfs": ("account_name", "account_key"),
    "az": ("account_name", "account_key"),
}
"""What user name and password are called, where a package does not call them so."""

_NOT_LOGGED_IN = "530"


class Server:
    """A file system of fsspec, not yet used, and the path of the folder in it."""

    def __init__(self, place: FsspecPlace) -> None:
        self._password = place.password() if place.password else ""
        driver = _driver(place)
        try:
            self.files: Any = driver(**_arguments(place, driver, self._password))
            self.root = unquote(driver._strip_protocol(place.url)).rstrip("/")  # noqa: SLF001 - the only way to its form of a path
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            raise self.translated(place, "be reached", error) from None

    def translated(self, place: FsspecPlace, what: str, error: Exception) -> ConnectorError:
        """Turn whatever a driver raised into an error for people, without the password."""
        if isinstance(error, ConnectorError):
            return error
        reason = str(getattr(error, "strerror", None) or error or type(error).__name__)
        if self._password:
            reason = reason.replace(self._password, "•••")
        reason = " ".join(reason.split())[:300].rstrip(".")
        if isinstance(error, ftplib.error_perm) and reason.startswith(_NOT_LOGGED_IN):
            return SourceMisconfigured(
                f"{place} does not let {place.username!r} in: {reason}.",
                remedy="Correct `username` and `password`.",
                place=str(place),
            )
        return SourceUnreachable(
            f"The folder {place} cannot {what}: {reason}.",
            remedy=(
                "Nothing is lost; it is tried again. See that the folder is there, that the server "
                "is up, and that this user may read and write it."
            ),
            place=str(place),
        )


def _driver(place: FsspecPlace) -> Any:
    """Find the package for a protocol. Raises SourceMisconfigured, naming one that is absent."""
    try:
        return get_filesystem_class(place.protocol)
    except ValueError as error:
        known = ", ".join(sorted(known_implementations))
        message = f"No package reads folders behind {place.protocol}://."
        remedy = f"Mount the folder, or use one of these: {known}."
        raise SourceMisconfigured(message, remedy=remedy, place=str(place)) from error
    except ImportError as error:
        hint = known_implementations.get(place.protocol, {}).get("err") or str(error)
        raise SourceMisconfigured(
            f"The package that reads folders behind {place.protocol}:// is not installed.",
            remedy=f"{hint.rstrip('.')} (pip install, beside stocksync).",
            place=str(place),
        ) from error


def _arguments(place: FsspecPlace, driver: Any, password: str) -> dict[str, Any]:
    """Put together what a file system is made with; nothing is remembered between two looks."""
    user, secret = _LOGINS.get(place.protocol, ("username", "password"))
    login = {user: place.username, secret: password}
    return {
        **driver._get_kwargs_from_urls(place.url),  # noqa: SLF001 - how fsspec itself reads a URL
        **{name: value for name, value in login.items() if value},
        **place.options,
        "use_listings_cache": False,
        "skip_instance_cache": True,
    }
