"""Attack what is promised of a run folder, and print what came of it.

    python tests/torture            all of it, 15 minutes at most
    python tests/torture --short    each attack once in a while, a minute
    python tests/torture kills      one part
    python tests/torture --soak     sweeps that are disturbed for 20 minutes, and no other part

Each part prints a line of JSON; a table of all ends it. The exit code is 1 where a promise broke or
an attack did nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# One thread, so that children can be forked from here; before NumPy is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# What is attacked is the tree this file is in.
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "fuzz"))
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

import argparse
import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from math import inf
from time import monotonic
from typing import Any

import crowd
import exchange
import faults
import full
import growth
import interrupts
import kills
import lent
import machines
import power
import price
import soak
import surprises
import sweeps
import workers
from scenes import IMAGES, POINTS, Figures, known_once, scene, stop_at, time_is_up
from targets import TARGETS

from nnexp import data
from nnexp.run import git, owner, provenance

# What is left of 15 minutes is for the price.
BOUND = 780
# Fuzzed at a time; whole commands take thirty times as long as a reader.
CASES = 1000
FUZZING = Path(__file__).resolve().parents[1] / "fuzz" / "fuzzing.py"
PRICE = "price"
SOAK = "soak"
MINUTES = 20
_SHOWN = 10
Record = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """An attack.

    Attributes:
        words: what it is, in the table.
        attack: makes it, in its short form or its full one; None where that is not permitted.
        done: the figure that must not be 0, or else nothing was attacked.
    """

    words: str
    attack: Callable[[bool], Figures | None]
    done: str


def _kills(short: bool) -> Figures:
    with scene(IMAGES, on_disk=True) as images:
        return kills.at_random(images, 12 if short else 200)


def _calls(short: bool) -> Figures:
    with scene(POINTS) as points:
        return kills.at_every_call(points, 23 if short else 1)


def _faults(short: bool) -> Figures:
    with scene(POINTS) as points:
        return faults.inject(points, 29 if short else 1)


def _exchange(short: bool) -> Figures:
    with scene(POINTS) as points:
        return exchange.exchange(points, 13 if short else 1)


def _power(short: bool) -> Figures:
    with scene(POINTS) as points:
        return power.cut(points, 11 if short else 1)


def _tmpfs(short: bool) -> Figures | None:
    with scene(POINTS) as points:
        return full.tmpfs(points, 5 if short else 1)


def _sizes(short: bool) -> Figures:
    with scene(POINTS) as points:
        return full.file_sizes(points, 1999 if short else 97)


def _crowd(short: bool) -> Figures:
    with scene(POINTS) as points:
        return crowd.in_one_second(points, 10 if short else 50)


def _owners(short: bool) -> Figures:
    with scene(IMAGES, on_disk=True) as images:
        return crowd.two_owners(images, 2 if short else 20)


def _machines(short: bool) -> Figures | None:
    with scene(IMAGES, on_disk=True) as images:
        return machines.without_locks(images, 1 if short else 5)


def _sweeps(short: bool) -> Figures:
    return sweeps.disturbed(*((2, 1) if short else (10, 5)))


def _surprises(short: bool) -> Figures:
    return surprises.trees(3 if short else 1)


def _growth(short: bool) -> Figures:
    return growth.grow(500 if short else 32_000)


def _interrupts(short: bool) -> Figures:
    return interrupts.early(6 if short else 100)


def _exchanged(short: bool) -> Figures:
    return sweeps.exchanged(3 if short else 25)


def _engines(short: bool) -> Figures:
    return sweeps.engines(2 if short else 12)


def _workers(short: bool) -> Figures:
    return workers.replaced(1 if short else 6)


def _lent(short: bool) -> Figures | None:
    with scene(POINTS, on_disk=True) as points:
        return lent.files_on_lease(points, 1 if short else 10)


def _soak(short: bool, minutes: float = MINUTES) -> Figures:
    return soak.soak(min(1, minutes) if short else minutes)


@dataclass
class _Fuzzed(Figures):
    cases: int = 0
    accepted: int = 0
    refused: int = 0


def _fuzz(name: str, short: bool) -> Figures:
    """Fuzz one of the readers; a defect ends it with its traceback."""
    whole = CASES if TARGETS[name].command else 10 * CASES
    figures, cases = _Fuzzed(), 200 if short else whole
    while figures.cases < cases and not time_is_up():
        words = [sys.executable, str(FUZZING), "--cases", str(min(cases, CASES)), name]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            figures.problems.append(f"{name}: {done.stderr[-2000:]}")
            break
        outcome = json.loads(done.stdout)
        figures.cases += outcome["cases"]
        figures.accepted += outcome["accepted"]
        figures.refused += outcome["refused"]
    return figures


# The longest first. A further part is one function and one entry.
PARTS = {
    "faults": Part(
        "ENOSPC, EDQUOT, EIO, EROFS, short writes, folder gone, at every call", _faults, "injected"
    ),
    "exchange": Part(
        "folders exchanged, linked, logs cut while they are written", _exchange, "stopped"
    ),
    "calls": Part("SIGKILL before every call of the file system, twice", _calls, "kills"),
    "kills": Part("SIGKILL at random moments, every technique on", _kills, "kills"),
    "power": Part("power cuts after every call", _power, "states"),
    "tmpfs": Part("file systems of every size that is too small", _tmpfs, "resumed"),
    "sizes": Part("limits on the size of files", _sizes, "resumed"),
    "owners": Part("two processes that resume one run", _owners, "refused"),
    "machines": Part("two machines without locks that resume one run", _machines, "refused"),
    "sweeps": Part("sweeps killed at random moments, and two over one study", _sweeps, "runs"),
    "exchanged": Part(
        "sweeps stopped by Ctrl-Z while their folder was exchanged", _exchanged, "stopped"
    ),
    "engines": Part(
        "searches interrupted and continued by another engine", _engines, "interrupted"
    ),
    "workers": Part(
        "sweeps on Dask workers that are unfit, lose their disk, and are all killed",
        _workers,
        "killed",
    ),
    "lent": Part("files that another program has on lease (EAGAIN)", _lent, "returned"),
    "crowd": Part("runs begun in one second in one folder", _crowd, "folders"),
    "interrupts": Part("Ctrl-C in the first second of a command", _interrupts, "interrupted"),
    "growth": Part("inputs of doubled sizes: how their CPU time grows", _growth, "inputs"),
    "surprises": Part(
        "folders whose modules and git trees would run programs", _surprises, "trees"
    ),
    SOAK: Part("sweeps disturbed for many minutes, while others read", _soak, "rows"),
    **{
        f"fuzz-{name}": Part(f"fuzzing {name}", partial(_fuzz, name), "accepted")
        for name in TARGETS
    },
}


def _attack(name: str, short: bool) -> Record:
    """Run one part here; return its figures."""
    began = monotonic()
    # Where the owner's file cannot be read, a process watches it so long; locks hold here.
    owner.BEAT, owner.PATIENCE = 0.1, 0.5
    # Neither data nor git nor BLAS are what is attacked.
    with known_once(data, "load"), known_once(git, "state"), known_once(provenance, "blas"):
        outcome = PARTS[name].attack(short)
    spent = os.times()
    how = {"seconds": round(monotonic() - began, 1), "cpu_seconds": round(sum(spent[:4]), 1)}
    if outcome is None:
        return {"part": name, "permitted": False, "broken": 0} | how
    done = PARTS[name].done
    if not getattr(outcome, done) and not time_is_up():
        outcome.problems.append(f"this attack did nothing: {done} 0")
    for problem in outcome.problems[:_SHOWN]:
        print(f"torture: {name}: {problem}", file=sys.stderr)
    figures = {f.name: getattr(outcome, f.name) for f in fields(outcome) if f.name != "problems"}
    broken = len(outcome.problems)
    return {"part": name, **figures, "broken": broken, "cut_short": time_is_up()} | how


def _measure(short: bool) -> Iterator[Record]:
    for outcome in price.measure(*((1, 2) if short else (2, 20))):
        yield {"part": PRICE, "broken": 0} | asdict(outcome)


def _elsewhere(name: str, short: bool, end: float) -> list[Record]:
    """Run one part in a process of its own; return what it printed."""
    words = [name, "--within", str(end - monotonic()), *(["--short"] if short else [])]
    done = subprocess.run(
        [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=False
    )
    outcome = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return outcome or [{"part": name, "broken": 1, "ended": done.returncode}]


def _line(record: Record) -> str:
    """Return a part's line of the table."""
    name = record["part"]
    if name == PRICE:
        return (
            f"commits on MNIST, {record['layers']}: {record['share'] * 100:.2f} % of the time of "
            f"{record['epoch']:.2f} s an epoch ({record['commit'] * 1000:.1f} ms a commit, "
            f"{record['commits']})"
        )
    if record.get("permitted") is False:
        return f"{PARTS[name].words}: not permitted here"
    left_out = ("part", "seconds", "cpu_seconds", "broken", "cut_short")
    figures = [f"{key.replace('_', ' ')} {v}" for key, v in record.items() if key not in left_out]
    end = "; cut short, the time was up" if record.get("cut_short") else ""
    return f"{PARTS[name].words}: {', '.join(figures)}; promises broken {record['broken']}{end}"


