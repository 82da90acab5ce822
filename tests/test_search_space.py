"""pandalm_eval.search.space: the grid, its names, and what is refused."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from search_space import told, write_space

from pandalm_eval.errors import UsageError
from pandalm_eval.search.space import read_space

BASE = Path("base")


def test_epochs_of_one_training_are_candidates(tmp_path: Path) -> None:
    space = read_space(write_space(tmp_path, BASE))
    assert [training.name for training in space.trainings] == [
        "learning_rate-0.001",
        "learning_rate-0.01",
    ]
    assert [one.name for one in space.configurations] == [
        "learning_rate-0.001_epoch-1",
        "learning_rate-0.001_epoch-2",
        "learning_rate-0.01_epoch-1",
        "learning_rate-0.01_epoch-2",
    ]
    assert space.default_configuration.name == "learning_rate-0.001_epoch-2"
    config = space.trainings[1].config
    assert (config["learning_rate"], config["epochs"], config["learns"]) == (0.01, 2, "answer")


def test_the_papers_space_has_80_candidates_of_16_trainings() -> None:
    file = resources.files("pandalm_eval.search") / "spaces" / "paper80.yaml"
    space = read_space(Path(str(file)))
    assert (len(space.configurations), len(space.trainings)) == (80, 16)  # 5 × 4 × 2 × 2
    assert space.default_configuration.name == "learning_rate-2e-05_adamw_cosine_epoch-3"


def test_every_shipped_space_is_one() -> None:
    folder = Path(str(resources.files("pandalm_eval.search") / "spaces"))
    files = sorted(folder.glob("*.yaml"))
    assert [path.name for path in files] == ["paper80.yaml", "small-cpu.yaml"]
    for path in files:
        read_space(path)
        assert f"--space {path.name}" in path.read_text("utf-8")


def test_a_key_inside_another_is_named_with_a_dot(tmp_path: Path) -> None:
    grid = {"epochs": [1], "lora.rank": [4, 8]}
    tuning = {**told(tmp_path, BASE)["tuning"], "lora": {"alpha": 32}}
    default = {"epochs": 1, "lora.rank": 8}
    space = read_space(write_space(tmp_path, BASE, grid=grid, tuning=tuning, default=default))
    assert [one.config["lora"] for one in space.trainings] == [
        {"alpha": 32, "rank": 4},
        {"alpha": 32, "rank": 8},
    ]
    assert space.trainings[0].name == "lora.rank-4"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gird": {}}, "unknown key gird (did you mean grid?)"),
        ({"grid": {"learning_rate": [1e-3]}}, "grid.epochs is None"),
        ({"grid": {"epochs": [0], "learning_rate": [1e-3]}}, "whole numbers from 1"),
        ({"grid": {"epochs": [1], "learning_rate": 1e-3}}, "grid.learning_rate is 0.001; a list"),
        ({"grid": {"epochs": [1], "learning_rate": [1, 1]}}, "names a value twice"),
        ({"grid": {"epochs": [1], "learning_rat": [1e-3]}}, "did you mean learning_rate?"),
        ({"grid": {"epochs": [1], "learning_rate": [-1.0]}}, "learning_rate is -1.0; above 0"),
        ({"grid": {"epochs": [1], "batch": [8]}}, "batch stands both in tuning and in grid"),
        ({"grid": {"epochs": [1], "output": ["x"]}}, "which the search sets itself"),
        ({"default": {"epochs": 3, "learning_rate": 1e-3}}, "no point of the grid"),
        ({"default": {"epochs": 2}}, "no point of the grid"),
        ({"judge": {"model": "rule", "protocol": "single"}}, "verdict, full or logprob."),
        ({"grid": {5: [1], "epochs": [1]}}, "grid has the key 5, which is no word"),
        ({"grid": {"epochs": [1, 2], "train": ["a"]}}, "it belongs to tuning"),
        ({"grid": {"epochs": [1], "seed": [1]}, "default": {}}, "one configuration; a choice"),
        ({"grid": {"epochs": [1], "schedule": ["..", "cosine"]}}, "cannot be the name of a folder"),
        ({"grid": {"epochs": [1], "learning_rate": ["1e-3", 0.001]}}, "names a value twice"),
        (
            {"grid": {"epochs": [1], "schedule": ["a b", "a-b"]}},
            "the grid names a-b more than once",
        ),
        ({"judge": {"modell": "rule"}}, "did you mean model?"),
        ({"answers": {"validation": "x", "decoding": "upstream"}}, "needs model: hf-judge"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_space(write_space(tmp_path, BASE, **changes))
    assert said in str(caught.value)


def test_a_number_is_one_however_yaml_reads_it(tmp_path: Path) -> None:
    """YAML takes 2e-5 for a text, and 2.0e-5 for a number."""
    grid = {"epochs": [1], "learning_rate": ["2e-5", 1e-4]}
    space = read_space(
        write_space(tmp_path, BASE, grid=grid, default={"epochs": 1, "learning_rate": 2.0e-5})
    )
    assert space.default_configuration.name == "learning_rate-2e-05_epoch-1"


def test_a_key_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    path = write_space(tmp_path, BASE)
    path.write_text(path.read_text("utf-8") + yaml.safe_dump({"keep_weights": True}) * 2, "utf-8")
    with pytest.raises(ValueError, match="keep_weights stands there twice"):
        read_space(path)
