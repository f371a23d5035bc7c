"""What the service costs, measured on this machine beside the least that a script would do."""
