"""CSV files that an ERP drops into a folder.

`look` lists the folder (`folder`), asks of each file whether it is complete (`readiness`) and what
it is worth against what was applied before (`history`). A file is read from a private copy
(`staging`) that was checked as a whole first (`soundness`), by the columns its header names
(`layout`), row by row (`rows`). `drop` puts these together to the `Connector` of the contract.
"""

from __future__ import annotations

from connectors.csv_drop.drop import CsvDrop
from connectors.csv_drop.options import (
    CsvColumns,
    CsvFormat,
    CsvOptions,
    Empty,
    FinalNewline,
    Ready,
    Skip,
)

__all__ = [
    "CsvColumns",
    "CsvDrop",
    "CsvFormat",
    "CsvOptions",
    "Empty",
    "FinalNewline",
    "Ready",
    "Skip",
]
