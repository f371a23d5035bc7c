"""SKUs that a source states for the first time and that look like one that it stated before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from worker.ledger import parts
from worker.model import Key
from worker.planning.lookalikes import MOST, capitals, small

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy import Connection

    from worker.ledger.sources import Source

log = structlog.get_logger(__name__)


class Resemblance:
    """Looks them up, with one glance over what is known, and that only if something is new.

    As in one pull, of two that look alike one is not written the plain way: known SKUs that are
    not are kept here, the plain ones are found by their key.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._plain: Callable[[str], str] | None = None
        self._odd: dict[str, str] | None = None

    def twins(self, connection: Connection, new: Collection[Key]) -> dict[str, str]:
        """Each of the new SKUs that looks like a known one, with that one."""
        if not new:
            return {}
        if self._odd is None:
            self._odd = self._glance(connection)
        if self._plain is None:
            return {}
        plain = {key: self._plain(key.sku) for key in new}
        wanted = {Key(key.stock_list, sku) for key, sku in plain.items() if sku != key.sku}
        known = parts.stated_of(connection, self._source.id, wanted)
        found = {}
        for key, sku in plain.items():
            twin = sku if Key(key.stock_list, sku) in known else self._odd.get(sku)
            if twin is not None and twin != key.sku:
                found[key.sku] = twin
        return found

    def _glance(self, connection: Connection) -> dict[str, str]:
        """What is known and not written the plain way, whichever way is the plain one."""
        if not parts.contents_after(connection, self._source.id, None, limit=1):
            return {}
        for plain in (capitals, small):
            odd = parts.odd_skus(connection, self._source.id, small=plain is small, limit=MOST + 1)
            if len(odd) <= MOST:
                self._plain = plain
                return {plain(sku): sku for sku in odd}
        log.info("lookalikes_not_sought", source=self._source.name)
        return {}
