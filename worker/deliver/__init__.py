"""The deliver step: ledger → Omnitron. Claim, send, record; no transaction is open while sending.

What is sent is what the claiming statement returned, held in memory and never older than its
lease. No request starts that could outlive it.
"""

from worker.deliver.address import require_address
from worker.deliver.courier import Courier, Run
from worker.deliver.expiring import expire
from worker.deliver.slip import Slip

__all__ = ["Courier", "Run", "Slip", "expire", "require_address"]
