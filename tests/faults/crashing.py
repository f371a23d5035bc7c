"""A run of everything that the service does, to be repeated from any of its commands and killed."""

from __future__ import annotations

import copy
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url

from tests.faults.moments import pass_time
from tests.faults.oracle import Scene, Truth, check, check_durable, unrest
from tests.faults.tables import put_back, taken

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from pathlib import Path

    from tests.faults.warm import Fork, Warm
    from worker.sandbox import RunningSandbox

KILLED = -9
PASSWORD = "canary-in-the-coal-mine"
ROUNDS = 12
"""So often a quiet service is looked for after the last step, a minute later each time."""

LEAST_WRITES = 16

_CONFIGURATION = """
instance = "acme"
{database}
[omnitron]
base_url = "{url}"
username = "erp"
requests_per_second = 2000
timeout_seconds = 2
settle_seconds = 1
[[channels]]
id = 5
stock_lists = [1]
poll = "1s"
confirm_within = "7d"
[[sources]]
name = "drop"
type = "csv"
path = "drop"
mode = "delta"
pattern = "*_delta.csv"
full_pattern = "*_full.csv"
ready = "marker"
stable_for = 0
missing = "zero"
stock_list = 1
columns = {{ sku = "sku", stock = "stock" }}
rules = {{ max_reject_ratio = 0.5 }}
guard = {{ first_pull = "hold", max_change_ratio = 1, max_zero_ratio = 1 }}
[[sources]]
name = "erp"
type = "sql"
url = "sqlite:///{erp}"
query = "SELECT sku, stock, at AS cursor_value FROM stock WHERE at >= :cursor"
cursor_type = "integer"
stock_list = 1
guard = {{ first_pull = "apply", max_change_ratio = 1, max_zero_ratio = 1 }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """All that there was before a command was run."""

    command: tuple[str, ...]
    truth: Truth
    ambiguous: int
    omnitron: dict[str, Any]
    files: Path
    tables: dict[str, bytes]


@dataclass
class Place:
    """Where commands run.

    photos: of the time before each command of the script, passages: which points it passed, both
    noted by a rehearsal. chances: where given, each command may die at any point instead.
    """

    warm: Warm
    folder: Path
    ledger: str
    sandbox: RunningSandbox
    kills: int = 0
    ambiguous: int = 0
    truth: Truth = field(default_factory=Truth)
    chances: random.Random | None = None
    photos: list[Photo] = field(default_factory=list)
    passages: list[list[str]] = field(default_factory=list)

    def open(self) -> None:
        """Write the configuration, and let the ERP and Omnitron be there."""
        (self.folder / "drop").mkdir()
        text = _CONFIGURATION.format(
            database=_database(self.ledger), url=self.sandbox.url, erp=self.folder / "erp.db"
        )
        (self.folder / "stocksync.toml").write_text(text)
        self.erp("CREATE TABLE stock (sku TEXT PRIMARY KEY, stock INTEGER, at INTEGER)")
        self.sandbox.reset()
        self.sandbox.add_user("erp", PASSWORD)

    @property
    def scene(self) -> Scene:
        """What the oracle looks at."""
        return Scene(
            ledger=self.ledger,
            sandbox=self.sandbox.url,
            folders=[self.folder],
            canaries=[PASSWORD],
        )

    def run(self, *command: str) -> None:
        """Run a command of the script; where it may die, again and again until it lives."""
        if self.chances is None:
            self._rehearse(command)
        else:
            while self.once(*command, order=f"any:{self.chances.randint(1, 120)}") == KILLED:
                self.died()
        pass_time(self.ledger, 60)

    def _rehearse(self, command: tuple[str, ...]) -> None:
        self.photos.append(self._photo(command))
        code = self.once(*command, order="any:0")
        assert code in {0, 1, 3}, (command, code, self.log.read_text())
        self.passages.append(self._counter.read_text().split())

    def died(self) -> None:
        """It was killed: what the checkpoint says holds at once, and some minutes pass."""
        self.kills += 1
        assert check_durable(self.scene, self.truth) == [], self.log.read_text()[-3000:]
        pass_time(self.ledger, 300)

    def die(self, number: int, *orders: str) -> bool:
        """Repeat a command of the script from its photo, to be killed as ordered; False: it lived.

        orders: one after the other, the later ones while it recovers from those before, which need
        not lead past them. Then it is run to its end and the service until it is quiet, and the
        oracle judges.
        """
        photo = self.photos[number]
        self.put_back(number)
        for n, order in enumerate(orders):
            code = self.once(*photo.command, order=order)
            if code == KILLED:
                self.died()
                continue
            assert code in {0, 1, 2, 3}, (photo.command, code, self.log.read_text()[-3000:])
            if n == 0:
                return False
        code = self.once(*photo.command)
        assert code in {0, 1, 2, 3}, (photo.command, orders, code, self.log.read_text())
        self.judge(orders)
        return True

    def judge(self, *why: object) -> None:
        """Go on until all is quiet, and let the oracle judge."""
        for _ in range(ROUNDS):
            pass_time(self.ledger, 60)
            self.once("sync", "--patience", "0")
            if not unrest(self.scene):
                break
        faults = self.kills + self.ambiguous
        found = check(self.scene, self.truth, extra_posts=faults, minimum=0)
        found += [f"F5 {name} was never put away" for name in self._waiting()]
        assert found == [], (why, found, self.log.read_text()[-3000:])

    def _waiting(self) -> list[str]:
        """Files that lie in the folder though nothing keeps them there."""
        if self.scene.rows("SELECT 1 FROM source WHERE held_pull_id IS NOT NULL"):
            return []
        names = [path.name for path in (self.folder / "drop").iterdir()]
        return sorted(name for name in names if not name.startswith("."))

    def once(self, *command: str, order: str = "", **environment: str) -> int:
        """Run a command to its end, or to the end that was ordered; returns its code."""
        return self.start(*command, order=order, **environment).wait()

    def start(self, *command: str, order: str = "", **environment: str) -> Fork:
        """Start a command."""
        self._counter.unlink(missing_ok=True)
        environment |= {
            "STOCKSYNC_OMNITRON__PASSWORD": PASSWORD,
            "STOCKSYNC_ACTOR": "ayse",
            "STOCKSYNC_FAULT": order and f"{order}@{self._counter}",
        }
        return self.warm.start(*command, folder=self.folder, log=self.log, environment=environment)

    @property
    def log(self) -> Path:
        """What the commands wrote."""
        return self.folder / "stocksync.log"

    @property
    def _counter(self) -> Path:
        return self.folder / "passages"

    def _photo(self, command: tuple[str, ...]) -> Photo:
        files = self.folder.with_name(f"{self.folder.name}.{len(self.photos)}")
        shutil.copytree(self.folder, files)
        return Photo(
            command=command,
            truth=copy.deepcopy(self.truth),
            ambiguous=self.ambiguous,
            omnitron=copy.deepcopy(vars(self.sandbox._world)),
            files=files,
            tables=taken(self.ledger),
        )

    def put_back(self, number: int) -> None:
        """Let everything be as it was before a command of the script."""
        photo, self.kills = self.photos[number], 0
        shutil.rmtree(self.folder)
        shutil.copytree(photo.files, self.folder)
        put_back(self.ledger, photo.tables)
        omnitron = copy.deepcopy(photo.omnitron)
        self.sandbox._ask(lambda: vars(self.sandbox._world).update(omnitron))
        self.truth, self.ambiguous = copy.deepcopy(photo.truth), photo.ambiguous

    def sync(self) -> None:
        """The whole job once."""
        self.run("sync", "--patience", "0")

    def decide(self, word: str) -> None:
        """Approve or discard what is held."""
        [row] = self.scene.rows("SELECT held_pull_id FROM source WHERE name = 'drop'")
        assert row["held_pull_id"], "nothing is held"
        self.run("pulls", word, str(row["held_pull_id"]))

    def drops(self, name: str, content: bytes) -> None:
        """The ERP exports a file, complete with its marker."""
        (self.folder / "drop" / name).write_bytes(content)
        (self.folder / "drop" / f"{name}.ok").touch()

    def says(self, name: str, stocks: Mapping[str, int], *, also: str = "") -> None:
        """It exports a file that will count; also: rows that must be rejected."""
        self.truth.says(stocks, file=name)
        self.truth.rejects(len(also.splitlines()))
        rows = "".join(f"{sku},{stock}\n" for sku, stock in stocks.items())
        self.drops(name, f"sku,stock\n{rows}{also}".encode())

    def books(self, at: int, stocks: Mapping[str, int]) -> None:
        """The ERP commits rows that the SQL source reads."""
        self.truth.says(stocks, cursor=str(at))
        for sku, stock in stocks.items():
            self.erp(f"INSERT OR REPLACE INTO stock VALUES ('{sku}', {stock}, {at})")

    def erp(self, statement: str) -> None:
        """Run a statement in the ERP's own database."""
        with closing(sqlite3.connect(self.folder / "erp.db")) as database, database:
            database.execute(statement)

    def mends(self, name: str, wrong: str, right: int) -> None:
        """A person corrects a rejected row and drops it again."""
        text = (self.folder / "drop" / ".rejected" / name).read_text()
        sku = next(line for line in text.splitlines() if f",{wrong}," in line).split(",")[0]
        self.truth.says({sku: right})
        mended = self.folder / "drop" / name
        mended.write_text(text.replace(f",{wrong},", f",{right},"))


