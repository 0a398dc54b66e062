"""The generated parts of the documentation are those of the program."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from nnexp.config.loader import load
from nnexp.config.study import load_study

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def generated() -> dict[Path, str]:
    """Return what docs/generate.py would write, by file."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[Path, str] = module.generated()
    return found


@pytest.mark.parametrize("name", ["configuration.md", "studies.md", "cli.md", "glossary.md"])
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """`make docs` would change nothing: keys, defaults and help are those of the program."""
    (text,) = [text for path, text in generated().items() if path.name == name]
    assert (DOCS / name).read_text(encoding="utf-8") == text


def test_the_config_of_the_documentation_loads(folder: Path) -> None:
    """The example that opens the page about configs is a config."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    Path("example.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0])
    assert load(Path("example.yaml")).experiment.layers == [784, 100, 10]


def test_the_study_of_the_documentation_loads(folder: Path) -> None:
    """The example that opens the page about studies means the runs that the page says."""
    text = (DOCS / "studies.md").read_text(encoding="utf-8")
    Path("studies").mkdir()
    shutil.copy(ROOT / "configs" / "xent_100.yaml", folder)
    path = Path("studies") / "cost.yaml"
    path.write_text(text.partition("```yaml\n")[2].partition("```")[0])
    study = load_study(path)
    assert len(study.runs) == 40
    assert "Two arms, each with two sizes of the grid and ten seeds: 40 runs." in text
    names = re.findall(r"^        (\S+)-s0/$", text, re.MULTILINE)
    assert set(names) <= {arm.name for arm in study.arms}
    assert names


def test_no_page_waits_for_its_figures() -> None:
    """Every placeholder has been replaced by what was measured."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]
    assert len(pages) > 5
    assert [page.name for page in pages if "@@" in page.read_text(encoding="utf-8")] == []
