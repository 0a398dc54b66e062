"""`make bench`: nnexp's speed against other programs, its floor and itself, and from outside."""

from __future__ import annotations

import argparse
import json
import sys

import environment
import folders
import program
import race
import report
import scaling

SIZES = (30, 100)
ROUNDS, QUICK_ROUNDS = 7, 2
QUICK_IMAGES = 5_000
TURN_SECONDS, QUICK_TURN_SECONDS = 0.5, 0.05
RUNS, START_UPS = 3, 15
SWEEP = {"runs": 8, "epochs": 30, "rounds": 3}
QUICK_SWEEP = {"runs": 2, "epochs": 1, "rounds": 1}
FOLDERS = {"runs": 10_000, "arms": 20, "repetitions": 5}
QUICK_FOLDERS = {"runs": 200, "arms": 20, "repetitions": 1}


def main() -> int:
    """Measure everything and print it; 1 where a measurement could not be made."""
    options = _parse()
    quick: bool = options.quick
    env = environment.one_thread(options.blas_kernel)
    outside = environment.neutral(options.blas_kernel)

    def races(contenders: race.Contenders) -> dict[int, race.Race]:
        return {
            hidden: race.run(
                contenders,
                hidden,
                images=QUICK_IMAGES if quick else race.EPOCH,
                rounds=options.rounds or (QUICK_ROUNDS if quick else ROUNDS),
                turn_seconds=QUICK_TURN_SECONDS if quick else TURN_SECONDS,
                env=env,
                say=_say,
            )
            for hidden in SIZES
        }

    try:
        contenders, techniques = races(race.CONTENDERS), races(race.TECHNIQUES)
        overrides = ["epochs=2"] if quick else []
        _say("the whole program")
        runs = [program.whole_run(outside, overrides) for _ in range(1 if quick else RUNS)]
        _say("the start-up")
        started = program.start_up(outside, START_UPS)
        _say("sweeps with one job and with two")
        swept = scaling.scaling(outside, **(QUICK_SWEEP if quick else SWEEP))
        _say("thousands of run folders")
        many = folders.folders(outside, **(QUICK_FOLDERS if quick else FOLDERS))
    except race.BenchError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    machine = environment.machine()
    results = report.Results(machine, quick, contenders, techniques, runs, started, swept, many)
    print(json.dumps(report.record(results), indent=2) if options.json else report.text(results))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/bench.py", description=__doc__)
    parser.add_argument(
        "--rounds", type=_positive, metavar="N", help=f"turns of each contender, {ROUNDS}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="little data, two rounds: does it all work?"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--blas-kernel", metavar="NAME", help="make OpenBLAS use this kernel, as in Haswell"
    )
    return parser.parse_args()


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} where a whole number from 1 up is due")
    return int(word)


def _say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
