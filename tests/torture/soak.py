"""A sweep of thousands of runs, disturbed for many minutes, while others read.

Two sweeps train the same study. One is left alone: it is what the other must come to, and its
memory and open files must not grow. The other is killed, interrupted, loses its disk and its
folders. All the while a process lists, compares and shows the runs of both, and another those of
a folder that does not change.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread

if __name__ == "__main__":  # the process that reads
    sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
    sys.path.insert(1, str(Path(__file__).resolve().parents[2]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "study"))

from scenes import Figures, whole
from sweeping import BOUND, contents, finish, running, start, workers, write_study

from nnexp.cli import cli

SEEDS = 10_000
# Seeds that the disturbed sweep gets whenever it has come to its end.
MORE = 100
STUDY = f"""\
name: study
base:
  data: {{path: points.csv, target: kind}}
  layers: [2, 3, 2]
  eta: 0.5
  epochs: 8
  dropout: 0.2
  momentum: 0.5
arms:
  quadratic: {{cost: quadratic}}
  entropy: {{}}
seeds: 0-{SEEDS - 1}
"""
DISK = 2 << 30
# Bytes of memory that a process may grow by, from the second quarter of the time to the last, for
# each run that was added: a sweep keeps how each ended, `compare` what it has read of each. The
# worker and who reads the same runs again and again have nothing to keep.
PER_RUN = {"sweep": 6_000, "worker": 0, "reader": 60_000, "reader of the same runs": 0}
AT_ALL = 8_000_000
# Fewer measurements, one in two seconds, are of processes that have only begun.
SAMPLES = 100
EARLY = {-signal.SIGINT, -signal.SIGTERM}
# Problems after which there is nothing more to learn.
MOST = 10
# What commands print: Click keeps every stdout it ever saw, so it is always the same.
_OUT = StringIO()
# Seconds between two looks at the logs.
PAUSE = 0.05


@dataclass
class Soak(Figures):
    """What came of many minutes.

    Attributes:
        minutes: that it took.
        killed: times that the sweep, its first process or one of its workers was killed.
        interrupted: times that it was interrupted.
        full: times that its disk was full.
        moved: times that its folder, or a run's, was moved away and brought back.
        runs: run folders of it compared with those of the sweep that was left alone.
        rows: that a reader had seen, looked for at the end.
        lost: those that were gone.
        readings: of both runs folders by list, compare and show.
        kilobytes_per_run: that each of the processes grew by for each run that was added.
        megabytes_more: that each had at the end, compared with the second quarter of the time.
        files_more: that each had open at the end.
    """

    minutes: float = 0.0
    killed: int = 0
    interrupted: int = 0
    full: int = 0
    moved: int = 0
    runs: int = 0
    rows: int = 0
    lost: int = 0
    readings: int = 0
    kilobytes_per_run: dict[str, float] = field(default_factory=dict)
    megabytes_more: dict[str, float] = field(default_factory=dict)
    files_more: dict[str, int] = field(default_factory=dict)


def soak(minutes: float) -> Soak:
    """Disturb a sweep for so long, then compare what it has come to with one left alone."""
    began, figures, chance = time.monotonic(), Soak(), Random(0)  # noqa: S311
    end = began + 60 * minutes
    with TemporaryDirectory(prefix="nnexp-soak-") as root, _disk(Path(root, "disk")) as resize:
        place = Path(root)
        study = write_study(place, STUDY)
        runs, quiet = place / "disk" / "runs", place / "quiet"
        finish(start(study, "--runs-dir", "fixed", "--seeds", f"0-{MORE - 1}", "-q"))
        with ExitStack() as stack:
            calm = stack.enter_context(
                running(study, "--runs-dir", quiet, "--jobs", "1", "--quiet", "--yes")
            )
            reader = stack.enter_context(_reading(runs, quiet))
            again = stack.enter_context(_reading(place / "fixed"))
            processes = {"sweep": calm, "reader": reader, "reader of the same runs": again}
            watch = _Watch(runs / "study", quiet / "study", processes)
            watch.start()
            sweep = _Disturbed(study, runs, resize, chance, figures)
            while time.monotonic() < end and len(figures.problems) < MOST:
                sweep.disturb()
                for name, process in processes.items():
                    if process.poll() is not None:
                        figures.problems.append(f"{name} ended: {process.communicate()[1][-2000:]}")
            watch.stop()
            for name, process in processes.items():
                if process.poll() is None:
                    process.send_signal(signal.SIGINT if name == "sweep" else signal.SIGTERM)
                    out, err = process.communicate(timeout=BOUND)
                    if process.returncode != (130 if name == "sweep" else 0):
                        figures.problems.append(f"{name} ended: {err[-2000:]}")
                    elif name != "sweep":
                        figures.readings += int(out)
        for folder in (runs, quiet):  # what is complete is left alone
            with running(study, "--runs-dir", folder, "--seeds", sweep.seeds, "-qy") as process:
                _, err = process.communicate(timeout=60 * minutes + BOUND)
            if process.returncode:
                figures.problems.append(f"exit code {process.returncode}: {err[-2000:]}")
        _compare(contents(runs / "study"), contents(quiet / "study"), figures)
        watch.judge(figures)
    figures.minutes = round((time.monotonic() - began) / 60, 1)
    return figures


def _compare(result: Mapping[str, object], expected: Mapping[str, object], figures: Soak) -> None:
    names = [name for name in result if name != "study.json"]
    figures.runs = len(names)
    for name in names:
        files = result[name]
        if files != expected.get(name):
            figures.bytes_differing += 1
            figures.problems.append(f"{name} is not as undisturbed")


class _Disturbed:
    """The sweep that is begun again and again, each time to be disturbed in one of the ways."""

    def __init__(
        self,
        study: Path,
        runs: Path,
        resize: Callable[[int], None] | None,
        chance: Random,
        figures: Soak,
    ) -> None:
        self.study, self.runs, self.chance, self.figures = study, runs, chance, figures
        self.resize = resize
        self.folder, self.away = runs / "study", runs.parent / "away"
        self.most = MORE
        self.begun = 0
        self.ways = [self._kill, self._interrupt, self._move, self._move_run]
        if resize:
            self.ways.append(self._fill)

    @property
    def seeds(self) -> str:
        """The seeds that it has come to."""
        return f"0-{self.most - 1}"

    def disturb(self) -> None:
        """Begin or continue it; disturb it after some seconds; check how it ended."""
        self.begun = time.time_ns()
        with running(self.study, "--runs-dir", self.runs, "--seeds", self.seeds, "-qy") as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.chance.uniform(0.5, 6))
            if process.poll() is None:
                expected, undo = self.chance.choice(self.ways)(process)
            else:
                expected, undo = {0}, lambda: None
            try:
                _, err = process.communicate(timeout=BOUND)
            except subprocess.TimeoutExpired:
                self.figures.problems.append("a sweep has not ended")
                return
            finally:
                undo()
        # One that had ended before it was disturbed has all its runs; one that had not yet begun
        # is ended by the system.
        if process.returncode == 0:
            self.most = min(SEEDS, self.most + MORE)
        elif process.returncode not in expected | EARLY or "Traceback" in err:
            self.figures.problems.append(f"exit code {process.returncode}: {err[-2000:]}")

    def _kill(self, process: subprocess.Popen[str]) -> tuple[set[int], Callable[[], None]]:
        whom = self.chance.choice(["all", "first", "worker"])
        self.figures.killed += 1
        victims = workers(process) if whom == "worker" else []
        with suppress(ProcessLookupError):
            if victims:
                os.kill(self.chance.choice(victims), signal.SIGKILL)
            elif whom == "first":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        return {-signal.SIGKILL, 1}, lambda: None

    def _interrupt(self, process: subprocess.Popen[str]) -> tuple[set[int], Callable[[], None]]:
        self.figures.interrupted += 1
        process.send_signal(self.chance.choice([signal.SIGINT, signal.SIGTERM]))
        return {130}, lambda: None

    def _fill(self, process: subprocess.Popen[str]) -> tuple[set[int], Callable[[], None]]:
        """Leave no room on the disk but some pages, until the sweep has ended."""
        assert self.resize
        self.figures.full += 1
        status = os.statvfs(self.runs)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        resize = self.resize
        with suppress(subprocess.CalledProcessError):  # more was written meanwhile
            resize(used + status.f_frsize * self.chance.randint(8, 60))
        return {1}, lambda: resize(DISK)

    def _move(self, process: subprocess.Popen[str]) -> tuple[set[int], Callable[[], None]]:
        """Move the study's folder away; bring it back when the sweep has ended."""
        while process.poll() is None and not self._has_begun(process):
            time.sleep(0.01)
        if not self.folder.exists():
            return self._interrupt(process)
        self.figures.moved += 1
        self.folder.rename(self.away)
        return {1}, lambda: self._bring_back(self.folder)

    def _has_begun(self, process: subprocess.Popen[str]) -> bool:
        """Tell whether the sweep has its folder: before, it may make another."""
        with suppress(OSError):
            descriptors = Path(f"/proc/{process.pid}/fd").iterdir()
            return any(link.readlink() == self.folder for link in descriptors)
        return False

    def _move_run(self, process: subprocess.Popen[str]) -> tuple[set[int], Callable[[], None]]:
        """Move the folder of a run away that this sweep has begun, and maybe completed."""
        records = self.folder.glob("[!.]*/run.json")
        written = {path: path.stat().st_mtime_ns for path in records}
        newest = sorted(
            (path for path in written if written[path] > self.begun), key=lambda path: written[path]
        )
        if not newest:
            return self._interrupt(process)
        self.figures.moved += 1
        folder = self.chance.choice(newest[-3:]).parent
        folder.rename(self.away)
        time.sleep(self.chance.uniform(0, 1))
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        return {1, 130}, lambda: self._bring_back(folder)

    def _bring_back(self, folder: Path) -> None:
        if folder.exists():
            self.figures.problems.append(f"{folder.name} was made anew where it had been moved")
            shutil.rmtree(folder)
        self.away.rename(folder)


