"""Real trainings of a tiny model: it learns, resumes, survives, and its result judges."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
import torch
from safetensors.torch import load_file
from tiny_judge import examples, make_base, write_config, write_lines

from pandalm_eval.cli import main as pandalm
from pandalm_eval.errors import InputError, UsageError
from train_judge.config import read_config
from train_judge.steps import command
from train_judge.train import main, train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def accuracy(judge: Path, folder: Path) -> float:
    """Of a judge on 120 held-out prompts, by a run of the harness."""
    pairs = examples(120, seed=9)
    for row in pairs:
        row["label"] = row.pop("verdict")
    path = write_lines(folder / "pairs.jsonl", pairs)
    status = pandalm(
        [
            *("run", "--model", "hf-judge", "--batch_size", "auto"),
            *("--model_args", f"pretrained={judge}", "--tasks", "pandalm-pairs"),
            *("--metadata", f"pairs={path}", "--output_path", str(folder / "judged")),
        ]
    )
    assert status == 0
    (results,) = (folder / "judged").rglob("results_*.json")
    return float(json.loads(results.read_text())["results"]["pandalm-pairs"]["acc,none"])


def test_a_judge_learns_a_rule_and_judges_by_it(base: Path, tmp_path: Path) -> None:
    """From chance to above .9 on prompts it never saw, through the harness's task."""
    assert accuracy(base, tmp_path) < 0.5
    validation = write_lines(tmp_path / "validation.jsonl", examples(40, seed=5))
    train_file = write_lines(tmp_path / "many.jsonl", examples(2400, seed=1))
    config = write_config(
        tmp_path,
        base,
        train=str(train_file),
        validation=str(validation),
        epochs=1,
        micro_batch=16,
        log_every=30,
        save_every=0,
    )
    assert command(main, ["--config", str(config)]) == 0
    (tmp_path / "judged").rename(tmp_path / "before")
    assert accuracy(tmp_path / "out", tmp_path) > 0.9
    log = json.loads((tmp_path / "out" / "log.json").read_text())
    figures = [record for record in log if "eval_accuracy" in record]
    assert figures[-1]["eval_accuracy"] > 0.9
    assert figures[-1]["eval_consistency"] > 0.9
    speeds = [record for record in log if "loss" in record]
    assert all(0 < record["mfu"] < 1.5 and record["tokens_per_second"] > 0 for record in speeds)
    card = (tmp_path / "out" / "README.md").read_text()
    for told in (
        "base_model:",
        "2400 examples of 2400 prompts",
        "40 validation pairs",
        "epochs: 1",
    ):
        assert told in card
    assert (tmp_path / "out" / "course.svg").stat().st_size > 1000


def test_a_killed_training_goes_on_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    """Kill it at any point after a checkpoint; run the same command again."""
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = write_config(tmp_path / "whole", base, epochs=8)  # long after the sixth update
    train(read_config(whole))
    config = write_config(tmp_path / "killed", base, epochs=8)
    command = [sys.executable, "-m", "train_judge.train", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    marker = tmp_path / "killed" / "out" / "checkpoint-6" / "whole.json"
    while not marker.exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "out" / "finished.json").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "goes on from checkpoint-" in done.stderr
    assert same(tmp_path / "whole" / "out", tmp_path / "killed" / "out")
    logs = [
        json.loads((tmp_path / name / "out" / "log.json").read_text())
        for name in ("whole", "killed")
    ]
    losses = [[(r["step"], r["loss"]) for r in log if "loss" in r] for log in logs]
    assert losses[0] == losses[1]  # each step once


