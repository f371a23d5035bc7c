"""The process is killed between any two effects, and nothing is lost, doubled or outdated.

Most tests repeat commands of a rehearsed script (`crashing.everything`) and kill them at a crash
point; then the command is run again, the service until it is quiet, and the oracle judges from
outside. The letters are those of the page of faults.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from connectors.fault import Point
from tests.databases import fresh_database
from tests.faults.crashing import KILLED, Place, everything
from tests.faults.oracle import check_durable
from tests.faults.warm import Warm, warm_interpreter
from tests.integration.ledgers import migrated
from tests.processes import broker_server, until
from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.databases import Server

FAULTS = {
    "p1-after-reading-the-source": [(Point.READ,)],
    "p2-around-a-commit": [(Point.COMMIT, Point.COMMITTED, Point.ENDING)],
    "p4-between-claim-and-request": [(Point.CLAIMED, Point.SENDING)],
    "p5-before-the-answer-is-read": [(Point.LEFT,)],
    "p6-p7-after-an-answer-of-a-batch": [(Point.ANSWERED,)],
    "p8-after-a-page-of-a-channel": [(Point.PAGE,)],
    "f5-while-a-file-is-moved": [(Point.REASON, Point.MOVING, Point.MOVED), (Point.ASIDE,)],
}
"""What is killed where: at the first point of a row, then while it recovers at the next one.

p3 and p9 have tests of their own.
"""

SCRIPTED = {point for rows in FAULTS.values() for row in rows for point in row}
BELL = {Point.RINGING, Point.RUNG}
SEED = random.randrange(1_000_000)

Passage = tuple[int, Point, int]
"""Which command of the script, which point, and its how manieth passage in it."""


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with warm_interpreter() as interpreter:
        yield interpreter


@contextlib.contextmanager
def opened(warm: Warm, folder: Path, ledger: str = "") -> Iterator[Place]:
    """A place to work in; the ledger is a file in it unless an address is given."""
    root = folder / "work"
    root.mkdir()
    with RunningSandbox() as sandbox:
        place = Place(warm, root, migrated(ledger or f"sqlite:///{root / 'ledger.db'}"), sandbox)
        place.open()
        yield place


@pytest.fixture(scope="module")
def on_sqlite(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(warm, tmp_path_factory.mktemp("sqlite")) as place:
        everything(place)
        yield place


@pytest.fixture(scope="module")
def on_postgres(
    warm: Warm, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with opened(warm, tmp_path_factory.mktemp("pg"), fresh_database(postgres)) as place:
        everything(place)
        yield place


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, warm: Warm, tmp_path: Path) -> Iterator[Place]:
    """A place in which nothing has happened yet, once on each database."""
    postgres = request.param == "postgresql"
    ledger = fresh_database(request.getfixturevalue("postgres")) if postgres else ""
    with opened(warm, tmp_path, ledger) as place:
        yield place


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    """The rehearsed place, once on each database."""
    name = "on_sqlite" if request.param == "sqlite" else "on_postgres"
    found: Place = request.getfixturevalue(name)
    return found


def tell(*what: str) -> None:
    """Pytest shows it where the test fails."""
    sys.stdout.write(f"seed {SEED}: {', '.join(what)}\n")


def passages(place: Place) -> Iterator[Passage]:
    """Every passage of the rehearsal."""
    for number, passed in enumerate(place.passages):
        for point in dict.fromkeys(passed):
            yield from ((number, Point(point), k) for k in range(1, passed.count(point) + 1))


def drawn(place: Place, *points: Point, within: int | None = None) -> Passage:
    """One passage of these points, by the seed; within: in that command of the script."""
    chances = random.Random(f"{SEED} {points}")
    among = [one for one in passages(place) if one[1] in points and within in {None, one[0]}]
    return chances.choice(among)


def dies(place: Place, passage: Passage, *later: str) -> None:
    """Kill a command at a passage of its rehearsal, and then as ordered."""
    number, point, k = passage
    tell(f"{' '.join(place.photos[number].command)} is killed at {point}:{k}", *later)
    assert place.die(number, f"{point}:{k}", *later), "it was passed in the rehearsal"


def stage(place: Place, *words: str) -> int:
    """The number of the command of the script that starts with these words."""
    commands = [photo.command for photo in place.photos]
    return next(n for n, command in enumerate(commands) if command[: len(words)] == words)


def test_the_script_and_the_bell_pass_every_crash_point(on_sqlite: Place) -> None:
    passed = {point for _, point, _ in passages(on_sqlite)}
    assert passed == SCRIPTED
    assert passed | BELL == set(Point)


@pytest.mark.parametrize("fault", FAULTS)
def test_killed_and_killed_again_the_next_run_makes_it_good(on_sqlite: Place, fault: str) -> None:
    for first, *later in FAULTS[fault]:
        dies(on_sqlite, drawn(on_sqlite, first), *(f"{point}:1" for point in later))


@pytest.mark.thorough
@pytest.mark.parametrize("fault", FAULTS)
def test_killed_at_each_passage_until_a_run_goes_through(place: Place, fault: str) -> None:
    for number, passed in enumerate(place.passages):
        for point in (point for row in FAULTS[fault] for point in row):
            k = 1
            while place.die(number, f"{point}:{k}"):
                k += 1
            assert k > passed.count(point)


@pytest.mark.thorough
def test_killed_again_at_each_step_of_the_recovery(place: Place) -> None:
    chances = random.Random(SEED)
    for number, point, k in chances.sample(list(passages(place)), 20):
        dies(place, (number, point, k), f"any:{chances.randint(1, 30)}", "any:5")


DECISIONS = [("pulls", "approve"), ("pulls", "discard"), ("failures", "replay")]


def carried_out_once(place: Place, *words: str) -> bool:
    """Whether a person's command, given once more after it was killed, had its effect once."""
    held = place.scene.rows("SELECT name FROM source WHERE held_pull_id IS NOT NULL")
    if words[0] == "pulls":
        return held == []
    return [entry["stock"] for entry in place.scene.journal()[1, "F1"]] == [101]


