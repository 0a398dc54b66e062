"""The wording of every refusal, held to golden files.

A case is `golden/<case>.yaml`, or a folder `golden/<case>/` with `config.yaml` and data files (or
neither, for a config that does not exist), beside `golden/<case>.txt`: the exact text that
`nnexp train` writes to stderr. Of a folder with `study.yaml` it is what `nnexp sweep` writes.
`{folder}` in it stands for the folder it was run in. Names from a table stand in it as `{data}`,
`{costs}`, `{costs of tanh}` and so on (see `TABLES`), so that a new entry changes no text; a text
that is right is not written anew. A first line `# flags: ...` of a file holds
further words of the command line. Adding a case is adding its files; the texts are written anew, to
be read through, by

    NNEXP_REWRITE_GOLDEN=1 python -m pytest tests/cli/test_golden.py
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.data import READERS
from nnexp.errors import one_of
from nnexp.nn.activations import HIDDEN, OUTPUT
from nnexp.nn.costs import COSTS, legal_costs
from nnexp.nn.network import INITIALIZERS

if TYPE_CHECKING:
    from conftest import Nnexp

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted({path.stem for path in GOLDEN.iterdir()})
TABLES = {
    "data": one_of(reader.form for reader in READERS.values()),
    "costs": one_of(COSTS),
    "activations": one_of(HIDDEN),
    "initializers": one_of(INITIALIZERS),
    "initializers, ": ", ".join(INITIALIZERS) + ", ",
    **{f"costs of {output}": one_of(legal_costs(output)) for output in OUTPUT},
}
REWRITE = bool(os.environ.get("NNEXP_REWRITE_GOLDEN"))


def put(case: str, folder: Path) -> tuple[str, str]:
    """Copy the files of a case into a folder; return the command and the file that are meant."""
    if (GOLDEN / case).is_dir():
        shutil.copytree(GOLDEN / case, folder, dirs_exist_ok=True)
        study = (folder / "study.yaml").exists()
        return ("sweep", "study.yaml") if study else ("train", "config.yaml")
    source = GOLDEN / f"{case}.yaml"
    if source.exists():
        shutil.copy(source, folder)
    return "train", source.name


def flags(config: Path) -> list[str]:
    """Return the further words of the command line that a config asks for."""
    first = config.read_bytes().partition(b"\n")[0].decode() if config.exists() else ""
    return shlex.split(first.removeprefix("# flags:")) if first.startswith("# flags:") else []


def expanded(golden: Path) -> str:
    """Return the text of a golden file, if there is one, with the names of the tables."""
    text = golden.read_text(encoding="utf-8") if golden.exists() else ""
    for name, names in TABLES.items():
        text = text.replace(f"{{{name}}}", names)
    return text


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_is_worded_as_in_its_golden_file(nnexp: Nnexp, folder: Path, case: str) -> None:
    """Wrong input gives exit code 1, nothing on stdout, the golden text on stderr, and no run."""
    command, config = put(case, folder)
    before = sorted(folder.rglob("*"))
    result = nnexp(command, config, *flags(folder / config), code=1)
    message = result.stderr.replace(str(folder), "{folder}")
    golden = GOLDEN / f"{case}.txt"
    if REWRITE and message != expanded(golden):
        golden.write_text(message, encoding="utf-8")
    assert message == expanded(golden)
    assert result.stdout == ""
    assert "Traceback" not in message
    assert sorted(folder.rglob("*")) == before


def test_every_case_has_its_text() -> None:
    """No golden file is left over from a case that is gone, and no case is without one."""
    inputs = {path.stem for path in GOLDEN.iterdir() if path.suffix != ".txt"}
    texts = {path.stem for path in GOLDEN.glob("*.txt")}
    assert texts - inputs == {"no_such_file"}
    assert inputs <= texts


def test_a_number_in_scientific_notation_is_taken(nnexp: Nnexp, small: Path) -> None:
    """`eta: 1e-3`, a word for other readers of YAML, is a learning rate here."""
    small.write_text(small.read_text().replace("eta: 0.5", "eta: 1e-3"))
    assert "\neta: 0.001\n" in nnexp("train", small, "--dry-run").stdout
