"""The ERP and its exports, which go on while faults strike, and note what they said."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, exc, text

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Engine

    from tests.faults.oracle import Truth

DELTA_KEYS = [f"D{number:03}" for number in range(120)]
SNAPSHOT_KEYS = [f"F{number:03}" for number in range(150)]
ERP_KEYS = [f"E{number:03}" for number in range(150)]
_PAUSE = 0.4
_BAD = "not a number"


@dataclass
class Exports:
    """Two drop folders: one with files of changes, one with files of everything."""

    folder: Path
    truth: Truth
    dice: random.Random
    _numbers: int = 0
    _known: dict[str, int] = field(default_factory=dict)

    def change(self) -> None:
        """A few products; now and then with a row that is none, and written slowly in place."""
        stocks = self._drawn(DELTA_KEYS, self.dice.randint(1, 12))
        rows = [f"{sku},{stock}" for sku, stock in stocks.items()]
        if self.dice.random() < 0.2:
            rows.insert(self.dice.randint(0, len(rows)), f"BAD{self._numbers},{_BAD}")
            self.truth.rejects(1)
        self._write("changes", rows, stocks, slowly=self.dice.random() < 0.2)

    def everything(self) -> None:
        """All products of the other folder, of which a few changed, or very many."""
        many = self.dice.random() < 0.1
        changed = len(SNAPSHOT_KEYS) * 7 // 10 if many else self.dice.randint(0, 15)
        if not self._known:
            changed = len(SNAPSHOT_KEYS)
        self._known |= self._drawn(SNAPSHOT_KEYS, changed)
        rows = [f"{sku},{stock}" for sku, stock in self._known.items()]
        self._write("everything", rows, dict(self._known))

    def _drawn(self, keys: list[str], count: int) -> dict[str, int]:
        return {sku: self.dice.randint(0, 500) for sku in self.dice.sample(keys, count)}

    def _write(
        self, kind: str, rows: list[str], stocks: Mapping[str, int], *, slowly: bool = False
    ) -> None:
        self._numbers += 1
        name = f"{kind}_{self._numbers:06}.csv"
        path = self.folder / kind / name
        self.truth.says(stocks, file=name)
        lines = [f"{line}\n" for line in ("sku,stock", *rows)]
        while not _written(path, lines, pause=0.05 if slowly else 0.0):
            time.sleep(0.1)


def _written(path: Path, lines: list[str], *, pause: float) -> bool:
    """Write it in place where it is slow, else under another name; False: the folder is away."""
    try:
        if pause:
            with path.open("w", buffering=1) as file:
                for line in lines:
                    file.write(line)
                    time.sleep(pause)
        else:
            hidden = path.with_name(f".{path.name}")
            hidden.write_text("".join(lines))
            hidden.rename(path)
    except FileNotFoundError:
        return False
    return True


class Erp:
    """A table of stocks in a database of its own; the service follows it by a number that grows."""

    def __init__(self, url: str, truth: Truth, dice: random.Random) -> None:
        self.engine: Engine = create_engine(url)
        self._truth = truth
        self._dice = dice
        with self.engine.begin() as connection:
            connection.execute(
                text("CREATE TABLE stock (sku TEXT PRIMARY KEY, qty INTEGER, changed BIGINT)")
            )
        self._transaction(ERP_KEYS)

    def change(self) -> None:
        """A sale or a receipt of a few products."""
        self._transaction(self._dice.sample(ERP_KEYS, self._dice.randint(1, 6)))

    def _transaction(self, skus: list[str]) -> None:
        stocks = {sku: self._dice.randint(0, 500) for sku in skus}
        moment = time.time_ns() // 1_000
        self._truth.says(stocks, cursor=str(moment))
        while not self._committed(stocks, moment):
            time.sleep(0.1)

    def _committed(self, stocks: Mapping[str, int], moment: int) -> bool:
        try:
            with self.engine.begin() as connection:
                for sku, stock in stocks.items():
                    connection.execute(
                        text(
                            "INSERT INTO stock VALUES (:sku, :stock, :moment) ON CONFLICT (sku)"
                            " DO UPDATE SET qty = :stock, changed = :moment"
                        ),
                        {"sku": sku, "stock": stock, "moment": moment},
                    )
        except exc.DBAPIError:  # it is a victim of the faults too
            return False
        return True


class Feeding(threading.Thread):
    """Lets the ERP and its exports work until told to stop; an error ends it and is kept."""

    def __init__(self, exports: Exports, erp: Erp, dice: random.Random) -> None:
        super().__init__(name="feeding", daemon=True)
        self.error: BaseException | None = None
        self._acts = [exports.change, exports.change, exports.everything, *[erp.change] * 4]
        self._dice = dice
        self._stopped = threading.Event()

    def run(self) -> None:
        """Work."""
        try:
            while not self._stopped.wait(self._dice.uniform(0, 2 * _PAUSE)):
                self._dice.choice(self._acts)()
        except BaseException as error:  # noqa: BLE001 - told by whoever ends it
            self.error = error

    def end(self) -> None:
        """Stop, and raise what went wrong."""
        self._stopped.set()
        self.join()
        if self.error is not None:
            raise self.error