@pytest.mark.parametrize("words", DECISIONS, ids=" ".join)
def test_p9_what_a_person_decides_happens_once_though_it_was_interrupted(
    on_sqlite: Place, words: tuple[str, str]
) -> None:
    number = stage(on_sqlite, *words)
    dies(on_sqlite, drawn(on_sqlite, Point.COMMITTED, within=number))
    assert carried_out_once(on_sqlite, *words)


@pytest.mark.thorough
@pytest.mark.parametrize("words", DECISIONS, ids=" ".join)
def test_p9_what_a_person_decides_happens_once_wherever_it_was_interrupted(
    place: Place, words: tuple[str, str]
) -> None:
    number, k = stage(place, *words), 1
    while place.die(number, f"any:{k}"):
        assert carried_out_once(place, *words)
        k += 1


def test_p5_killed_before_omnitron_has_answered_the_current_value_goes_again(
    on_sqlite: Place,
) -> None:
    place, number = on_sqlite, stage(on_sqlite, "failures", "replay") + 2
    place.put_back(number)
    before = len(place.sandbox.journal())
    place.sandbox.order("delay", method="POST", path="*product_stock*", before=0.5)
    fork = place.start(*place.photos[number].command)
    until(lambda: place.sandbox.faults()[-1]["struck"])
    os.kill(fork.pid, signal.SIGKILL)
    assert fork.wait() == KILLED
    until(lambda: len(place.sandbox.journal()) > before)
    until(lambda: not place.sandbox.stats()["in_flight"])
    place.sandbox.lift()
    place.died()
    place.judge()


@pytest.mark.parametrize("point", sorted(BELL))
def test_p3_killed_beside_the_bell_the_next_tick_finds_the_work(
    on_sqlite: Place, tmp_path: Path, point: Point
) -> None:
    place, number = on_sqlite, stage(on_sqlite, "failures", "replay") + 2
    place.put_back(number)
    with broker_server(tmp_path) as (broker, _):
        does = working(place, broker.url)
        assert does("pull", "drop", order=f"{point}:1") == KILLED
        place.died()
        assert place.scene.rows("SELECT 1 FROM level WHERE revision > sent_revision") != []
        for task, *arguments in (("deliver",), ("pull", "drop"), ("pull", "erp")):
            assert does(task, *arguments) == 0
        assert does("deliver") == 0
        assert place.scene.rows("SELECT 1 FROM level WHERE revision > sent_revision") == []
    place.judge()


def working(place: Place, broker: str) -> Callable[..., int]:
    """What does a task as a worker's child, beside this broker."""

    def does(*task: str, order: str = "") -> int:
        command = ("tests.faults.working:work", *task)
        return place.once(*command, order=order, BROKER=broker)

    return does


@pytest.mark.thorough
@pytest.mark.parametrize("number", range(3))
def test_a_life_full_of_crashes_ends_well(fresh: Place, number: int) -> None:
    tell(f"life {number}")
    fresh.chances = random.Random(SEED + number)
    everything(fresh)
    assert fresh.kills > 3
    assert check_durable(fresh.scene, fresh.truth) == []
