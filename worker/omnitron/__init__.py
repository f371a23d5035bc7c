"""The remote side: HTTP client and wire formats. Knows nothing of the ledger or of sources."""