def _run(chosen: Sequence[str], short: bool, within: float) -> Iterator[Record]:
    """Run the parts: one here, several two at a time; the price at last, undisturbed."""
    attacks = [name for name in chosen if name != PRICE]
    if len(attacks) == 1:
        yield _attack(attacks[0], short)
    else:
        elsewhere = partial(_elsewhere, short=short, end=monotonic() + within)
        with ThreadPoolExecutor(2) as pool:
            for part in as_completed(pool.submit(elsewhere, name) for name in attacks):
                yield from part.result()
    if PRICE in chosen:
        yield from _measure(short)


def main() -> None:
    """Run the parts asked for, all by default."""
    # A shell has what it starts with & ignore Ctrl-C; commands that are attacked must not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    known = [*PARTS, PRICE]
    parser = argparse.ArgumentParser(description="Attack what is promised of a run folder.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(known))
    parser.add_argument(
        "--short", action="store_true", help="each attack once in a while, a minute"
    )
    parser.add_argument(
        "--soak", action="store_true", help="disturb sweeps for many minutes, and nothing else"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="that --soak takes")
    parser.add_argument("--within", type=float, default=BOUND, help="seconds it may take")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: the parts are {', '.join(known)}")
    parts, within = asked.parts, asked.within
    if asked.soak:
        parts, within = [SOAK], inf
        PARTS[SOAK] = replace(PARTS[SOAK], attack=partial(_soak, minutes=asked.minutes))
    elif not parts:
        parts = [name for name in known if name != SOAK]
    stop_at(monotonic() + within)
    records = []
    for record in _run(parts, asked.short, within):
        records.append(record)
        print(json.dumps(record), flush=True)
    records.sort(key=lambda record: known.index(record["part"]))
    print("\n" + "\n".join(map(_line, records)))
    sys.exit(any(record["broken"] for record in records))


if __name__ == "__main__":
    main()
