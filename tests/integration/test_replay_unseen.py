"""What a channel has not come to show in time is sent once more when a person says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import Desk, sent
from tests.integration.scenes import change, level_of, open_failures, say
from worker.ledger import confirmations, crowds
from worker.model import Key
from worker.replay import Choice, choose, replay

if TYPE_CHECKING:
    from worker.replay import Chosen
    from worker.sandbox import RunningSandbox

A, B = Key(1, "A"), Key(1, "B")


@pytest.fixture
def unseen(desk: Desk, sandbox: RunningSandbox) -> Desk:
    """A desk whose channel has not come to show A and B, which were sent."""
    fault = sandbox.order("unpropagated")
    say(desk.ledger, {"A": 5, "B": 6})
    desk.deliver()
    desk.poll()
    desk.clock.forward(600)
    desk.poll()
    sandbox.lift(fault)
    assert desk.confirmed() == {"unconfirmed": 2}
    return desk


def chosen(desk: Desk) -> Chosen:
    with desk.ledger.read() as connection:
        return choose(connection, Choice(reason="unconfirmed"))


def again(desk: Desk, choice: Chosen) -> dict[str, str]:
    done = replay(desk.ledger, choice.keys, actor="tester", subject="test", unseen=choice.unseen)
    return {one.key.sku: one.answer.value for one in done}


def test_it_goes_in_a_revision_of_its_own_and_is_confirmed(
    unseen: Desk, sandbox: RunningSandbox
) -> None:
    assert again(unseen, chosen(unseen)) == {"A": "replayed", "B": "replayed"}
    assert level_of(unseen.ledger, "A").revision == 2
    unseen.deliver()
    assert sent(sandbox, "A") == [5, 5]
    unseen.poll()
    assert unseen.confirmed() == {"confirmed": 2}
    assert open_failures(unseen.ledger) == []


def test_twice_changes_nothing(unseen: Desk, sandbox: RunningSandbox) -> None:
    choice = chosen(unseen)
    again(unseen, choice)
    assert set(again(unseen, choice).values()) == {"waiting"}
    unseen.deliver()
    assert set(again(unseen, choice).values()) == {"already_sent"}
    assert chosen(unseen).keys == []
    assert unseen.deliver().delivered.sent == 0


def test_what_the_erp_has_changed_meanwhile_goes_as_it_is(
    unseen: Desk, sandbox: RunningSandbox
) -> None:
    choice = chosen(unseen)
    say(unseen.ledger, {"A": 9})
    assert again(unseen, choice) == {"A": "waiting", "B": "replayed"}
    unseen.deliver()
    assert sent(sandbox, "A") == [5, 9]


def test_what_no_source_feeds_any_more_is_not_sent(unseen: Desk) -> None:
    change(unseen.ledger, "A", retired=True)
    assert again(unseen, chosen(unseen)) == {"A": "already_sent", "B": "replayed"}


def test_the_one_failure_about_it_stands_for_every_such_key(unseen: Desk) -> None:
    (failure,) = open_failures(unseen.ledger)
    assert failure.occurrences == 2
    with unseen.ledger.read() as connection:
        assert [level.key for level in crowds.levels_of(connection, failure)] == [A, B]


def test_what_somebody_else_wrote_is_listed_and_not_fought(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5})
    desk.deliver()
    row = desk.confirmation("A")
    earlier = row._replace(posted_at=(row.posted_at or 0.0) - 60)
    desk.ledger.write(lambda tx: confirmations.save(tx, [earlier]))
    sandbox.edit("A", 8)
    desk.poll()
    assert desk.confirmed() == {"overwritten": 1}
    with desk.ledger.read() as connection:
        choice = choose(connection, Choice(reason="overwritten"))
        assert [f.reason for f in choice.others] == ["overwritten"]
        assert [level.key for level in crowds.levels_of(connection, choice.others[0])] == [A]
    assert choice.keys == []
