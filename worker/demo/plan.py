"""The plan of a held pull in a few lines, out of `stocksync pulls show ID --json`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHANGES = 4


def plan_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """What would be done, where, the largest changes, and what to type next."""
    yield (
        f"{document['read']:,} rows read, {document['changed']:,} levels new or changed,"
        f" {document['zeroed']:,} go to zero, {document['rejected']:,} rejected"
    )
    for counts in document["lists"]:
        yield (
            f"stock list {counts['stock_list']}: {counts['known']:,} known,"
            f" {counts['created']:,} new, {counts['changed']:,} changed,"
            f" {counts['missing']:,} missing"
        )
    for change in document["largest_changes"][:_CHANGES]:
        before = "none" if change["before"] is None else change["before"]
        yield f"list {change['stock_list']}, {change['sku']}: {before} → {change['after']}"
    yield f"next: {', or '.join(document['next'])}"
