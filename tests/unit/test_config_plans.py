"""Settings become the plans of the steps, and the fingerprint covers what makes a level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config.plans import channel_plan, fingerprint, source_plan, target_plan
from tests.unit.config_files import MINIMAL, SQL, loaded
from worker.model import ChannelPlan, Expect, FirstPull, Missing
from worker.planning.fingerprints import parse

if TYPE_CHECKING:
    from pathlib import Path

MANY = MINIMAL.replace("stock_list = 1\n", "").replace("stock = 2", 'stock = 2\nwarehouse = "Depo"')


def print_of(folder: Path, text: str) -> str:
    settings = loaded(folder, text).settings
    return fingerprint(settings, settings.sources[0])


@pytest.mark.parametrize(
    ("keys", "stale_after", "zero_after", "stale_from"),
    [
        ("", None, None, None),
        ('stale_after = "26h"\n', 93_600, None, 93_600),
        ('zero_after = "2d"\n', None, 172_800, 172_800),
        ('stale_after = "2d"\nzero_after = "48h"\n', 172_800, 172_800, 172_800),
    ],
)
def test_a_source_is_stale_at_the_latest_when_its_levels_go_to_zero(
    tmp_path: Path,
    keys: str,
    stale_after: float | None,
    zero_after: float | None,
    stale_from: float | None,
) -> None:
    settings = loaded(tmp_path, MINIMAL.replace("mode =", f"{keys}mode =")).settings
    plan = source_plan(settings, settings.sources[0])
    told = (plan.stale_after, plan.zero_after, plan.stale_from)
    assert told == (stale_after, zero_after, stale_from)


def test_a_source_plan_has_all_that_the_pull_needs(tmp_path: Path) -> None:
    text = MINIMAL + 'rules = { buffer = 2 }\n[sources.guard]\nfirst_pull = "apply"\n'
    text = text.replace("rules =", "[sources.rules]\n#").replace("# { buffer = 2 }", "buffer = 2")
    text = text.replace("mode =", 'missing = "zero"\nmode =')
    settings = loaded(tmp_path, text).settings
    plan = source_plan(settings, settings.sources[0])
    assert (plan.name, plan.stock_list, plan.every, plan.cron) == ("drop", 1, 60, None)
    assert (plan.rules.buffer, plan.rules.missing) == (2, Missing.ZERO)
    assert plan.guard.first_pull is FirstPull.APPLY
    assert plan.absences == 2


def test_a_sql_source_is_sure_of_an_absence_at_once(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SQL).settings
    assert source_plan(settings, settings.sources[0]).absences == 1


def test_channel_and_target_plans_carry_seconds(tmp_path: Path) -> None:
    text = MINIMAL + '[[channels]]\nid = 5\nstock_lists = [1, 2]\npoll = "1m"\n'
    settings = loaded(tmp_path, text, {"STOCKSYNC_OMNITRON__WRITES": "off"}).settings
    assert channel_plan(settings.channels[0]) == ChannelPlan(
        id=5, stock_lists=(1, 2), expect=Expect.ALL, poll=60, confirm_within=600
    )
    plan = target_plan(settings)
    assert (plan.writes, plan.timeout, plan.settle, plan.rate) == (False, 15, 10, 20)


@pytest.mark.parametrize(
    "change",
    [
        ("stock = 2", "stock = 3"),
        ("[sources.columns]", "[sources.units]\nAD = 'qty'\n[sources.columns]"),
        ("[sources.columns]", "[sources.rules]\nbuffer = 1\n[sources.columns]"),
        ("[sources.columns]", "[[sources.sku_rules]]\nadd_prefix = 'A'\n[sources.columns]"),
        ("[sources.columns]", "[sources.rules]\nmaximum = 9\n[sources.columns]"),
        ("[sources.columns]", "[sources.format]\ndecimal = ','\n[sources.columns]"),
        ("[omnitron]", "stock_lists = { IST = 1 }\n[omnitron]"),
    ],
)
def test_what_decides_a_level_changes_the_fingerprint(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    assert print_of(tmp_path, MANY) != print_of(tmp_path, MANY.replace(*change))


@pytest.mark.parametrize(
    "change",
    [
        ("mode =", 'every = "9m"\nmode ='),
        ("outbox", "elsewhere"),
        ("t0ken", "another"),
        ("[omnitron]", "timezone = 'Europe/Berlin'\n[omnitron]"),
    ],
)
def test_what_does_not_decide_a_level_leaves_the_fingerprint(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    assert print_of(tmp_path, MANY) == print_of(tmp_path, MANY.replace(*change))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("stock = 2", "stock = 3"), {"reading"}),
        (("[sources.columns]", "[sources.rules]\nbuffer = 1\n[sources.columns]"), {"levels"}),
        (
            ("[sources.columns]", "[sources.rules]\nnegative = 'reject'\n[sources.columns]"),
            {"reading"},
        ),
        (
            ("[sources.columns]", "[sources.units]\nAD = 'qty'\n[sources.columns]"),
            {"reading", "levels"},
        ),
        (
            ("[sources.columns]", "[[sources.sku_rules]]\nadd_prefix = 'A'\n[sources.columns]"),
            {"skus"},
        ),
        (("[omnitron]", "stock_lists = { IST = 1 }\n[omnitron]"), {"reading", "levels"}),
    ],
)
def test_the_fingerprint_tells_what_must_be_read_anew_from_what_is_reckoned_anew(
    tmp_path: Path, change: tuple[str, str], told: set[str]
) -> None:
    before, after = (
        parse(print_of(tmp_path, MANY)),
        parse(print_of(tmp_path, MANY.replace(*change))),
    )
    fields = zip(before._fields, before, after, strict=True)
    assert {name for name, was, now in fields if was != now} == told


def test_the_stock_lists_do_not_count_for_a_source_with_one_list(tmp_path: Path) -> None:
    lists = "stock_lists = { IST = 1 }\n"
    assert print_of(tmp_path, MINIMAL) == print_of(tmp_path, lists + MINIMAL)