@contextmanager
def _disk(place: Path) -> Iterator[Callable[[int], None] | None]:
    """Mount a file system whose size can be changed; give what changes it, or None if forbidden."""
    place.mkdir()

    def mount(*words: str) -> None:
        subprocess.run(["mount", *words, str(place)], check=True, capture_output=True)

    try:
        mount("-t", "tmpfs", "-o", f"size={DISK}", "tmpfs")
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield lambda size: mount("-o", f"remount,size={size}")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)


@dataclass(frozen=True)
class _Sample:
    """The memory and open files of a process, and the runs it has to do with."""

    bytes: int
    files: int
    runs: int


class _Watch(Thread):
    """Reads logs as they grow, and how much memory and how many files the processes have."""

    def __init__(
        self, folder: Path, quiet: Path, processes: dict[str, subprocess.Popen[str]]
    ) -> None:
        super().__init__(daemon=True)
        self.folder, self.quiet, self.processes = folder, quiet, processes
        self.seen: dict[str, bytes] = {}
        self.samples: dict[str, list[_Sample]] = {}
        self.problems: list[str] = []
        self._ended, self._chance = Event(), Random(1)  # noqa: S311

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Read until it is stopped."""
        passes = 0
        while not self._ended.wait(PAUSE):
            with suppress(OSError):
                names = sorted(path.name for path in self.folder.glob("[!.]*-s*"))
                for name in self._chance.sample(names, min(20, len(names))):
                    with suppress(OSError):
                        self._look(name)
            if passes % 40 == 0:
                self._measure()
            passes += 1

    def _look(self, name: str) -> None:
        log = whole((self.folder / name / "metrics.csv").read_bytes())
        before = self.seen.get(name, b"")
        if log.startswith(before):
            self.seen[name] = log
        elif not before.startswith(log):
            self.problems.append(f"{name}: other rows than a reader had seen")

    def _measure(self) -> None:
        pids = {name: process.pid for name, process in self.processes.items()}
        for child in _children(pids["sweep"]):
            pids["worker"] = child
        runs = sum(len(list(path.glob("[!.]*-s*"))) for path in (self.folder, self.quiet))
        for name, pid in pids.items():
            with suppress(OSError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                sample = _Sample(pages * os.sysconf("SC_PAGE_SIZE"), files, runs)
                self.samples.setdefault(name, []).append(sample)

    def judge(self, figures: Soak) -> None:
        """Look for the rows again; say what has grown."""
        figures.problems += self.problems
        for name, before in self.seen.items():
            figures.rows += before.count(b"\n")
            if not whole((self.folder / name / "metrics.csv").read_bytes()).startswith(before):
                figures.lost += before.count(b"\n")
                figures.problems.append(f"{name}: rows that a reader had seen are gone")
        for name, samples in self.samples.items():
            quarter = len(samples) // 4
            early, late = samples[quarter : 2 * quarter], samples[-quarter:]
            if not quarter:
                continue
            growth, files, runs = (
                median(getattr(sample, key) for sample in late)
                - median(getattr(sample, key) for sample in early)
                for key in ("bytes", "files", "runs")
            )
            figures.kilobytes_per_run[name] = round(growth / max(runs, 1) / 1000, 2)
            figures.megabytes_more[name] = round(growth / 1e6, 1)
            figures.files_more[name] = round(files)
            if len(samples) < SAMPLES:
                continue
            if growth > AT_ALL + PER_RUN[name] * runs:
                figures.problems.append(f"{name}: {growth:.0f} bytes more for {runs:.0f} runs")
            if files > 2:
                figures.problems.append(f"{name}: {files:.0f} more files are open")


def _children(pid: int) -> list[int]:
    """Return the workers of a sweep."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [
            int(word)
            for word in words
            if b"spawn_main" in Path(f"/proc/{word}/cmdline").read_bytes()
        ]
    return []


