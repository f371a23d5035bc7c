"""What a sandbox starts with: users, stock lists, channels, and how it behaves."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSED = ConfigDict(extra="forbid")
"""A misspelt field is refused, not ignored."""

MAX_STOCK = 2_147_483_647
"""The largest stock and sold quantity that Omnitron takes (its API page)."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class SandboxList:
    """A stock list; code is the warehouse's code in the ERP."""

    pk: int
    name: str
    code: str = ""
    is_auto_sync: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class SandboxChannel:
    """A sales channel: its catalogue's main stock list and the extra ones."""

    id: int
    main_list: int
    extra_lists: tuple[int, ...] = ()
    name: str = "Web shop"


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class SandboxUser:
    """Somebody who may log in."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class SandboxConfig:
    """Everything a sandbox starts with and goes back to on reset.

    products: the SKUs that exist, None: any SKU does. propagation_seconds: a channel sees a write
    so much later. requests_per_second: over all callers, None: no limit; retry_after: the header of
    the 429, verbatim, None: none. logins_per_minute: None: no limit. token_seconds: life of a
    token, None: for ever. reserve: what `adjusted_stock` is below `stock`. journal_cap: entries
    kept. seed: of every fault ordered with a probability and without a seed of its own.
    """

    users: tuple[SandboxUser, ...] = (SandboxUser(username="erp", password="sandbox"),)  # noqa: S106 - the sandbox's own
    stock_lists: tuple[SandboxList, ...] = (
        SandboxList(pk=1, name="Main", code="IST"),
        SandboxList(pk=2, name="Outlet", code="BER"),
    )
    channels: tuple[SandboxChannel, ...] = (SandboxChannel(id=5, main_list=1, extra_lists=(2,)),)
    products: frozenset[str] | None = None
    propagation_seconds: float = 0.0
    requests_per_second: float | None = None
    retry_after: str | None = None
    logins_per_minute: int | None = None
    token_seconds: float | None = None
    reserve: int = 0
    journal_cap: int = 1_000_000
    seed: int = 0


ADJUSTABLE = frozenset(
    {
        "propagation_seconds",
        "requests_per_second",
        "retry_after",
        "logins_per_minute",
        "token_seconds",
        "reserve",
    }
)
"""The settings that can be changed while the sandbox runs."""


def only_adjustable(changes: Mapping[str, object]) -> None:
    """Raise ValueError for the name of a setting that cannot be changed while running."""
    for name in changes:
        if name not in ADJUSTABLE:
            choices = ", ".join(sorted(ADJUSTABLE))
            raise ValueError(f"{name} cannot be changed while running; these can: {choices}")
