"""What Omnitron says to the body of a product stock POST. Pure; knows no store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from worker.sandbox.settings import MAX_STOCK

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Problems = dict[str, list[str]]
"""Messages by field, as a 400 carries them."""

UNIT_TYPES = ("qty", "kg")
MAX_SKU_LENGTH = 255
REQUIRED = "This field is required."


class Write(NamedTuple):
    """One write that was judged good; None: the field was left out."""

    sku: str
    stock_list: int
    stock: int | None
    unit_type: str | None
    sold: int | None
    extra: Mapping[str, Any] | None


def judge_write(
    body: object, *, stock_lists: Collection[int], products: Collection[str] | None
) -> Write | Problems:
    """Return the write, or every problem of it at once.

    products: the SKUs that exist, None: any does.
    """
    if not isinstance(body, dict):
        kind = type(body).__name__
        return {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]}
    found = {
        "product_sku": _sku_problem(body, products),
        "stock_list": _list_problem(body, stock_lists),
        "stock": _quantity_problem(body, "stock"),
        "unit_type": _unit_problem(body),
        "sold_quantity_unreported": _quantity_problem(body, "sold_quantity_unreported"),
        "extra_field": _extra_problem(body),
    }
    problems = {name: [message] for name, message in found.items() if message}
    return problems or _write_of(body)


def _write_of(body: Mapping[str, Any]) -> Write:
    return Write(
        body["product_sku"],
        body["stock_list"],
        body.get("stock"),
        body.get("unit_type"),
        body.get("sold_quantity_unreported"),
        body.get("extra_field"),
    )


def _sku_problem(body: Mapping[str, Any], products: Collection[str] | None) -> str:
    if "product_sku" not in body:
        return REQUIRED
    sku = body["product_sku"]
    return _text_problem(sku) or _product_problem(sku, products)


def _text_problem(sku: object) -> str:
    if sku is None:
        return "This field may not be null."
    if not isinstance(sku, str):
        return "Not a valid string."
    if not sku.strip():
        return "This field may not be blank."
    if len(sku) > MAX_SKU_LENGTH:
        return f"Ensure this field has no more than {MAX_SKU_LENGTH} characters."
    return "Null characters are not allowed." if "\0" in sku else ""


def _product_problem(sku: str, products: Collection[str] | None) -> str:
    if products is None or sku in products:
        return ""
    return f"Object with sku={sku} does not exist."


def _list_problem(body: Mapping[str, Any], stock_lists: Collection[int]) -> str:
    if "stock_list" not in body:
        return REQUIRED
    pk = body["stock_list"]
    if pk is None:
        return "This field may not be null."
    if type(pk) is not int:
        return f"Incorrect type. Expected pk value, received {type(pk).__name__}."
    return "" if pk in stock_lists else f'Invalid pk "{pk}" - object does not exist.'


def _quantity_problem(body: Mapping[str, Any], name: str) -> str:
    if name not in body:
        return ""
    quantity = body[name]
    if quantity is None:
        return "This field may not be null."
    if type(quantity) is not int:  # a bool is an int to Python, not to Omnitron
        return "A valid integer is required."
    if quantity < 0:
        return "Ensure this value is greater than or equal to 0."
    if quantity > MAX_STOCK:
        return f"Ensure this value is less than or equal to {MAX_STOCK}."
    return ""


def _unit_problem(body: Mapping[str, Any]) -> str:
    if "unit_type" not in body:
        return ""
    unit = body["unit_type"]
    return "" if unit in UNIT_TYPES else f'"{unit}" is not a valid choice.'


def _extra_problem(body: Mapping[str, Any]) -> str:
    if "extra_field" not in body or isinstance(body["extra_field"], dict):
        return ""
    return "Value must be a JSON object."
