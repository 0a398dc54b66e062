"""How far nnexp's statistics can be trusted: false claims, coverage and power, by simulation.

    .venv/bin/python benchmarks/simulation.py

The verdicts are those of nnexp.stats.verdict.compare; the methods that were not chosen live
here. Each figure has its own fixed seed, so that the number of jobs changes nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import exp, sqrt
from zlib import crc32

import numpy as np
from scipy.special import ndtr, ndtri

from nnexp.nn.types import Array
from nnexp.stats.distributions import t_quantile
from nnexp.stats.estimate import Interval, attained, mean_interval, power
from nnexp.stats.sample import Sample, find_apart
from nnexp.stats.significance import sign_flip
from nnexp.stats.verdict import Difference, compare

REPETITIONS, QUICK = 2_000, 100
# Twenty pairs have a million patterns of signs; false claims are rare.
SLOW, FEWER = 20, 4
MORE_CLAIMS = 5
SIZES = (6, 8, 10, 20)
SHIFTS = (0.5, 1.0, 1.5, 2.0)
RESAMPLES = 1_999
STUCK, DEPTH = 0.15, 20.0
POINT = 0.002  # one unit of noise as accuracy; test sets of 10,000 give four digits

EQUIVALENCE = """\
No practical difference: % claimed, with a margin of 1 deviation of the paired differences
and a true difference of 0, ½ and 1 margin (at 1 it is false; expected: at most 5)"""
APART = """\
Runs that lie apart: % of arms in which some are found, by the number of runs;
with stuck ones, of the arms in which one to half are stuck"""

Generator = np.random.Generator
Noise = Callable[[Generator, tuple[int, ...]], Array]
Ends = tuple[Array, Array]


def normal(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Draw N(0, 1)."""
    return rng.normal(size=shape)


def lognormal(sigma: float, rng: Generator, shape: tuple[int, ...]) -> Array:
    """Draw mean 0, deviation 1, with a lognormal's long tail, downwards."""
    mean, ratio = exp(sigma**2 / 2), exp(sigma**2) - 1
    drawn: Array = (mean - np.exp(rng.normal(size=shape) * sigma)) / (mean * sqrt(ratio))
    return drawn


