"""From a file to an experiment: names, paths, and every problem at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.config.loader import dump, load
from nnexp.data.csv_file import Csv
from nnexp.data.idx import IdxFolder, Mnist
from nnexp.errors import ConfigError, NnexpError
from nnexp.run.assembly import load_data

if TYPE_CHECKING:
    from conftest import LoadText

MINIMAL = "data: mnist\nlayers: [784, 30, 10]\n"


def problems(load_text: LoadText, text: str) -> list[str]:
    """Return the lines of the message a config is refused with."""
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    return str(caught.value).splitlines()


def test_a_minimal_config_has_the_documented_defaults(load_text: LoadText) -> None:
    """Data and layers are enough: all else has a default."""
    experiment = load_text(MINIMAL).experiment
    assert experiment.data == Mnist(name="mnist", train=50_000, validation=10_000, test=10_000)
    assert (experiment.activation, experiment.output) == ("sigmoid", "sigmoid")
    assert (experiment.cost, experiment.init) == ("cross_entropy", "scaled")
    assert (experiment.eta, experiment.epochs, experiment.batch_size) == (0.5, 30, 10)
    assert (experiment.seed, experiment.dtype) == (0, "float32")
    assert experiment.monitor == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("xent_30.yaml", "xent_30"),
        ("eta=0.5.yaml", "eta=0.5"),
        ("my experiment.yml", "my-experiment"),
        (".hidden.yaml", "hidden"),
        ("größe.yaml", "gr--e"),
        ("***.yaml", "config"),
    ],
)
def test_the_name_is_the_files_name(load_text: LoadText, file: str, name: str) -> None:
    """Without a name of its own, an experiment is called after its file, as a word for folders."""
    assert load_text(MINIMAL, name=file).experiment.name == name


def test_a_given_name_is_kept(load_text: LoadText) -> None:
    """The key name comes before the file's name."""
    assert load_text(MINIMAL + "name: mine", name="other.yaml").experiment.name == "mine"


def test_data_paths_are_relative_to_the_configs_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative data path is resolved from where the config lies, not from where one works."""
    (folder / "sub").mkdir()
    (folder / "sub" / "a.yaml").write_text("data: {path: ../points.csv, target: y}\nlayers: [1, 2]")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    data = load(Path("../sub/a.yaml")).experiment.data
    assert isinstance(data, Csv)
    assert data.path == str(folder.resolve() / "points.csv")


def test_a_data_path_may_begin_at_home(
    load_text: LoadText, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tilde stands for the home folder, and an unknown user's is refused by line."""
    monkeypatch.setenv("HOME", "/home/me")
    data = load_text("data: {path: ~/digits}\nlayers: [4, 2]").experiment.data
    assert isinstance(data, IdxFolder)
    assert data.path == "/home/me/digits"
    messages = problems(load_text, "data: {path: ~nobody-at-all/digits}\nlayers: [4, 2]")
    assert messages[0].startswith("a.yaml:1: data.path: '~nobody-at-all/digits' leads nowhere")


@pytest.mark.parametrize("path", ['"a\\0b"', "loop", "loop/points.csv"])
def test_a_data_path_that_leads_nowhere_is_refused(
    load_text: LoadText, folder: Path, path: str
) -> None:
    """NUL characters and links to themselves give a message and no traceback."""
    (folder / "loop").symlink_to("loop")
    target = ", target: y" if path.endswith(".csv") else ""
    with pytest.raises(NnexpError) as caught:
        load_data(load_text(f"layers: [4, 2]\ndata: {{path: {path}{target}}}"))
    assert "a.yaml:2: data.path: " in str(caught.value) or str(folder) in str(caught.value)


