"""Trainings of a tiny model that learns to answer, and leaves its weights after each epoch."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_judge import answers, examples, make_base, write_config, write_lines
from transformers import AutoModelForCausalLM

from pandalm_eval.cli import main as pandalm
from pandalm_eval.errors import InputError, UsageError
from train_judge import epochs
from train_judge.config import epoch_folder, read_config
from train_judge.train import train

LORA = {"rank": 4, "modules": "all-linear"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def configured(folder: Path, base: Path, **changes: Any) -> Path:
    """Answers to learn, 6 updates an epoch."""
    folder.mkdir(exist_ok=True)
    data = write_lines(folder / "answers.jsonl", answers(96, seed=1))
    told = {"train": str(data), "learns": "answer", "export_epochs": True, **changes}
    return write_config(folder, base, **told)


def exported(output: Path) -> dict[str, bytes]:
    """All that stands in the folders of epochs, by path."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.glob("epoch-*/*"))
    }


def log(output: Path, key: str) -> list[float]:
    return [r[key] for r in json.loads((output / "log.json").read_text()) if key in r]


def respond(folder: Path, model_args: str) -> list[str]:
    """Answers to two prompts, by a run of the harness's stock `hf`."""
    prompts = write_lines(folder / "prompts.jsonl", answers(2, seed=7))
    out = folder / "answered"
    shutil.rmtree(out, ignore_errors=True)
    status = pandalm(
        [
            *("run", "--model", "hf", "--device", "cpu", "--model_args", model_args),
            *("--tasks", "pandalm-respond", "--metadata", f"instructions={prompts}"),
            *("--gen_kwargs", "max_gen_toks=4", "--output_path", str(out), "--log_samples"),
        ]
    )
    assert status == 0
    (samples,) = out.rglob("samples_pandalm-respond_*.jsonl")
    return [json.loads(line)["filtered_resps"][0] for line in samples.read_text().splitlines()]


def test_a_model_learns_to_answer_and_each_epoch_can_be_asked(base: Path, tmp_path: Path) -> None:
    validation = write_lines(tmp_path / "v.json", answers(10, seed=5))
    told = {"validation": str(validation), "learning_rate": 1e-2, "save_every": 0}
    train(read_config(configured(tmp_path, base, bf16=True, **told)))
    output = tmp_path / "out"
    assert log(output, "loss")[-1] < log(output, "loss")[0] / 2
    assert log(output, "eval_loss")[1] < log(output, "eval_loss")[0]
    assert not log(output, "eval_accuracy")
    for place in (epoch_folder(output, 1), epoch_folder(output, 2), output):
        assert {weight.dtype for weight in load_file(place / "model.safetensors").values()} == {
            torch.bfloat16
        }
        settings = json.loads((place / "config.json").read_text())
        assert (settings["dtype"], settings["use_cache"]) == ("bfloat16", True)
        assert (place / "generation_config.json").exists()
        assert not (place / "training_args.bin").exists()
        assert AutoModelForCausalLM.from_pretrained(place).dtype is torch.bfloat16
    last = epoch_folder(output, 2) / "model.safetensors"
    assert last.read_bytes() == (output / "model.safetensors").read_bytes()
    assert len(respond(tmp_path, f"pretrained={epoch_folder(output, 1)}")) == 2
    card = (output / "README.md").read_text()
    for told in ("- instruction-tuned", "--tasks pandalm-respond", "96 examples of 96 prompts"):
        assert told in card
    assert "On 10 validation answers to other prompts: loss " in card
    assert "judge:" not in card
    picture = (output / "course.svg").read_text()
    assert "loss (nats" in picture
    assert "position consistency" not in picture


def test_exporting_does_not_disturb_the_training(base: Path, tmp_path: Path) -> None:
    for name, told in (("with", True), ("without", False)):
        config = configured(tmp_path / name, base, bf16=True, save_every=4, export_epochs=told)
        train(read_config(config))
    one, other = (tmp_path / name / "out" for name in ("with", "without"))
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert log(one, "loss") == log(other, "loss")
    assert len(list(one.glob("epoch-*"))) == 2
    assert not list(other.glob("epoch-*"))


def test_exporting_may_be_switched_off_but_not_on(base: Path, tmp_path: Path) -> None:
    """Switched on, it would leave some epochs and not say which are missing."""
    for name, told in (("with", True), ("without", False)):
        config = configured(tmp_path / name, base, epochs=1, export_epochs=told)
        train(read_config(config))
    train(read_config(tmp_path / "with" / "config.yaml", {"export_epochs": False}))
    with pytest.raises(UsageError, match="export_epochs was None, is True"):
        train(read_config(config, {"export_epochs": True}))


def test_adapters_are_exported_alone(base: Path, tmp_path: Path) -> None:
    train(read_config(configured(tmp_path, base, lora=LORA)))
    for epoch in (1, 2):
        folder = epoch_folder(tmp_path / "out", epoch)
        assert {path.name for path in folder.iterdir()} >= {
            *("adapter_model.safetensors", "adapter_config.json", "tokenizer.json"),
        }
        assert not (folder / "model.safetensors").exists()
    weights = [
        load_file(place / "adapter_model.safetensors")
        for place in (folder, tmp_path / "out" / "adapter")
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert len(respond(tmp_path, f"pretrained={base},peft={folder}")) == 2


def test_judges_leave_their_epochs_too(base: Path, tmp_path: Path) -> None:
    rows = write_lines(tmp_path / "pairs.jsonl", examples(32, seed=1))
    told = {"train": str(rows), "learns": "verdict", "epochs": 1}
    train(read_config(configured(tmp_path, base, **told)))
    assert exported(tmp_path / "out")


@pytest.fixture(scope="module")
def undisturbed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The epochs of a training that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    train(read_config(configured(folder, base, epochs=4, save_every=4)))
    return exported(folder / "out")


@pytest.mark.parametrize("place", ["epoch-2", "checkpoint-12/model.safetensors"])
def test_a_killed_training_leaves_the_epochs_of_an_undisturbed_one(
    place: str, base: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    """Right after the second epoch was written, and at the checkpoint of the same update."""
    config = configured(tmp_path, base, epochs=4, save_every=4)
    command = [sys.executable, "-m", "train_judge.train", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not (tmp_path / "out" / place).exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(read_config(config))
    assert exported(tmp_path / "out") == undisturbed
    assert not list((tmp_path / "out").glob(".epoch-*"))


class Killed(BaseException):
    """In place of a kill, where the exact moment matters."""


@pytest.fixture
def kill_at_rename(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The second epoch is written, but not there yet."""
    sync = epochs.os.sync
    calls = []

    def kill() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        sync()

    with monkeypatch.context() as patch:
        patch.setattr(epochs, "os", type("os", (), {"sync": staticmethod(kill)}))
        yield


def test_an_epoch_that_was_cut_off_is_written_anew(
    base: Path, tmp_path: Path, undisturbed: dict[str, bytes], request: pytest.FixtureRequest
) -> None:
    config = read_config(configured(tmp_path, base, epochs=4, save_every=4))
    request.getfixturevalue("kill_at_rename")
    with pytest.raises(Killed):
        train(config)
    output = tmp_path / "out"
    assert (output / ".epoch-2.tmp" / "model.safetensors").exists()
    assert not (output / "epoch-2").exists()
    (output / ".epoch-2.tmp" / "model.safetensors").write_bytes(b"cut")
    train(config)
    assert exported(output) == undisturbed


def test_past_epochs_may_be_deleted(
    base: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    config = read_config(configured(tmp_path, base, epochs=4, save_every=4))
    train(config)
    output = tmp_path / "out"
    # As if it had been killed at the twentieth update, behind the third epoch.
    for name in ("finished.json", "model.safetensors", "checkpoint-24/whole.json"):
        (output / name).unlink()
    for name in ("epoch-1", "epoch-4"):
        shutil.rmtree(output / name)
    train(config)
    assert exported(output) == {
        name: content for name, content in undisturbed.items() if not name.startswith("epoch-1/")
    }
    shutil.rmtree(output / "epoch-2")
    train(config)  # which is finished
    assert not (output / "epoch-2").exists()


def test_a_diverged_training_keeps_the_epochs_before(base: Path, tmp_path: Path) -> None:
    """One update an epoch: the rate of the first is 0, that of the others leads to infinity."""
    config = configured(
        tmp_path,
        base,
        **{"optimizer": "sgd", "clip": 1e30, "learning_rate": 1e38, "schedule": "constant"},
        **{"epochs": 4, "batch": 96, "log_every": 1000, "save_every": 0, "bf16": True},
    )
    with pytest.raises(InputError, match="the training diverged"):
        train(read_config(config))
    kept = sorted(path.name for path in (tmp_path / "out").glob("epoch-*"))
    assert 0 < len(kept) < 4
    for name in kept:
        weights = load_file(tmp_path / "out" / name / "model.safetensors")
        assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_epochs_of_another_program_are_not_taken_for_ours(base: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "epoch-1").mkdir(parents=True)
    with pytest.raises(UsageError, match="epoch-1 of another program"):
        train(read_config(configured(tmp_path, base)))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"instruction": "a", "output": ""}, "empty output: record 96"),
        ({"instruction": "word " * 200, "output": "b"}, "record 96: the prompt has"),
        ({"instruction": "a"}, "record 96 has no field output"),
    ],
)
def test_bad_answers_stop_before_work(
    base: Path, tmp_path: Path, row: dict[str, str], told: str
) -> None:
    bad = write_lines(tmp_path / "bad.jsonl", [*answers(96, seed=1), row])
    with pytest.raises(InputError, match=told) as error:
        train(read_config(configured(tmp_path, base, train=str(bad), max_length=256)))
    assert "bad.jsonl" in str(error.value)
    assert not list((tmp_path / "out").glob("checkpoint-*"))


def test_answers_that_were_cut_are_counted(base: Path, tmp_path: Path) -> None:
    rows = answers(32, seed=1)
    for row in rows[:8]:
        row["output"] *= 1000
    long = write_lines(tmp_path / "long.jsonl", rows)
    config = configured(tmp_path, base, train=str(long), epochs=1, max_length=256)
    train(read_config(config))
    assert "shortened: 0.2500" in (tmp_path / "out" / "README.md").read_text()


def test_prompts_of_validation_are_not_learnt(base: Path, tmp_path: Path) -> None:
    shared = write_lines(tmp_path / "v.jsonl", answers(3, seed=1))
    with pytest.raises(InputError, match="3 of its 3 prompts also stand in"):
        train(read_config(configured(tmp_path, base, validation=str(shared))))


def test_the_loss_of_a_validation_does_not_hang_on_its_passes(base: Path, tmp_path: Path) -> None:
    rows = answers(11, seed=5)
    for row in rows[:4]:
        row["output"] *= 7
    validation = write_lines(tmp_path / "v.jsonl", rows)
    found = []
    for size in (2, 16):
        config = configured(
            tmp_path / str(size),
            base,
            validation=str(validation),
            micro_batch=size,
            epochs=1,
            group_by_length=False,
            learning_rate=1e-9,
            export_epochs=False,
        )
        train(read_config(config))
        found += log(tmp_path / str(size) / "out", "eval_loss")
    assert found[0] == pytest.approx(found[1], rel=1e-5)
