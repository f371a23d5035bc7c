"""CSV files that an ERP drops into a folder.

`look` lists the folder (`folder`; local or remote: `places`), asks of each file where it stands
(`ordering`) and whether it is complete (`readiness`), and what it is worth against what was applied
before (`history`); `survey` is the first half of that. A file is read from a private copy
(`staging`) that was checked as a whole first (`soundness`), by the columns its header names
(`layout`), row by row (`rows`). Once decided it is put away (`settling`), where what an older copy
of the ledger forgot is found again (`lineage`, `resurfacing`). `drop` puts these together to the
`Connector` of the contract.
"""

from __future__ import annotations

from connectors.csv_drop.drop import CsvDrop
from connectors.csv_drop.options import (
    After,
    CsvColumns,
    CsvFormat,
    CsvOptions,
    Empty,
    FinalNewline,
    OrderBy,
    Ready,
    Skip,
)
from connectors.csv_drop.places import FsspecPlace, SftpPlace

__all__ = [
    "After",
    "CsvColumns",
    "CsvDrop",
    "CsvFormat",
    "CsvOptions",
    "Empty",
    "FinalNewline",
    "FsspecPlace",
    "OrderBy",
    "Ready",
    "SftpPlace",
    "Skip",
]