@contextmanager
def _reading(*places: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that reads these runs folders until it is terminated."""
    with subprocess.Popen(
        [sys.executable, __file__, *map(str, places)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _read(places: list[Path]) -> None:
    """List, compare and show runs until terminated, then print how often; no bug may arise."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    readings = complete = most = 0
    while not ended:
        for place in places:
            for words in (["list", "--json"], ["compare"], ["show", "latest"]):
                code, text = _call(*words, "--runs-dir", str(place))
                if code not in (0, 1):
                    sys.exit(f"{words}: exit code {code}")
                readings += 1
                if words[0] == "list" and code == 0:
                    complete = text.count('"completed"')
        # Those of the last place are left alone.
        if complete < most:
            sys.exit(f"{most} runs were complete, then {complete}")
        most = complete
    sys.stdout.write(str(readings))


def _call(*words: str) -> tuple[int, str]:
    """Run a command in this process."""
    _OUT.seek(0)
    _OUT.truncate()
    with redirect_stdout(_OUT), redirect_stderr(_OUT):
        try:
            cli(words, prog_name="nnexp")
        except SystemExit as ended:
            code = ended.code
    return code if isinstance(code, int) else 1, _OUT.getvalue()


if __name__ == "__main__":
    _read([Path(word) for word in sys.argv[1:]])
