"""The SQL connector: stock as one query of an ERP's own database states it, row by row."""

from connectors.sql_erp.connector import SqlErp
from connectors.sql_erp.options import CursorType, Isolation, SqlOptions

__all__ = ["CursorType", "Isolation", "SqlErp", "SqlOptions"]