def test_a_checkpoint_that_was_cut_off_is_not_gone_on_from(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(read_config(write_config(tmp_path, base)))
    output = tmp_path / "out"
    ended = weights(output)
    (output / "finished.json").unlink()
    newest = output / "checkpoint-12"
    (newest / "whole.json").unlink()
    (newest / "model.safetensors").write_bytes(b"cut")
    train(read_config(tmp_path / "config.yaml"))
    assert "checkpoint-12 was cut off" in caplog.text
    again = weights(output)
    assert all(torch.equal(ended[key], again[key]) for key in ended)


def test_a_finished_training_is_not_repeated(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = write_config(tmp_path, base, epochs=1)
    train(read_config(config))
    before = (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns
    caplog.set_level("INFO", logger="train_judge")
    train(read_config(config))
    assert "is finished" in caplog.text
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns == before


def test_another_training_does_not_go_on_from_its_checkpoints(base: Path, tmp_path: Path) -> None:
    train(read_config(write_config(tmp_path, base, epochs=1)))
    with pytest.raises(UsageError, match=r"holds another training \(learning_rate was 0\.002, is"):
        train(read_config(tmp_path / "config.yaml", {"learning_rate": 1e-3}))
    write_lines(tmp_path / "train.jsonl", examples(96, seed=4))
    with pytest.raises(UsageError, match="holds another training \\(train was "):
        train(read_config(tmp_path / "config.yaml"))


def test_adapters_judge_with_no_further_step(base: Path, tmp_path: Path) -> None:
    """As `hf-judge`, and as the harness's stock `hf`, from the folder alone."""
    from lm_eval.models.huggingface import HFLM

    config = write_config(tmp_path, base, epochs=1, lora={"rank": 4, "modules": "all-linear"})
    train(read_config(config))
    output = tmp_path / "out"
    stock = HFLM(pretrained=str(output), device="cpu", dtype="float32")
    ids = stock.tokenizer("Below are two", return_tensors="pt")["input_ids"]
    untrained = HFLM(pretrained=str(base), device="cpu", dtype="float32")
    assert not torch.allclose(stock.model(ids).logits, untrained.model(ids).logits)
    assert accuracy(output, tmp_path) >= 0
    assert (output / "adapter" / "adapter_model.safetensors").exists()


def test_micro_batches_do_not_change_the_weights_beyond_rounding(
    base: Path, tmp_path: Path
) -> None:
    """Accumulation gives the mean over the update's tokens, whatever a pass holds."""
    found = []
    for size in (4, 16):
        folder = tmp_path / str(size)
        folder.mkdir()
        config = write_config(folder, base, micro_batch=size, epochs=1, group_by_length=False)
        train(read_config(config))
        found.append(weights(folder / "out"))
    for key in found[0]:
        assert torch.allclose(found[0][key], found[1][key], atol=2e-4), key


def test_gradient_checkpointing_changes_no_weight(base: Path, tmp_path: Path) -> None:
    for name, told in (("plain", False), ("recomputed", True)):
        (tmp_path / name).mkdir()
        config = write_config(tmp_path / name, base, epochs=1, gradient_checkpointing=told)
        train(read_config(config))
    assert same(tmp_path / "plain" / "out", tmp_path / "recomputed" / "out")


def test_tensorboard_has_the_course_on_request(base: Path, tmp_path: Path) -> None:
    train(read_config(write_config(tmp_path, base, epochs=1, report_to=["tensorboard"])))
    assert list((tmp_path / "out").rglob("events.out.tfevents.*"))


def test_both_orders_are_learnt_where_asked_for(base: Path, tmp_path: Path) -> None:
    train(read_config(write_config(tmp_path, base, epochs=1, swap="both")))
    log = json.loads((tmp_path / "out" / "log.json").read_text())
    assert log[-1]["step"] == 12  # 96 pairs, twice, 16 an update


def test_a_training_that_diverges_says_so(base: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, base, optimizer="sgd", learning_rate=1e12, clip=1e12)
    with pytest.raises(InputError, match=r"diverged: .* not finite at update"):
        train(read_config(config))
    assert not (tmp_path / "out" / "finished.json").exists()


def test_a_full_disk_loses_nothing(base: Path, tmp_path: Path) -> None:
    """Files over 100 kB cannot be written: the first checkpoint fails; later there is room."""
    config = write_config(tmp_path, base, epochs=1)
    command = [sys.executable, "-m", "train_judge.train", "--config", str(config)]

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    full = subprocess.run(command, capture_output=True, text=True, preexec_fn=small_files)
    assert full.returncode == 1
    assert "Is the disk full?" in full.stderr
    assert "Traceback" not in full.stderr
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "finished.json").exists()


def test_two_trainings_do_not_share_a_folder(base: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, base)
    (tmp_path / "out").mkdir()
    with (
        filelock.FileLock(tmp_path / "out" / ".lock"),
        pytest.raises(UsageError, match="another training runs in this folder"),
    ):
        train(read_config(config))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{broken", r"line 97 is not valid JSON"),
        ('{"instruction": "a"}', r"record 96 has no field response1"),
        (json.dumps({**examples(1, 3)[0], "verdict": "both"}), r"record 96 has verdict 'both'"),
        (json.dumps({**examples(1, 3)[0], "reference": "x " * 3000}), r"record 96: the target has"),
    ],
)
def test_bad_examples_stop_before_work(
    base: Path, tmp_path: Path, line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, base)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write(line + "\n")
    assert command(main, ["--config", str(config)]) == 1
    error = capsys.readouterr().err
    assert "train.jsonl" in error
    assert re.search(told, error)
    assert not list((tmp_path / "out").glob("checkpoint-*"))


def test_prompts_of_validation_are_not_learnt(base: Path, tmp_path: Path) -> None:
    shared = write_lines(tmp_path / "v.jsonl", examples(3, seed=1))
    config = write_config(tmp_path, base, validation=str(shared))
    with pytest.raises(InputError, match="3 of its 3 prompts also stand in"):
        train(read_config(config))


def test_nothing_of_the_user_is_written_over(base: Path, tmp_path: Path) -> None:
    """Neither checkpoints of another program, nor the base model, nor the data card."""
    foreign = tmp_path / "out" / "checkpoint-500" / "model.safetensors"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"theirs")
    config = write_config(tmp_path, base)
    with pytest.raises(UsageError, match="checkpoint-500 of another program"):
        train(read_config(config))
    assert foreign.read_bytes() == b"theirs"
    for place, told in ((base, "the base model"), (tmp_path, "the examples")):
        with pytest.raises(UsageError, match=told):
            train(read_config(config, {"output": str(place)}))


