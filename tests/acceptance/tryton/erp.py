"""Plays a company on a real Tryton, by Tryton's own API; runs in a venv that has Tryton.

Reads one JSON command a line from stdin and answers with one JSON line: ``{"act": 20}`` does so
many transactions, ``{"report": true}`` returns what Tryton itself says is available per product.
Arguments: the Tryton configuration file, the database's name, a seed.
"""

from __future__ import annotations

import json
import random
import sys
from decimal import Decimal

from proteus import Model, config
from trytond.modules.company.tests.tools import create_company, get_company
from trytond.pool import Pool
from trytond.transaction import Transaction

PRODUCTS = 12


class Company:
    def __init__(self, file: str, database: str, seed: int) -> None:
        config.set_trytond(database=database, config_file=file)
        self.database = database
        self.random = random.Random(seed)
        create_company()
        self.company = get_company()
        self.move = Model.get("stock.move")
        place = Model.get("stock.location")
        [self.supplier] = place.find([("type", "=", "supplier")])
        [self.customer] = place.find([("type", "=", "customer")])
        [self.warehouse] = place.find([("type", "=", "warehouse")])
        self.warehouse.code = "WH"
        self.warehouse.save()
        self.storage = self.warehouse.storage_location
        self.shelf = place(name="Shelf", type="storage", parent=self.storage)
        self.shelf.save()
        self.outside = [self.warehouse.input_location, self.warehouse.output_location]
        self.products = [self._product(number) for number in range(PRODUCTS)]
        self.assigned: list[int] = []

    def act(self) -> str:
        """Do one transaction of a random kind."""
        kinds = [self.receive, self.receive, self.rearrange, self.sell, self.sell, self.assign]
        kind = self.random.choice([*kinds, self.ship, self.release, self.draft])
        kind()
        return kind.__name__

    def receive(self) -> None:
        self._do(self.outside[0], self.random.choice([self.storage, self.shelf]), "do")

    def rearrange(self) -> None:
        self._do(self.storage, self.shelf, "do")

    def sell(self) -> None:
        self._do(self.random.choice([self.storage, self.shelf]), self.outside[1], "do")

    def draft(self) -> None:
        self._move(self.storage, self.outside[1])

    def assign(self) -> None:
        move = self._move(self.storage, self.outside[1])
        self._transact(move.id, "assign")
        self.assigned.append(move.id)

    def ship(self) -> None:
        self._of_assigned("do")

    def release(self) -> None:
        self._of_assigned("cancel")

    def report(self) -> dict[str, float]:
        """Return what is available now in the storage area, as Tryton computes it."""
        product = Model.get("product.product")
        context = {
            "locations": [self.storage.id],
            "stock_assign": True,
            "with_childs": True,
        }
        with config.get_config().set_context(context):
            return {found.code: found.quantity for found in product.find([("code", "!=", None)])}

    def _of_assigned(self, method: str) -> None:
        if self.assigned:
            chosen = self.assigned.pop(self.random.randrange(len(self.assigned)))
            self._transact(chosen, method)

    def _do(self, origin: Model, destination: Model, method: str) -> None:
        self._transact(self._move(origin, destination).id, method)

    def _transact(self, move: int, method: str) -> None:
        """Call a method of Tryton's own model, in a transaction of its own.

        The client has buttons for whole shipments only, which do this to their moves.
        """
        with Transaction().start(self.database, 0, context={"company": self.company.id}) as own:
            moves = Pool().get("stock.move")
            getattr(moves, method)([moves(move)])
            own.commit()

    def _move(self, origin: Model, destination: Model) -> Model:
        move = self.move(
            product=self.random.choice(self.products),
            quantity=self.random.randint(1, 9),
            from_location=origin,
            to_location=destination,
            company=self.company,
        )
        if move.unit_price_required:
            move.unit_price = Decimal(1)
            move.currency = self.company.currency
        move.save()
        return move

    def _product(self, number: int) -> Model:
        [unit] = Model.get("product.uom").find([("name", "=", "Unit")])
        template = Model.get("product.template")(
            name=f"Product {number}", default_uom=unit, type="goods", list_price=Decimal(1)
        )
        template.save()
        [product] = template.products
        product.suffix_code = f"SKU-{number}"
        product.save()
        return product


def say(answer: object) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


def main() -> None:
    file, database, seed = sys.argv[1:]
    company = Company(file, database, int(seed))
    say("ready")
    for line in sys.stdin:
        command = json.loads(line)
        if "act" in command:
            answer: object = [company.act() for _ in range(command["act"])]
        else:
            answer = company.report()
        say(answer)


if __name__ == "__main__":
    main()
