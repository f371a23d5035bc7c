"""What can go wrong, named by what to do next; each class knows its exit code.

StocksyncError
├── UsageError            exit 2: the person typed or configured something that cannot be
│   ├── LedgerNotReady    exit 2: run `stocksync migrate`
│   └── WrongTarget       exit 2: the ledger belongs to another Omnitron
└── Unreachable           exit 3: something outside is not there now; nothing is lost, try later
    ├── LedgerUnreachable
    ├── BrokerUnreachable
    └── OmnitronUnreachable
        ├── OmnitronDenied       our credentials or rights: a person has to look
        ├── OmnitronLoginWaits   too many logins of ours: this one has its turn in a moment
        ├── OmnitronThrottled    slow down; it may say for how long
        └── OmnitronAnswerError  it answered, but not what its API promises
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of every command (`contract.md`); of several, the first listed wins."""

    DEFECT = 70
    USAGE = 2
    UNREACHABLE = 3
    ATTENTION = 1
    OK = 0

    @classmethod
    def worst(cls, *codes: ExitCode) -> ExitCode:
        """The code that wins: 70 beats 2 beats 3 beats 1 beats 0."""
        order = list(cls)
        return min(codes, key=order.index, default=cls.OK)


class StocksyncError(Exception):
    """Base of all expected errors: a message and a remedy for people, never a secret."""

    kind = "error"
    exit_code = ExitCode.ATTENTION

    def __init__(self, message: str, *, remedy: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.place = place


class UsageError(StocksyncError):
    """What was typed or configured cannot be done; the remedy says what to type instead."""

    kind = "usage"
    exit_code = ExitCode.USAGE


class LedgerNotReady(UsageError):  # noqa: N818 - named by the state it reports
    """The ledger is missing, older or newer than this program."""

    kind = "ledger"


class WrongTarget(UsageError):  # noqa: N818 - named by the state it reports
    """The ledger has sent to another Omnitron than the configured one."""

    kind = "target"


class Unreachable(StocksyncError):  # noqa: N818 - named by the state it reports
    """Something outside is not there now; what was read is kept, trying later is enough."""

    kind = "unreachable"
    exit_code = ExitCode.UNREACHABLE


class LedgerUnreachable(Unreachable):
    """The local database does not answer."""

    kind = "ledger_unreachable"


class BrokerUnreachable(Unreachable):
    """The Celery broker does not answer."""

    kind = "broker_unreachable"


class OmnitronUnreachable(Unreachable):
    """Omnitron does not answer, or denies us."""

    kind = "omnitron_unreachable"


class OmnitronDenied(OmnitronUnreachable):
    """Omnitron refuses our credentials, or this call with them."""

    kind = "omnitron_denied"


class OmnitronThrottled(OmnitronUnreachable):
    """Omnitron asks for fewer requests. retry_after: seconds, capped; None where not said."""

    kind = "omnitron_throttled"

    def __init__(self, message: str, *, retry_after: float | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class OmnitronLoginWaits(OmnitronUnreachable):
    """The login waits its turn after those of other processes. seconds: for how long."""

    kind = "omnitron_login_waits"

    def __init__(self, message: str, *, seconds: float = 0.0, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.seconds = seconds


class OmnitronAnswerError(OmnitronUnreachable):
    """Omnitron answered something that cannot be used. status: its HTTP status."""

    kind = "omnitron_answer"

    def __init__(self, message: str, *, status: int | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
