"""Trainings of several processes: every launcher, with and without DeepSpeed, gives one result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_judge import answers, examples, make_base, write_config, write_lines

pytestmark = pytest.mark.slow  # DeepSpeed compiles its communication once, for minutes

BIN = Path(sys.executable).parent
MODULE = ("--module", "train_judge.train")
LAUNCHERS = {
    "plain": ((sys.executable, "-m", "train_judge.train"), None),
    "torchrun": (
        (BIN / "torchrun", "--standalone", "--nproc_per_node", "2", *MODULE),
        None,
    ),
    "deepspeed-zero2": ((BIN / "deepspeed", "--num_gpus", "2", *MODULE), "zero2"),
    "deepspeed-zero3": ((BIN / "deepspeed", "--num_gpus", "2", *MODULE), "zero3"),
    "alone-zero2": ((sys.executable, "-m", "train_judge.train"), "zero2"),
}
TOLERANCE = 1e-5
"""Of losses and weights: sums over processes are taken in another order."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def run(launcher: str, folder: Path, base: Path, processes: int, **changes: Any) -> str:
    folder.mkdir(exist_ok=True)
    # 14 rows in passes of 4: two processes do not share them evenly.
    validation = write_lines(folder / "validation.jsonl", examples(7, seed=5))
    command, deepspeed = LAUNCHERS[launcher]
    told = {"micro_batch": 4, "validation": str(validation), "export_epochs": True, **changes}
    config = write_config(folder, base, deepspeed=deepspeed, **told)
    ran = subprocess.run(
        [*map(str, command), "--config", str(config)],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"in {processes} processes." in ran.stderr + ran.stdout
    return ran.stderr + ran.stdout


def losses(folder: Path) -> list[float]:
    log = json.loads((folder / "out" / "log.json").read_text())
    keys = ("loss", "eval_loss", "eval_accuracy", "eval_consistency")
    return [record[key] for record in log for key in keys if key in record]


@pytest.fixture(scope="module")
def plain(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    run("plain", folder, base, 1)
    return folder


@pytest.mark.parametrize("launcher", [name for name in LAUNCHERS if name != "plain"])
def test_every_launcher_gives_the_plain_losses_and_resumes(
    launcher: str, base: Path, plain: Path, tmp_path: Path
) -> None:
    processes = 1 if launcher.startswith("alone") else 2
    folder = tmp_path / launcher
    run(launcher, folder, base, processes)
    assert losses(folder) == pytest.approx(losses(plain), abs=TOLERANCE)
    ours, theirs = (load_file(f / "out" / "model.safetensors") for f in (folder, plain))
    for key in theirs:
        assert torch.allclose(ours[key].float(), theirs[key].float(), atol=TOLERANCE), key
    # As if it had been killed after its first checkpoint but one.
    whole = (folder / "out" / "model.safetensors").read_bytes()
    assert (folder / "out" / "epoch-2" / "model.safetensors").read_bytes() == whole
    shutil.rmtree(folder / "out" / "epoch-2")
    (folder / "out" / "finished.json").unlink()
    (folder / "out" / "model.safetensors").unlink()
    shutil.rmtree(folder / "out" / "checkpoint-12")
    assert "goes on from checkpoint-9" in run(launcher, folder, base, processes)
    assert (folder / "out" / "model.safetensors").read_bytes() == whole
    assert (folder / "out" / "epoch-2" / "model.safetensors").read_bytes() == whole


def test_adapters_that_were_split_are_exported(base: Path, tmp_path: Path) -> None:
    data = write_lines(tmp_path / "answers.jsonl", answers(33, seed=1))
    validation = write_lines(tmp_path / "v.jsonl", answers(7, seed=5))
    told = {"train": str(data), "validation": str(validation), "learns": "answer"}
    run("deepspeed-zero3", tmp_path, base, 2, lora={"rank": 4}, **told)
    epoch, last = (
        load_file(tmp_path / "out" / name / "adapter_model.safetensors")
        for name in ("epoch-2", "adapter")
    )
    assert epoch.keys() == last.keys()
    assert all(torch.equal(epoch[key], last[key]) for key in last)
    assert all(weight.numel() for weight in last.values())


def test_accelerate_launches_deepspeed(base: Path, plain: Path, tmp_path: Path) -> None:
    import train_judge

    zero2 = Path(train_judge.__file__).parent / "configs" / "zero2.json"
    LAUNCHERS["accelerate"] = (
        (
            *(BIN / "accelerate", "launch", "--use_deepspeed", "--num_processes", "2"),
            *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
            *("--deepspeed_config_file", zero2, *MODULE),
        ),
        "zero2",
    )
    folder = tmp_path / "accelerate"
    run("accelerate", folder, base, 2)
    assert losses(folder) == pytest.approx(losses(plain), abs=TOLERANCE)


def test_a_deepspeed_result_judges(base: Path, tmp_path: Path) -> None:
    """Weights that were split over two processes load as a judge with no further step."""
    from small_judges import ask

    from pandalm_eval.models.hf_judge import HFJudge

    run("deepspeed-zero3", tmp_path / "split", base, 2)
    judge = HFJudge(str(tmp_path / "split" / "out"), device="cpu")
    (score,) = judge.loglikelihood(ask(["### Evaluation:\n"], "1"))
    assert score[0] < 0
