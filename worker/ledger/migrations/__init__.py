"""The ledger's schema, change by change; run by `stocksync migrate`."""