def _database(ledger: str) -> str:
    """The lines of the configuration for a ledger; a user stands apart."""
    url = make_url(ledger)
    user = f'\ndatabase_username = "{url.username}"' if url.username else ""
    return f'database_url = "{url._replace(username=None).render_as_string()}"{user}'


def everything(place: Place) -> None:
    """Pull, hold, approve, discard, deliver, park, doubt, replay, confirm, mend, and move files."""
    _first_load(place)
    _changes(place)
    place.judge()
    written = sum(map(len, place.scene.journal().values()))
    assert written > LEAST_WRITES, "too little happened to prove anything"


def _first_load(place: Place) -> None:
    first = {f"F{number}": 100 + number for number in range(6)}
    place.says("01_full.csv", first, also="BAD,two\n")
    place.books(10, {"S1": 11, "S2": 12})
    place.sync()
    place.decide("approve")
    refusal = {"stock": ["Not today."]}
    place.sandbox.order("status", status=400, body=refusal, method="POST", sku="F1", count=1)
    place.sandbox.order("reset", method="POST", sku="F2", count=1)
    place.ambiguous += 1
    place.sync()
    place.run("failures", "replay", "--all", "--yes")
    place.sync()


def _changes(place: Place) -> None:
    place.says("02_delta.csv", {"F0": 300, "F1": 0}, also="F2,many\n")
    place.books(20, {"S1": 21, "S3": 23})
    place.sync()
    place.mends("02_delta.mended.csv", "many", 302)
    place.drops("03_delta.csv", b"sku,stock\n\xff\xfe,1\n")
    place.sync()
    place.says("04_full.csv", {"F0": 301, "F1": 5, "F2": 400, "F3": 103, "F4": 0})
    place.truth.says({"F5": 0})  # the snapshot does not state it any more
    place.drops("05_full.csv", b"sku,stock\n")
    place.sync()
    place.decide("discard")
    place.books(30, {"S1": 31})
    place.sync()
