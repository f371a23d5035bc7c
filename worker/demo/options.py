"""What a person may choose about the demo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """seconds: how long the ERP goes on changing stock after its first pull was approved.

    products: in the ERP. keep: leave the folder where it is, and say where. seed: the same one
    gives the same products, files and order of transactions.
    """

    seconds: float = 20.0
    products: int = 2_500
    keep: bool = False
    seed: int = 7
