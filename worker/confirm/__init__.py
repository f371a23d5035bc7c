"""The confirm step: Omnitron's sales channels → ledger. Reads with GET alone, changes nothing.

The list resource with ``pk__in`` is the proof, the feed a shortcut; both are joined to what was
sent on (pk, stock list).
"""

from worker.confirm.watcher import Confirmed, Watcher

__all__ = ["Confirmed", "Watcher"]
