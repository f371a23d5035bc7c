"""What a person did, in one line."""

import pytest

from worker.deeds import done_by
from worker.ledger.events import Event


@pytest.mark.parametrize(
    ("action", "subject", "detail", "line"),
    [
        ("pause", "target", {"until": 9, "raises_only": False}, "pause target until 9"),
        (
            "pause",
            "target",
            {"until": 9, "raises_only": True},
            "pause target until 9, increases only",
        ),
        ("resume", "target", {"was": "down"}, "resume target which was down"),
        (
            "rebind",
            "target",
            {"kind": "moved", "was": "http://a", "now_is": "http://b"},
            "rebind target to http://b, as moved, which was http://a",
        ),
        ("rewind", "source drop", {"cursor": ""}, "rewind source drop to its beginning"),
        ("rewind", "source drop", {"cursor": "a.csv"}, "rewind source drop to a.csv"),
        ("rename", "source new", {"was": "old"}, "rename source new which was old"),
        ("retire", "source drop", {"levels": "zero"}, "retire source drop --zero"),
        ("discard", "pull 3", {"skip": True}, "discard pull 3 --skip"),
        ("dismiss", "failure 4", {"why": "sold out"}, "dismiss failure 4 sold out"),
        (
            "override",
            "level 1/A",
            {"stock": 0, "until": 9, "why": "recall"},
            "override level 1/A to 0, until 9, recall",
        ),
        ("clear override", "level 1/A", {"stock": 0}, "clear override level 1/A"),
        (
            "replay",
            "failures 1, 2 and 300 more",
            {"failures": [1, 2], "replayed": 2},
            "replay failures 1, 2 and 300 more all numbers with --json",
        ),
    ],
)
def test_it_says_who_did_what_to_what_how_and_why(
    action: str, subject: str, detail: dict[str, object], line: str
) -> None:
    event = Event(1, 5.0, "ayse", action, subject, detail)
    assert done_by(event, when=str) == f"ayse: {line}"
