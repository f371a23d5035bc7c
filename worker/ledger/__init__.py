"""The local database: what was read, what should be shown, what was sent, what was seen.

SQL lives here and nowhere else, as functions named by what they do that take a connection; the
caller owns the transaction (`Ledger.write`, `Ledger.read`). Knows no HTTP and no source.
"""

from worker.ledger.database import Ledger

__all__ = ["Ledger"]
