"""A session with an SFTP server: finding out whether it is the right one, and logging in.

The host must be known: its key stands in a ``known_hosts`` file, or nothing is sent to it. Only the
configured credentials are offered, never those of an agent or of the home folder.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import TYPE_CHECKING, Any, cast

import paramiko
from paramiko.pkey import UnknownKeyType
from paramiko.sftp import CMD_CLOSE, CMD_OPENDIR, CMD_READDIR

from connectors.errors import SourceMisconfigured, SourceUnreachable

if TYPE_CHECKING:
    from connectors.csv_drop.places import SftpPlace

BROKEN = (paramiko.SSHException, paramiko.SFTPError, EOFError, TimeoutError, ConnectionError)
"""What the library raises when a connection ends or an answer makes no sense."""


class Session(paramiko.SFTPClient):
    """A session that also lists names that are not UTF-8; the library stops at one."""

    if TYPE_CHECKING:  # the published types lack it

        def _request(self, kind: int, *arguments: object) -> tuple[int, paramiko.Message]: ...

    def entries(self, path: str) -> list[paramiko.SFTPAttributes]:
        """List a folder; other bytes in names come as surrogates, as `os` gives them."""
        _, opened = self._request(CMD_OPENDIR, path)
        folder = opened.get_binary()
        found = []
        with contextlib.suppress(EOFError):  # this is how the last part is told
            while True:
                _, part = self._request(CMD_READDIR, folder)
                found += [_entry(part) for _ in range(part.get_int())]
        self._request(CMD_CLOSE, folder)
        return [entry for entry in found if entry.filename not in {".", ".."}]


def connected(place: SftpPlace, *, seconds: float) -> Session:
    """Connect and log in; every single wait is bounded. The session ends when it is forgotten.

    Raises SourceUnreachable or SourceMisconfigured.
    """
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    # for some answers on the way the library itself would wait without a limit
    watchdog = threading.Timer(3 * seconds, client.close)
    watchdog.daemon = True
    watchdog.start()
    try:
        _trust(client, place)
        session = _logged_in(client, place, seconds=seconds)
    except (*BROKEN, OSError) as error:
        client.close()
        raise _refused(place, error) from error
    except BaseException:
        client.close()
        raise
    finally:
        watchdog.cancel()
    weakref.finalize(session, client.close)
    return session


def is_closed(error: OSError) -> bool:
    """Whether this is how the library says that the connection is gone."""
    return error.errno is None and "closed" in str(error).lower()


def lost(place: SftpPlace, error: Exception) -> SourceUnreachable:
    """Translate a connection that does not come about, or that ended."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SourceUnreachable(
        f"{place} cannot be reached: {reason.rstrip('.')}.",
        remedy="Nothing is lost; it is tried again. See that the host is up and the port open.",
        place=str(place),
    )


def _trust(client: paramiko.SSHClient, place: SftpPlace) -> None:
    """Load the keys of known hosts. Raises SourceMisconfigured for a file that is not one."""
    known = place.known_hosts
    try:
        client.load_system_host_keys(str(known) if known else None)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not such a file"
        raise SourceMisconfigured(
            f"The file of known hosts {known} cannot be used: {reason}.",
            remedy="Correct `known_hosts`; ssh-keyscan writes lines for it.",
            place=str(place),
        ) from error


def _logged_in(client: paramiko.SSHClient, place: SftpPlace, *, seconds: float) -> Session:
    """Let the host prove itself, then log in, and open a session."""
    key = _key(place)
    client.connect(
        place.host,
        place.port,
        place.username,
        # the passphrase of a key is nothing to tell the host
        password=place.password() if place.password and key is None else None,
        pkey=key,
        allow_agent=False,
        look_for_keys=False,
        timeout=seconds,
        banner_timeout=seconds,
        auth_timeout=seconds,
        channel_timeout=seconds,
    )
    transport = client.get_transport()
    if transport is None:
        raise EOFError
    channel = transport.open_session()
    channel.settimeout(seconds)
    channel.invoke_subsystem("sftp")
    return Session(channel)


def _key(place: SftpPlace) -> paramiko.PKey | None:
    """Load the key file. Raises SourceMisconfigured if it cannot be used."""
    if place.key_file is None:
        return None
    phrase: Any = place.password().encode() if place.password else None
    try:
        return paramiko.PKey.from_path(place.key_file, phrase)
    except OSError as error:
        reason = f"it cannot be read ({error.strerror})"
    except (TypeError, ValueError, paramiko.SSHException, UnknownKeyType):
        reason = "it is no private key, or `password` is not its passphrase"
    raise SourceMisconfigured(
        f"The key file {place.key_file} cannot be used: {reason}.",
        remedy=(
            "Let `key_file` name a private key that this user may read; set `password` to its "
            "passphrase, and only if it has one."
        ),
        place=str(place),
    )


def _refused(place: SftpPlace, error: Exception) -> SourceUnreachable | SourceMisconfigured:
    """Translate why nobody could log in."""
    if isinstance(error, paramiko.BadHostKeyException):
        message = f"{place.host} shows another key than known_hosts has for it."
        remedy = (
            "Ask who runs it whether its key was changed; only then replace the line in "
            "known_hosts. Neither name nor password was sent."
        )
    elif isinstance(error, paramiko.AuthenticationException):
        message = f"{place.host} does not let {place.username!r} in."
        remedy = "Correct `username`, and `password` or `key_file`."
    elif "not found in known_hosts" in str(error):
        message = f"{place.host} is not in known_hosts, so it is not trusted."
        remedy = (
            f"Get its key with: ssh-keyscan -p {place.port} {place.host}; compare it with what "
            "its owner says, and add it to the file that `known_hosts` names."
        )
    else:
        return lost(place, error)
    return SourceMisconfigured(message, remedy=remedy, place=str(place))


def _entry(part: paramiko.Message) -> paramiko.SFTPAttributes:
    """Read one entry of a listing: its name, a line for people, its attributes."""
    name = part.get_binary().decode("utf-8", "surrogateescape")
    part.get_binary()
    attributes: Any = paramiko.SFTPAttributes
    return cast("paramiko.SFTPAttributes", attributes._from_msg(part, name))  # noqa: SLF001