def bimodal(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Draw N(0, 1), but 15 % of the runs are stuck 20 lower; in all of mean 0."""
    return rng.normal(size=shape) - DEPTH * ((rng.random(shape) < STUCK) - STUCK)


NOISE: dict[str, Noise] = {
    "normal": normal,
    "skewed": partial(lognormal, 0.5),
    "very skewed": partial(lognormal, 1.0),
    "bimodal": bimodal,
}
LIKE = [(name, name) for name in NOISE]
UNLIKE = [("normal", "skewed"), ("normal", "very skewed"), ("normal", "bimodal")]


def rng_for(*what: object) -> Generator:
    """Return a generator of a figure's own."""
    return np.random.default_rng(crc32(repr(what).encode()))


def chosen_paired(d: Array) -> Ends:
    """Return nnexp's interval of a mean of paired differences: the inverted sign-flip test."""
    return _ends(sign_flip(row.tolist()).interval for row in d)


def chosen_mean(d: Array) -> Ends:
    """Return nnexp's interval of an arm's mean: Hall's transformation."""
    return _ends(mean_interval(row.tolist()) for row in d)


def student(d: Array) -> Ends:
    """Return Student's interval, x̄ ± t s/√n."""
    n = d.shape[1]
    mean, half = d.mean(axis=1), t_quantile(n - 1, 0.025) * d.std(axis=1, ddof=1) / sqrt(n)
    return mean - half, mean + half


def _ends(intervals: Iterable[Interval | None]) -> Ends:
    ends = np.array([(i.low, i.high) if i else (-np.inf, np.inf) for i in intervals])
    return ends[:, 0], ends[:, 1]


def bca(d: Array) -> Ends:
    """Return the bias-corrected accelerated bootstrap (Efron, JASA 82, 1987)."""
    ends = [_bca(chunk) for chunk in _chunks(d)]
    return np.concatenate([e[0] for e in ends]), np.concatenate([e[1] for e in ends])


def _bca(d: Array) -> Ends:
    mean = d.mean(axis=1, keepdims=True)
    means = np.sort(d @ _weights(d.shape[1]).T, axis=1)
    below = (np.mean(means < mean, axis=1) + np.mean(means <= mean, axis=1)) / 2
    z0 = ndtri(below)
    c = d - mean
    acceleration = (c**3).sum(axis=1) / (6 * (c**2).sum(axis=1) ** 1.5)
    ends = []
    for z in (ndtri(0.025), ndtri(0.975)):
        level = ndtr(z0 + (z0 + z) / (1 - acceleration * (z0 + z)))
        at = np.clip((level * (RESAMPLES + 1)).astype(int) - 1, 0, RESAMPLES - 1)
        ends.append(means[np.arange(len(d)), at])
    return ends[0], ends[1]


def bootstrap_t(d: Array) -> Ends:
    """Return the studentised bootstrap (Efron and Tibshirani, 1993, chapter 12)."""
    ends = [_bootstrap_t(chunk) for chunk in _chunks(d)]
    return np.concatenate([e[0] for e in ends]), np.concatenate([e[1] for e in ends])


def _bootstrap_t(d: Array) -> Ends:
    n = d.shape[1]
    w = _weights(n)
    mean, se = d.mean(axis=1, keepdims=True), d.std(axis=1, ddof=1) / sqrt(n)
    means = d @ w.T
    variances = np.maximum((d**2) @ w.T - means**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (means - mean) / np.sqrt(variances / (n - 1))
    t = np.sort(np.where(np.isnan(t), 0.0, t), axis=1)
    low, high = (t[:, round(q * (RESAMPLES + 1)) - 1] for q in (0.975, 0.025))
    return mean[:, 0] - low * se, mean[:, 0] - high * se


def _weights(n: int) -> Array:
    """Return how often each of n values is in each resample, as fractions."""
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    return np.asarray(counts / n)


def _chunks(d: Array) -> Iterator[Array]:
    return (d[i : i + 200] for i in range(0, len(d), 200))


METHODS: dict[str, Callable[[Array], Ends]] = {
    "sign-flip": chosen_paired,
    "Hall": chosen_mean,
    "Student t": student,
    "bootstrap-t": bootstrap_t,
    "BCa": bca,
}


@dataclass(frozen=True)
class Job:
    """What is computed for a row of a table: a function and what it is called with."""

    of: Callable[..., list[str]]
    args: tuple[object, ...]


def coverage(noise: str, other: str | None, n: int, repetitions: int) -> list[str]:
    """Return coverage in % and mean width for each method; the true mean is 0."""
    rng = rng_for("coverage", noise, other, n)
    d = NOISE[noise](rng, (repetitions, n))
    if other is not None:
        d = d - NOISE[other](rng, (repetitions, n))
    cells = []
    for method in METHODS.values():
        low, high = method(d)
        finite = np.isfinite(low) & np.isfinite(high)
        width = np.mean(high[finite] - low[finite])
        cells.append(f"{100 * np.mean((low <= 0) & (high >= 0)):5.1f} {width:6.2f}")
    return [_pair(noise, other), str(n), *cells]


def _pair(noise: str, other: str | None) -> str:
    return noise if other is None or other == noise else f"{noise} / {other}"


def _arm(name: str, noise: Array, first_seed: int = 0) -> Sample:
    values = np.round(0.95 + POINT * noise, 4).tolist()
    return Sample(name, "test_accuracy", dict(enumerate(values, first_seed)))


def claims(
    noise: str,
    other: str,
    sizes: tuple[int, int],
    others: int,
    shared: bool,
    repetitions: int,
) -> list[str]:
    """Return how often equal means are called better or worse, in any of the comparisons."""
    n, n_other = sizes
    rng = rng_for("claims", noise, other, sizes, others, shared)
    words: list[str] = []
    anything = 0
    for _ in range(repetitions):
        base = _arm("base", NOISE[noise](rng, (n,)))
        arms = [
            _arm(str(i), NOISE[other](rng, (n_other,)), 0 if shared else 1000)
            for i in range(others)
        ]
        found = _words(compare([(arm, base) for arm in arms]))
        words += found
        anything += not {"better", "worse"}.isdisjoint(found)
    share = [100 * words.count(word) / len(words) for word in ("better", "worse")]
    design = f"{n} pairs" if shared else f"{n} and {n_other}, unpaired"
    rates = [f"{rate:.1f}" for rate in (*share, 100 * anything / repetitions)]
    return [_pair(noise, other), design, str(others), *rates]


def _words(differences: Iterable[Difference]) -> list[str]:
    return [difference.verdict.word for difference in differences]


def power_of(noise: str, n: int, repetitions: int) -> list[str]:
    """Return how often a shift, in deviations of the differences, is called better."""
    cells = []
    sample = NOISE[noise](rng_for("spread", noise), (2, 200_000))
    spread = float(np.std(sample[0] - sample[1]))
    for shift in SHIFTS:
        rng = rng_for("power", noise, n, shift)
        words = []
        for _ in range(repetitions):
            a, b = NOISE[noise](rng, (2, n))
            words += _words(compare([(_arm("arm", a + shift * spread), _arm("base", b))]))
        cells.append(f"{100 * words.count('better') / repetitions:.0f}")
    return [noise, str(n), *cells]


def predicted_power(n: int) -> list[str]:
    """Return the power that the number of seeds needed is computed from."""
    cells = [f"{100 * power(n, shift, 1.0, attained(n)):.0f}" for shift in SHIFTS]
    return ["(estimated)", str(n), *cells]


def equivalence(noise: str, n: int, repetitions: int) -> list[str]:
    """Return how often "no practical difference" is claimed, with differences of 0 and 1 margin.

    The margin is one deviation of the differences; at 1 margin it is a false claim.
    """
    cells = []
    sample = NOISE[noise](rng_for("spread", noise), (2, 200_000))
    margin = POINT * float(np.std(sample[0] - sample[1]))
    for difference in (0.0, 0.5, 1.0):
        rng = rng_for("equivalence", noise, n, difference)
        words = []
        for _ in range(repetitions):
            a, b = NOISE[noise](rng, (2, n))
            arm = _arm("arm", a + difference * margin / POINT)
            words += _words(compare([(arm, _arm("base", b))], margin))
        cells.append(f"{100 * words.count('no practical difference') / repetitions:.1f}")
    return [noise, str(n), *cells]


def apart(name: str, share: float, depth: float, repetitions: int) -> list[str]:
    """Return how often runs are found to lie apart; with stuck ones, where 1 to half are stuck."""
    cells = []
    for n in (5, 6, 8, 10, 15, 30):
        rng = rng_for("apart", name, share, depth, n)
        x = NOISE[name](rng, (repetitions, n))
        stuck = rng.random(x.shape) < share
        if share:
            x = x - depth * stuck
            few = (stuck.sum(axis=1) > 0) & (2 * stuck.sum(axis=1) <= n)
            x = x[few]
        found = [find_apart(dict(enumerate(row))) is not None for row in x.tolist()]
        cells.append(f"{100 * np.mean(found):.1f}")
    return [f"{name}, {share:.0%} stuck {depth:g} lower" if share else name, *cells]


def tables(repetitions: int) -> list[tuple[str, list[str], list[Job]]]:
    """Return each table's title, heading and rows."""

    def reps(n: int) -> int:
        return repetitions // FEWER if n >= SLOW else repetitions

    methods = ["noise", "n", *(f"{name:>12}" for name in METHODS)]
    designs: list[tuple[object, ...]] = [
        *((a, b, (8, 8), 1, True) for a, b in (*LIKE, *UNLIKE)),
        *((a, b, (6, 6), 1, True) for a, b in LIKE),
        *((a, b, (8, 8), 3, True) for a, b in LIKE),
        *((a, b, (8, 8), 1, False) for a, b in (*LIKE, *UNLIKE)),
        *((a, b, (6, 10), 1, False) for a, b in LIKE),
    ]
    return [
        (
            "False claims: equal means, % called better or worse (expected: at most 5)",
            ["noise", "seeds", "arms", "better", "worse", "any"],
            [Job(claims, (*args, MORE_CLAIMS * repetitions)) for args in designs],
        ),
        (
            "Paired difference: coverage in % and mean width of 95 % intervals (chosen: sign-flip)",
            methods,
            [Job(coverage, (a, b, n, repetitions)) for a, b in (*LIKE, *UNLIKE) for n in SIZES],
        ),
        (
            "An arm's own mean: coverage in % and mean width of 95 % intervals (chosen: Hall)",
            methods,
            [Job(coverage, (a, None, n, repetitions)) for a in NOISE for n in SIZES],
        ),
        (
            "Power: % called better; the shift in deviations of the paired differences",
            ["noise", "pairs", *(f"{shift:g}" for shift in SHIFTS)],
            [
                *(Job(power_of, (a, n, reps(n))) for a in NOISE for n in SIZES),
                *(Job(predicted_power, (n,)) for n in SIZES),
            ],
        ),
        (
            EQUIVALENCE,
            ["noise", "pairs", "0", "½", "1"],
            [Job(equivalence, (a, n, reps(n))) for a in NOISE for n in SIZES],
        ),
        (
            APART,
            ["noise", "5", "6", "8", "10", "15", "30"],
            [
                *(Job(apart, (a, 0.0, 0.0, repetitions)) for a in list(NOISE)[:3]),
                *(
                    Job(apart, ("normal", share, depth, repetitions))
                    for share, depth in ((0.15, 10.0), (0.15, 20.0), (0.15, 50.0), (0.3, 20.0))
                ),
            ],
        ),
    ]


def layout(title: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (heading, *rows)
    ]
    return "\n".join([title, *(f"  {line.rstrip()}" for line in lines)])


def _run(job: Job) -> list[str]:
    return job.of(*job.args)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="benchmarks/simulation.py", description=__doc__)
    parser.add_argument(
        "--repetitions", type=int, default=REPETITIONS, metavar="N", help=f"a row, {REPETITIONS:,}"
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK}: does it all work?")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes, 2")
    options = parser.parse_args()
    repetitions = QUICK if options.quick else options.repetitions
    print(
        f"{repetitions:,} repetitions of each row; {repetitions * MORE_CLAIMS:,} for false claims, "
        f"{repetitions // FEWER:,} for verdicts with {SLOW} pairs"
    )
    with ProcessPoolExecutor(options.jobs) as pool:
        for title, heading, jobs in tables(repetitions):
            print(f"\n{layout(title, heading, list(pool.map(_run, jobs)))}", flush=True)


if __name__ == "__main__":
    main()
