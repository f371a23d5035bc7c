"""Sources of stock: what an ERP says, row by row. Knows nothing of the worker or of Omnitron."""
