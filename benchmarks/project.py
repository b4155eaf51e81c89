"""Projects with many runs against their budgets: opening, saving, and what an autosave takes from the window.

    python -m benchmarks.project [--runs 50] [--layers 54] [--repeats 9]

The project is made of the bundled sample and synthetic runs, each with a plan and outcomes of `--layers` layers, a
benchmark with its whole distribution, and a note. *Read* is the file alone; *open* is the real window, offscreen,
from `open_path` to the painted History page, the sample's model and its worker included (warm). *Snapshot* is what
an autosave does in the window's own thread; *late* is how late that thread's timer came while autosaves were
written on theirs. Medians and the slowest of the repeats, wall clock.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from engine.numerics.schemes import Kernel, WeightScheme
from engine.plan import LayerPlan, Plan
from engine.project.file import ProjectEncoder, load_project, save_project
from engine.project.project import Project, WindowState
from engine.project.runs import Run
from engine.requests.benchmark import BenchmarkPoint
from engine.requests.conversion import ConvertResult, Evaluation, LayerOutcome
from gui.app import SWITCH_INTERVAL_S, build_main_window
from gui.main_window import MainWindow
from gui.project.snapshot import Unknown, take_snapshot

OPEN_S, GUI_MS, TIMER_MS, WATCHED_S = 1.0, 10.0, 5, 3.0


def build_runs(count: int, layers: int, plan: Plan, folder: Path) -> tuple[Run, ...]:
    """Runs that differ in everything, so that nothing compresses away."""
    names = [f"model.layer{at // 10}.{at % 10}.conv" for at in range(layers)]
    runs = []
    for number in range(1, count + 1):
        output = str(folder / f"net-{number}.onnx")
        Path(output).write_bytes(bytes(10))
        bits = {name: (8, 4, 2)[(at * number) % 3] for at, name in enumerate(names)}
        choices = {name: LayerPlan(WeightScheme(bits=value), Kernel.QLINEAR) for name, value in bits.items()}
        outcomes = tuple(LayerOutcome(name, value, "qlinear", is_integer=True) for name, value in bits.items())
        times = tuple(0.5 + number / 1000 + at / 997 for at in range(200))
        latency = {"p50": times[99], "p90": times[179], "p99": times[197]}
        runs.append(
            Run(
                ConvertResult(output, 10, 10, 40, 30.0 + number / 7, 60.0, 32, outcomes),
                dataclasses.replace(plan, layers={**plan.layers, **choices}),
                5.0,
                id=f"run{number}",
                number=number,
                created="2026-01-02T03:04:05+00:00",
                parent=f"run{number - 1}" if number > 1 else "",
                evaluation=Evaluation(output, None, 500, top1=98.0, sqnr_db=30.0),
                benchmark=BenchmarkPoint(output, 10, latency, 1000.0, 2.0, None, 500, times),
                note=f"note {number}",
            )
        )
    return tuple(runs)


def wait(condition: Callable[[], bool]) -> None:
    """Run the event loop until something holds."""
    loop = QEventLoop()
    timer = QTimer(interval=1)
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start()
    loop.exec()


def time_it(work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of every repeat."""
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return found


def show(name: str, seconds: list[float], limit_ms: float | None = None) -> None:
    """One line of the table."""
    limit = f"   (at most {limit_ms:.0f} ms)" if limit_ms else ""
    print(f"{name:<34}{1000 * statistics.median(seconds):>9.2f} ms{1000 * max(seconds):>9.2f} ms{limit}")


def open_window() -> MainWindow:
    """A window with the sample, its data and a warm worker."""
    window = build_main_window()
    window.show()
    window.open_sample()
    wait(lambda: window.session.data is not None and not window.runner.is_busy)
    return window


def open_project(window: MainWindow, path: Path) -> None:
    """From the user's click to painted pixels."""
    opened: list[Project] = []
    connection = window.desk.opened.connect(opened.append)
    window.open_path(str(path))
    wait(lambda: bool(opened))
    window.desk.disconnect(connection)
    window.tabs.setCurrentWidget(window.history_page)
    window.grab()


def watch_autosaves(window: MainWindow) -> list[float]:
    """How late a timer comes while runs are changed and saved on the side, in seconds."""
    late: list[float] = []
    expected = [time.perf_counter() + TIMER_MS / 1000]

    def tick() -> None:
        now = time.perf_counter()
        late.append(max(now - expected[0], 0.0))
        expected[0] = now + TIMER_MS / 1000

    timer = QTimer(interval=TIMER_MS)
    timer.timeout.connect(tick)
    timer.start()
    until = time.perf_counter() + WATCHED_S
    saver = QTimer(interval=200)
    saver.timeout.connect(window.desk._autosave)  # noqa: SLF001
    saver.start()
    wait(lambda: time.perf_counter() > until)
    timer.stop()
    saver.stop()
    return sorted(late)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--layers", type=int, default=54)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bitsmith-benchmark-", ignore_cleanup_errors=True) as work:
        for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
            os.environ[variable] = work
        for kind in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
            QSettings.setPath(kind, QSettings.Scope.UserScope, work)
        measure(Path(work), args.runs, args.layers, args.repeats)


def measure(folder: Path, count: int, layers: int, repeats: int) -> None:
    """Run everything in this folder."""
    application = QApplication(sys.argv[:1])
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    window = open_window()
    session, path = window.session, folder / "p.bitsmith"
    assert session.plan is not None
    plain = take_snapshot(session, session.plan, WindowState(), Unknown())
    runs = build_runs(count, layers, session.plan, folder)
    project = dataclasses.replace(plain, runs=runs, runs_made=len(runs))
    encoder = ProjectEncoder()
    print(f"{count} runs of {layers} layers{'median':>28}{'slowest':>12}")
    show("save, everything new", time_it(lambda: save_project(project, path, ProjectEncoder()), repeats))
    save_project(project, path, encoder)
    show("save, one thing changed", time_it(lambda: save_project(project, path, encoder), repeats))
    show("read", time_it(lambda: load_project(path, folder), repeats))
    show("open in the window", time_it(lambda: open_project(window, path), repeats), 1000 * OPEN_S)
    baseline = session.plan
    seconds = time_it(lambda: take_snapshot(session, baseline, WindowState(), Unknown()), repeats)
    show("snapshot for an autosave", seconds, GUI_MS)
    session.change_run(dataclasses.replace(session.history[0], note="changed"))
    late = watch_autosaves(window)
    show("timer late during autosaves, p99", [late[int(len(late) * 0.99)]], 16)
    print(f"file: {path.stat().st_size / 1000:.0f} kB")
    window.desk.path = None
    window.close()
    application.processEvents()


if __name__ == "__main__":
    main()