def test_a_file_with_a_byte_order_mark_is_read(load_text: LoadText) -> None:
    """What some editors put in front of a text is no part of the first key."""
    assert load_text("\ufeff" + MINIMAL).experiment.layers == [784, 30, 10]


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    """A file that is not UTF-8 is named as such."""
    Path("a.yaml").write_bytes(b"data: mnist\ndescription: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"^a\.yaml: is not UTF-8 text$"):
        load(Path("a.yaml"))


def test_a_missing_file_is_named_with_the_one_that_is_meant(folder: Path) -> None:
    """A forgotten ending or folder is suggested where such a config exists."""
    with pytest.raises(ConfigError, match=r"^a: cannot be read: No such file or directory$"):
        load(Path("a"))
    Path("a.yaml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match=r"; did you mean a\.yaml\?$"):
        load(Path("a"))
    Path("configs").mkdir()
    Path("configs/b.yaml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match=r"; did you mean configs/b\.yaml\?$"):
        load(Path("b.yaml"))


def test_a_folder_is_no_config(folder: Path) -> None:
    """A folder in place of a file is refused in the system's own words."""
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        load(folder)


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(load_text: LoadText) -> None:
    """One look at the message is enough to mend a config, from top to bottom."""
    text = (
        "eta: fast\nlayers: [784, 0, 10]\ncosts: quadratic\nmonitor: [train, train, tests]\n"
        "data: {name: mnist, train: -1, tets: 5}\ndtype: float16\ninit: {weights: []}\n"
        "reference: {test_accuracy: 0.97}\n"
    )
    messages = problems(load_text, text)
    lines = [int(line.split(":")[1]) for line in messages]
    assert lines == sorted(lines)
    assert [line.split(": ")[1] for line in messages] == [
        "eta",
        "layers.1",
        "costs",
        "monitor.2",
        "data.train",
        "data.tets",
        "dtype",
        "init.biases",
        "reference.test_accuracy",
    ]


def test_rules_between_keys_are_checked_although_other_keys_are_wrong(load_text: LoadText) -> None:
    """A wrong eta does not hide that cost and output do not belong together."""
    messages = problems(load_text, MINIMAL + "eta: 0\ncost: log_likelihood\n")
    assert [line.split(": ")[1] for line in messages] == ["eta", "cost"]


def test_a_wrong_key_is_reported_once(load_text: LoadText) -> None:
    """A value that fits none of several forms gives one message and not one a form."""
    assert len(problems(load_text, MINIMAL + "init: zeros")) == 1
    assert len(problems(load_text, "data: 3\nlayers: [784, 10]")) == 1
    assert len(problems(load_text, MINIMAL + "cost: quadratik")) == 1


def test_missing_keys_are_named(load_text: LoadText) -> None:
    """An experiment needs data and layers."""
    assert problems(load_text, "eta: 1") == [
        "a.yaml:1: data: is missing",
        "a.yaml:1: layers: is missing",
    ]


def test_another_seed_changes_nothing_else(load_text: LoadText) -> None:
    """`with_seed` gives the same experiment but for its seed."""
    config = load_text(MINIMAL)
    seeded = config.with_seed(7)
    assert seeded.experiment.seed == 7
    assert seeded.with_seed(0).experiment == config.experiment


def test_a_later_finding_is_worded_with_its_line(load_text: LoadText) -> None:
    """What is wrong with the data is reported at the key's line, too."""
    config = load_text(MINIMAL)
    assert str(config.error(("layers",), "too long")) == "a.yaml:2: layers: too long"
    assert str(config.error(("data", "path"), "gone")) == "a.yaml:1: data.path: gone"


def test_the_written_config_holds_every_key_that_has_a_value(load_text: LoadText) -> None:
    """A dump leaves nothing to defaults that may change one day."""
    text = dump(load_text(MINIMAL + "monitor: []\n").experiment)
    assert "epochs: 30\n" in text
    assert "data: {name: mnist, train: 50000, validation: 10000, test: 10000}\n" in text
    assert "monitor: []\n" in text
    assert "reference" not in text


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL + "".join(f"epochs{i}: 1\n" for i in range(32_000)),
        f"data: mnist\nlayers: [{'x, ' * 32_000}1]\n",
        "data: {inline: {x: [" + "[x], " * 32_000 + "[1]], y: [1]}}\nlayers: [1, 1]\n",
    ],
)
def test_only_some_of_very_many_mistakes_are_worded(
    load_text: LoadText, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Suggestions are looked up for 200 mistakes at most, since each takes time."""
    calls: list[str] = []

    def suggest(word: str, choices: object) -> str:
        calls.append(word)
        return ""

    monkeypatch.setattr("nnexp.config.messages.did_you_mean", suggest)
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert len(caught.value.problems) == 200
    assert len(calls) <= 200


def test_an_override_keeps_the_places_of_all_other_keys(load_text: LoadText) -> None:
    """A replaced mapping loses the places of its parts, which are not in the file any more."""
    text = "data: {name: mnist, train: 100}\nlayers: [784, 10]\nepochs: 2\n"
    places = load_text(text, "data={name: mnist}").document.places
    assert ("data", "train") not in places
    assert places["data",] == "--set data={name: mnist}"
    assert (places["layers", 1], places["epochs",]) == ("a.yaml:2", "a.yaml:3")
