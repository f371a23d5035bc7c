"""The service: four steps (pull, deliver, confirm, replay) that meet only in the ledger."""
