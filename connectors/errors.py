"""What can go wrong while reading a source, named by what to do next.

ConnectorError
├── SourceUnreachable   wait and read again: nothing was read, the checkpoint stays
├── SourceUnreadable    this file (or result) as a whole cannot be trusted: a person has to look
└── SourceMisconfigured the configuration does not fit the source: a person has to change it
"""

from __future__ import annotations


class ConnectorError(Exception):
    """A source could not be read. Carries a message and a remedy for people, never a secret."""

    def __init__(self, message: str, *, remedy: str, place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.place = place


class SourceUnreachable(ConnectorError):  # noqa: N818 - named by the state it leads to
    """The folder or database cannot be reached now; reading again later is safe and enough."""


class SourceUnreadable(ConnectorError):  # noqa: N818 - named by the state it leads to
    """One offer (a file, a result) cannot be trusted as a whole; nothing of it may be applied."""


class SourceMisconfigured(ConnectorError):  # noqa: N818 - named by the state it leads to
    """What the configuration says of the source is not so (a column, a query, a cursor type)."""
