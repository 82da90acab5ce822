from __future__ import annotations

from pathlib import Path

import pytest

from pandalm_eval.errors import InputError, UsageError
from train_judge.config import Config, Learns, Lora, Swap, read_config

MINIMUM = "pretrained: base\ntrain: a.jsonl\noutput: out\n"
SHIPPED = sorted((Path(__file__).parents[1] / "train_judge" / "configs").glob("*.yaml"))


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text, "utf-8")
    return read_config(path)


def test_values_take_the_types_of_their_fields(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        MINIMUM + "learning_rate: 2e-5\nswap: both\nlearns: verdict\nreport_to: [tensorboard]\n"
        "lora: {rank: 4, modules: all-linear}\n",
    )
    assert config.learning_rate == 2e-5  # which YAML reads as a text
    assert (config.swap, config.learns) == (Swap.BOTH, Learns.VERDICT)
    assert config.report_to == ("tensorboard",)
    assert config.lora == Lora(rank=4, modules="all-linear")


def test_pairs_are_swapped_at_random_and_answers_not_at_all(tmp_path: Path) -> None:
    assert read(tmp_path, MINIMUM).swap is Swap.RANDOM
    assert read(tmp_path, MINIMUM + "learns: answer\n").swap is None


def test_changes_replace_the_files_keys(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(MINIMUM, "utf-8")
    assert read_config(path, {"epochs": 5}).epochs == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MINIMUM + "epoch: 3\n", "unknown key epoch (did you mean epochs?)"),
        (MINIMUM + "lora: {r: 8}\n", "unknown key r"),
        ("train: a\noutput: b\n", "pretrained is missing"),
        (MINIMUM + "epochs: many\n", "epochs is 'many': int is needed"),
        (MINIMUM + "bf16: 1\n", "bf16 is 1: bool is needed"),
        (MINIMUM + "epochs: true\n", "epochs is True: int is needed"),
        (MINIMUM + "learning_rate: fast\n", "learning_rate is 'fast'"),
        (MINIMUM + "swap: sometimes\n", "one of none, random, both is needed"),
        (MINIMUM + "lora: 8\n", "keys and values are needed"),
        (MINIMUM + "epochs: null\n", "epochs is None: a value is needed"),
        (MINIMUM + "warmup: 1\n", "warmup is 1.0; a share in [0, 1)"),
        (MINIMUM + "batch: 10\nmicro_batch: 4\n", "micro_batch is 4; a divisor of batch (10)"),
        (MINIMUM + "keep: 1\n", "keep is 1; 0, or at least 2"),
        (MINIMUM + "learns: answer\nswap: both\n", "swap is both; leave it out"),
        (MINIMUM + "learns: answer\nswap: none\n", "an answer has no order"),
        (MINIMUM + "export_epochs: 2\n", "export_epochs is 2: bool is needed"),
        (MINIMUM + "lora: {rank: 0}\n", "rank is 0; at least 1"),
        (MINIMUM + "lora: {modules: []}\n", "modules is (); at least one name"),
        (MINIMUM + "learning_rate: .inf\n", "learning_rate is inf; above 0"),
        (MINIMUM + "weight_decay: false\n", "weight_decay is False: float is needed"),
        (MINIMUM + "seed: -1\n", "seed is -1; 0 or more"),
        ("pretrained: b\ntrain: t\noutput: ''\n", "output is ''; the name of a folder"),
        (MINIMUM + "epochs: 0\nclip: 0\n", "epochs is 0; at least 1; clip is 0.0; above 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, text)
    assert told in str(error.value)
    assert "c.yaml" in str(error.value)


def test_all_problems_come_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, "trian: a\nepochs: x\n")
    for told in ("unknown key trian (did you mean train?)", "epochs is 'x'", "output is missing"):
        assert told in str(error.value)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "\x00", "seed: 1\nseed: 2\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"c\.yaml"):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.yaml"):
        read_config(tmp_path / "no.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configurations_are_right_and_say_their_command(path: Path) -> None:
    config = read_config(path)
    head = path.read_text("utf-8").split("\npretrained:")[0]
    assert f"--config train_judge/configs/{path.name}" in head
    assert f"batch {config.batch}" in head or f"{config.batch} examples" in head
