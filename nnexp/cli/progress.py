"""The progress bar on stderr; silence where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nnexp.cli.output import is_live

if TYPE_CHECKING:
    from nnexp.config.schema import Experiment
    from nnexp.run.rows import Row
    from nnexp.run.session import Progress


@contextmanager
def bar(*, quiet: bool) -> Iterator[Progress]:
    """Show a run's progress for as long as the context lasts."""
    if quiet or not is_live(sys.stderr):
        from nnexp.run.session import Silence

        yield Silence()
        return
    from tqdm import tqdm

    with tqdm(
        bar_format="{desc} {bar:10} {percentage:3.0f} % {elapsed}<{remaining}{postfix}",
        leave=False,
        dynamic_ncols=True,
        file=sys.stderr,
    ) as drawn:
        yield _Bar(drawn)


class _Bar:
    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn
        self._name, self._epochs, self._done, self._examples = "", 1, 0, 0

    def begin(self, experiment: Experiment, done: int, examples: int) -> None:
        self._name = f"{experiment.name} s{experiment.seed} epoch"
        self._epochs, self._done, self._examples = experiment.epochs, done, examples
        self._drawn.reset(total=experiment.epochs * examples)
        self._drawn.initial = self._drawn.n = done * examples
        self._label()

    def _label(self) -> None:
        epoch = min(self._done + 1, self._epochs)
        self._drawn.set_description_str(f"{self._name} {epoch}/{self._epochs}", refresh=False)

    def seen(self, examples: int) -> None:
        self._drawn.update(self._done * self._examples + examples - self._drawn.n)

    def epoch(self, row: Row) -> None:
        from nnexp.names import default_metric

        self._done += 1
        self._label()
        said = [f"cost {row['train_cost']:.3g}"] if row.get("train_cost") is not None else []
        metric = default_metric([m for m in row if m.endswith("accuracy") and row[m] is not None])
        if metric:
            said.append(f"{metric.partition('_')[0]} {row[metric] * 100:.2f} %")
        self._drawn.set_postfix_str(", ".join(said))
