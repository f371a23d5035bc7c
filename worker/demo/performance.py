"""One performance: set the stage, start the programs, play the acts, judge, and clear up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from worker.demo import acts, drop, erp
from worker.demo.catalogue import MISSING_PRODUCT, Product, products
from worker.demo.configuration import DROP_FOLDER, ERP_FILE, NAME, configuration
from worker.demo.folder import demo_folder
from worker.demo.judging import judge
from worker.demo.programs import Program, Programs, environment
from worker.demo.remote import Remote, address_in
from worker.demo.scene import Facts, Scene
from worker.demo.screen import Screen
from worker.demo.waiting import DemoFailed, DemoStopped, Waiting
from worker.demo.watch import Watch
from worker.demo.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from worker.demo.drop import Stock
    from worker.demo.options import DemoOptions
    from worker.demo.report import Report

_START_SECONDS = 60.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_DROP_SHARE = 8
"""The files hold one row for so many products of the ERP, and at least `_DROP_LEAST`."""

_DROP_LEAST = 60


class DemoEnded(Exception):  # noqa: N818 - named by what happened
    """A signal ended the demo; everything was cleared up. number: of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by signal {number}")
        self.number = number


def perform(options: DemoOptions, console: Console) -> Report:
    """Play the demo from start to end; the console shows what happens meanwhile.

    Raises DemoEnded after Ctrl-C or SIGTERM, and DemoFailed where something that belongs to the
    story does not happen. In every case no process is left, and no file unless it is to be kept.
    """
    stopped = threading.Event()
    with _until_signalled(stopped) as numbers:
        try:
            with demo_folder(keep=options.keep) as folder:
                return _play(options, console, folder, stopped)
        except DemoStopped as error:
            raise DemoEnded(numbers[0]) from error


def _play(options: DemoOptions, console: Console, folder: Path, stopped: threading.Event) -> Report:
    screen = Screen(console)
    screen.say(f"setting the stage in {folder}")
    with ExitStack() as stack:
        scene = _set(stack, options, screen, folder=folder, stopped=stopped)
        writer = scene.writer
        with screen.following(scene.watch.glance, transactions=lambda: writer.transactions):
            facts = _story(scene)
        return judge(scene, facts)


def _set(
    stack: ExitStack,
    options: DemoOptions,
    screen: Screen,
    *,
    folder: Path,
    stopped: threading.Event,
) -> Scene:
    """Furnish the folder and start everything; the stack ends it in the opposite order."""
    catalogue = products(options.products, seed=options.seed)
    stocks = drop.rows(max(options.products // _DROP_SHARE, _DROP_LEAST), seed=options.seed)
    _furnish(folder, catalogue, stocks)
    programs = _programs(folder)
    sandbox = _started(stack, programs, "sandbox", "sandbox", "--port", "0")
    remote = _opened(sandbox, Waiting(stopped), catalogue, stocks)
    screen.say(f"the sandbox plays Omnitron at {remote.url}")
    (folder / NAME).write_text(configuration(remote.url), encoding="utf-8")
    acts.create_ledger(programs)
    service = _started(stack, programs, "service", "run")
    screen.say("$ stocksync run: broker, workers and beat are starting")
    watch = Watch(folder / NAME)
    stack.callback(watch.close)
    writer = Writer(folder / ERP_FILE, seed=options.seed)
    stack.callback(writer.end)
    return Scene(
        options=options,
        folder=folder,
        programs=programs,
        service=service,
        remote=remote,
        watch=watch,
        writer=writer,
        screen=screen,
        waiting=Waiting(stopped, alive=lambda: _require_all(sandbox, service)),
        stocks=stocks,
    )


def _story(scene: Scene) -> Facts:
    try:
        approval = acts.approve_first_pull(scene)
        acts.open_trade(scene)
        replay = acts.replay_refused(scene)
        second = acts.drop_second_file(scene)
        acts.trade_on(scene, until=approval.at + scene.options.seconds)
        acts.settle(scene)
    except DemoFailed as error:
        raise DemoFailed(
            f"{error}\nthe last lines of the service:\n{scene.service.tail()}"
        ) from error
    scene.screen.say("everything is sent and seen; the service gets SIGTERM")
    code = scene.service.stop()
    scene.screen.say(f"it has ended in order ({code})")
    return Facts(approval=approval, replay=replay, second=second, service_code=code)


def _furnish(folder: Path, catalogue: Sequence[Product], stocks: Sequence[Stock]) -> None:
    """Lay out what is there before anything runs: the ERP and the first export."""
    erp.create(folder / ERP_FILE, catalogue)
    (folder / DROP_FOLDER).mkdir()
    drop.drop(folder / DROP_FOLDER, acts.FIRST_FILE, stocks)


def _programs(folder: Path) -> Programs:
    scratch = folder / "tmp"
    scratch.mkdir()
    return Programs(
        folder=folder,
        environment=environment(os.environ, config=folder / NAME, scratch=scratch),
    )


def _started(stack: ExitStack, programs: Programs, name: str, *words: str) -> Program:
    program = programs.start(name, *words)
    stack.callback(program.stop)
    return program


def _opened(
    sandbox: Program, waiting: Waiting, catalogue: Sequence[Product], stocks: Sequence[Stock]
) -> Remote:
    """Wait for the sandbox, and tell it what Omnitron knows: all products but one."""

    def address() -> str:
        sandbox.require()
        return address_in(sandbox.log)

    remote = Remote(waiting.until("the sandbox listens", address, seconds=_START_SECONDS))
    known = {item.sku for item in catalogue} | {stock.sku for stock in stocks}
    remote.open(known - {MISSING_PRODUCT})
    return remote


def _require_all(*running: Program) -> None:
    for program in running:
        program.require()


@contextlib.contextmanager
def _until_signalled(stopped: threading.Event) -> Iterator[list[int]]:
    """Let a signal set ``stopped`` instead of tearing the demo apart; yields which one came."""
    numbers: list[int] = []

    def stop(number: int, _frame: object) -> None:
        numbers.append(number)
        stopped.set()

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield numbers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
