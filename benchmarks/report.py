"""Tables, targets, JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from folders import Folders
from program import StartUp, WholeRun
from race import EPOCH, Race, ratio
from scaling import Scaling

FASTER_THAN = {"network2": 10, "PyTorch, eager": 8, "scikit-learn": 4, "JAX, jit + scan": 1}
OVER_THE_FLOOR = {30: 1.9, 100: 1.6}
OVER_PLAIN = {"l2": 1.1, "momentum": 1.35, "dropout": 1.5, "shifts": 1.05}
MOST_DIAGNOSIS = 0.05
MOST_OVERHEAD = 0.35
MOST_MEMORY = 300e6
MOST_START_UP = 2.0
LEAST_SCALING = 1.85
MOST_LISTED = 1.0
# Python, NumPy and nnexp take 40 MB, and MNIST would take 55.
MOST_OWN = 90e6


@dataclass(frozen=True, slots=True)
class Target:
    """A promise and what was measured of it, in the same unit."""

    promise: str
    limit: float
    measured: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it was kept."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True, slots=True)
class Results:
    """All that was measured; `quick` results are no measurement, only a check that all works."""

    machine: dict[str, Any]
    quick: bool
    races: dict[int, Race]
    techniques: dict[int, Race]
    runs: list[WholeRun]
    started: StartUp
    swept: Scaling
    many: Folders

    @property
    def kernel(self) -> str:
        """The kernel that NumPy's BLAS chose in nnexp's process."""
        pools = next(iter(self.races.values()))["nnexp"].pools
        return next((str(p["architecture"]) for p in pools if p["architecture"]), "unknown")

    def targets(self) -> Iterator[Target]:
        """Yield every target."""
        for hidden, race in self.races.items():
            size = f"784-{hidden}-10"
            for name, times in FASTER_THAN.items():
                measured = ratio(race, name, "nnexp")
                yield Target(f"{size}: faster than {name}", times, measured, "x", at_least=True)
            measured = ratio(race, "nnexp", "floor")
            yield Target(f"{size}: time over the floor", OVER_THE_FLOOR[hidden], measured, "x")
        for hidden, race in self.techniques.items():
            size = f"784-{hidden}-10"
            for name, most in OVER_PLAIN.items():
                measured = ratio(race, name, "plain")
                yield Target(f"{size}: {name}, time over plain", most, measured, "x")
            share = 100 * ratio(race, "diagnosis", "evaluation")
            yield Target(f"{size}: diagnosis, of an epoch", 100 * MOST_DIAGNOSIS, share, "%")
        overhead = median(run.overhead for run in self.runs)
        yield Target("nnexp train: added to the training", 100 * MOST_OVERHEAD, 100 * overhead, "%")
        peak = max(run.peak for run in self.runs)
        yield Target("nnexp train: peak memory", MOST_MEMORY / 1e6, peak / 1e6, "MB")
        yield Target("nnexp --help: time over import click", MOST_START_UP, self.started.ratio, "x")
        faster, held = self.swept.ratio, self.swept.own
        yield Target("nnexp sweep: throughput of 2 jobs", LEAST_SCALING, faster, "x", at_least=True)
        yield Target("nnexp sweep: a worker's own memory", MOST_OWN / 1e6, held / 1e6, "MB")
        runs = f"{self.many.runs:,} runs"
        for name, seconds in self.many.cached.items():
            yield Target(f"nnexp {name}, {runs}", MOST_LISTED, median(seconds), "s")


def text(results: Results) -> str:
    """Return all results as tables."""
    about, versions = results.machine, results.machine["versions"]
    lines = [f"{about['cpu']}, {about['cpus']} CPUs, {about['system']}, Python {about['python']}"]
    lines += [", ".join(f"{name} {version}" for name, version in versions.items())]
    lines += [f"NumPy's BLAS chose the kernel {results.kernel}", ""]
    for hidden, race in results.races.items():
        lines += [*_race(f"784-{hidden}-10", race, "nnexp"), ""]
    for hidden, race in results.techniques.items():
        lines += [*_race(f"784-{hidden}-10, techniques of nnexp", race, "plain")]
        lines += ["  evaluation: plain, and three sets evaluated after it"]
        lines += ["  diagnosis: without the training and evaluation before it", ""]
    lines += [*_program(results), "", *_targets(results)]
    if results.quick:
        lines += ["", "--quick: this shows that everything works; the figures mean nothing."]
    return "\n".join(lines)


def _race(title: str, race: Race, base: str) -> Iterator[str]:
    rounds = len(race[base].seconds)
    yield (
        f"{title}: seconds for an epoch of {EPOCH:,} images in batches of 10, float32, "
        f"one thread, {rounds} rounds"
    )
    yield f"  {'':18}{'median':>9}{'min':>9}{'max':>9}{f'to {base}':>10}{'accuracy':>10}"
    scaled = sorted({entry.examples for entry in race.values()} - {EPOCH})
    notes = {examples: "*" * i for i, examples in enumerate(scaled, 1)}
    for name, entry in sorted(race.items(), key=lambda item: item[1].median):
        accuracy = "-" if entry.accuracy is None else f"{entry.accuracy:.3f}"
        yield (
            f"  {name + notes.get(entry.examples, ''):18}{entry.median:9.4f}"
            f"{min(entry.seconds):9.4f}{max(entry.seconds):9.4f}"
            f"{ratio(race, name, base):10.2f}{accuracy:>10}"
        )
    for examples, mark in notes.items():
        yield f"  {mark} timed on {examples:,} images at a time and scaled to {EPOCH:,}"
    yield "  accuracy: on the test set, after one warm-up as long as what is timed at once"


def _program(results: Results) -> Iterator[str]:
    runs, started = results.runs, results.started
    wall, core = (median(getattr(run, name) for run in runs) for name in ("wall", "core"))
    yield f"nnexp train configs/xent_30.yaml, {runs[0].epochs} epochs, median of {len(runs)}"
    yield f"  {wall:.2f} s in all, {core:.2f} s of it training"
    yield f"start-up, median of {len(started.ours)}"
    yield (
        f"  nnexp --help {1000 * median(started.ours):.0f} ms, "
        f'python -c "import click" {1000 * median(started.click):.0f} ms'
    )
    swept = results.swept
    one, two = median(swept.one), median(swept.two)
    rounds = f"median of {len(swept.one)}"
    yield f"nnexp sweep, {swept.runs} runs of configs/xent_30.yaml, {swept.epochs} epochs, {rounds}"
    yield (
        f"  {one:.2f} s with one job, {two:.2f} s with two; "
        f"a worker has {swept.own / 1e6:.0f} MB to itself"
    )
    yield (
        f"  {median(swept.apart):.2f} s as two sweeps that share nothing: "
        f"two CPUs of this machine do {swept.ceiling:.2f} times the work of one"
    )
    many = results.many
    times = len(many.cached["list"])
    yield f"{many.runs:,} run folders of {many.arms} settings, median of {times}"
    for name, seconds in many.cached.items():
        disk = many.disk.get(name)
        cold = "" if disk is None else f" ({disk:.2f} s once, the files read from the disk)"
        yield f"  nnexp {name}: {median(seconds):.2f} s{cold}"


def _targets(results: Results) -> Iterator[str]:
    yield f"{'target':46}{'expected':>16}{'measured':>12}"
    for target in results.targets():
        bound = "at least" if target.at_least else "at most"
        digits = 0 if target.unit == "MB" else 1 if target.unit == "%" else 2
        yield (
            f"  {target.promise:44}{f'{bound} {target.limit:g} {target.unit}':>16}"
            f"{f'{target.measured:.{digits}f} {target.unit}':>12}  "
            f"{'met' if target.met else 'missed'}"
        )


def record(results: Results) -> dict[str, Any]:
    """Return all results as JSON values."""
    return {
        "machine": results.machine | {"blas_kernel": results.kernel},
        "quick": results.quick,
        "epochs": _record(results.races, "nnexp"),
        "techniques": _record(results.techniques, "plain"),
        "whole_program": [asdict(run) | {"overhead": run.overhead} for run in results.runs],
        "start_up": asdict(results.started) | {"ratio": results.started.ratio},
        "sweep": asdict(results.swept)
        | {
            "ratio": results.swept.ratio,
            "ceiling": results.swept.ceiling,
        },
        "folders": asdict(results.many),
        "targets": [asdict(target) | {"met": target.met} for target in results.targets()],
    }


def _record(races: Mapping[int, Race], base: str) -> dict[str, Any]:
    return {
        f"784-{hidden}-10": {
            name: asdict(entry)
            | {"median": entry.median, f"ratio_to_{base}": ratio(race, name, base)}
            for name, entry in race.items()
        }
        for hidden, race in races.items()
    }