def test_weights_that_are_no_numbers_are_no_result(base: Path, tmp_path: Path) -> None:
    """Also where the loss is logged too rarely to show it."""
    config = write_config(
        tmp_path, base, optimizer="sgd", learning_rate=1e30, clip=1e30, log_every=1000, save_every=0
    )
    with pytest.raises(InputError, match="the training diverged"):
        train(read_config(config))
    assert not list((tmp_path / "out").rglob("whole.json"))
    assert not (tmp_path / "out" / "finished.json").exists()


def test_adapters_resume_and_hang_on_the_seed(base: Path, tmp_path: Path) -> None:
    lora = {"rank": 4, "modules": "all-linear", "dropout": 0.2}
    found = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        config = write_config(
            tmp_path / name, base, lora=lora, seed=seed, gradient_checkpointing=True
        )
        train(read_config(config))
        if name == "b":  # as if it had been killed after its first checkpoint but one
            output = tmp_path / name / "out"
            (output / "finished.json").unlink()
            (output / "model.safetensors").unlink()
            (output / "checkpoint-12" / "whole.json").unlink()
            train(read_config(config))
        found[name] = load_file(tmp_path / name / "out" / "adapter" / "adapter_model.safetensors")
    assert all(torch.equal(found["a"][key], found["b"][key]) for key in found["a"])
    assert not all(torch.equal(found["a"][key], found["c"][key]) for key in found["a"])


def test_the_result_holds_no_text_of_the_data(base: Path, tmp_path: Path) -> None:
    train(read_config(write_config(tmp_path, base, epochs=1)))
    kept = {path.name for path in (tmp_path / "out").iterdir()}
    assert "data" not in kept
    assert "training_args.bin" not in kept
    assert str(tmp_path) not in (tmp_path / "out" / "README.md").read_text()


def test_shortened_prompts_are_counted(base: Path, tmp_path: Path) -> None:
    rows = examples(32, seed=1)
    for row in rows[:8]:
        row["response1"] *= 40
    long = write_lines(tmp_path / "long.jsonl", rows)
    config = write_config(tmp_path, base, train=str(long), epochs=1, max_length=128)
    train(read_config(config))
    assert "shortened: 0.2500" in (tmp_path / "out" / "README.md").read_text()


def test_a_prompt_without_room_for_its_texts_is_refused(base: Path, tmp_path: Path) -> None:
    rows = examples(32, seed=1)
    rows[5] |= {"reason": "word " * 60, "reference": "word " * 60}
    long = write_lines(tmp_path / "long.jsonl", rows)
    config = write_config(tmp_path, base, train=str(long), max_length=380)
    with pytest.raises(InputError, match=r"long\.jsonl: record 5: the target has"):
        train(read_config(config))


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"report_to": ["nonsense"]}, 2, "report_to is nonsense: unknown"),
        ({"batch": 200, "micro_batch": 8}, 2, "there are 96 examples"),
        ({"train": "no.jsonl"}, 1, "no.jsonl: no such file"),
        ({"pretrained": "/no/such/model"}, 1, "no such folder"),
        ({"deepspeed": "zero9"}, 2, "neither one of zero2, zero3 nor a file"),
        ({"lora": {"modules": ["nonsense"]}}, 2, "lora.modules is"),
    ],
)
def test_wrong_configurations_are_told_in_a_line(
    base: Path,
    tmp_path: Path,
    changes: dict[str, object],
    status: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(main, ["--config", str(write_config(tmp_path, base, **changes))]) == status
    assert told in capsys.readouterr().err


def test_set_takes_keys_and_values(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, base)
    assert command(main, ["--config", str(config), "--set", "epochs"]) == 2
    assert "--set takes KEY=VALUE, not epochs" in capsys.readouterr().err
    assert command(main, ["--config", str(config), "--set", "epochs=["]) == 2
    words = ["--config", str(config), "--set", "epochs=0", "--set", "clip=0"]
    assert command(main, words) == 2
    told = capsys.readouterr().err
    assert "epochs is 0" in told
    assert "clip is 0" in told


def test_processes_must_share_a_batch_evenly(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "3")
    with pytest.raises(UsageError, match="3 processes with micro_batch 8 take 24 examples"):
        train(read_config(write_config(tmp_path, base)))
