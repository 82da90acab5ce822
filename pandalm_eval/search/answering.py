"""Let the epochs of a training answer the prompts, as harness runs of `pandalm-respond`.

    python -m pandalm_eval.search.answering STUDY TRAINING
    accelerate launch -m pandalm_eval.search.answering STUDY TRAINING

One process for all of them, since it takes long to start. Answers that a killed one gave are kept.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.exit_codes import ended
from pandalm_eval.records import stream_records
from pandalm_eval.respond import prompt_of
from pandalm_eval.search.space import Configuration
from pandalm_eval.search.study import Prompts, Study
from train_judge.steps import written

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Answer all that the training's epochs have not answered yet."""
    if len(arguments) != 2:
        raise UsageError("python -m pandalm_eval.search.answering STUDY TRAINING")
    study = Study.open(Path(arguments[0]))
    own = [one for one in study.space.configurations if one.training.name == arguments[1]]
    if not own:
        raise UsageError(f"{arguments[0]}: has no training {arguments[1]!r}.")
    missing = []
    for configuration in own:
        if not study.weights(configuration).is_dir():
            if not study.has_answered(configuration):
                missing.append(configuration.name)
            continue
        for prompts in study.at_once:
            answer(study, configuration, prompts)
        if not study.space.keep_weights and _is_first():
            shutil.rmtree(study.weights(configuration))
    if missing:
        raise InputError(f"no weights of {', '.join(missing)}: their training did not get so far.")
    return 0


def answer(study: Study, configuration: Configuration, prompts: Prompts) -> None:
    """Let a configuration answer a set of prompts, unless it has.

    Raises:
        InputError: its weights are not there, or its answers cannot be written.
    """
    path = study.answers(configuration, prompts)
    if path.exists():
        return
    weights = _required(study, configuration)
    told = study.space.answers
    arguments: dict[str, Any] = {**told.model_args, **_weights(study, weights)}
    runs = study.training_folder(configuration.training) / "answering"
    output = runs / f"{configuration.name}-{prompts}"
    shutil.rmtree(output, ignore_errors=True)
    words = ["--model", told.model, "--model_args", json.dumps(arguments), "--log_samples"]
    words += ["--batch_size", str(told.batch_size), "--output_path", str(output)]
    words += ["--tasks", "pandalm-respond", "--use_cache", str(runs / "answers.sqlite")]
    words += ["--gen_kwargs", f"max_gen_toks={told.max_new_tokens}"]
    words += ["--apply_chat_template"] if told.chat_template else []
    metadata = {"instructions": str(study.prompt_file(prompts)), "decoding": told.decoding.value}
    words += ["--metadata", json.dumps(metadata)]
    if code := run_harness(words):
        raise InputError(f"{configuration.name}: answering ended with code {code}.")
    if _is_first():
        _write(next(output.rglob("samples_pandalm-respond_*.jsonl")), path)
        shutil.rmtree(output)


def classic(study: Study, configuration: Configuration) -> Path:
    """Let a configuration whose weights were kept run `pandalm-classic`; returns the run's folder.

    Raises:
        InputError: its weights are not there, or the run fails.
    """
    weights = _required(study, configuration)
    output = study.folder / "confirmed" / "classic" / configuration.name
    told = study.space.answers
    arguments = {**told.model_args, **_weights(study, weights)}
    words = ["--model", told.model, "--model_args", json.dumps(arguments), "--log_samples"]
    words += ["--batch_size", str(told.batch_size), "--output_path", str(output)]
    words += ["--tasks", "pandalm-classic", "--use_cache", str(output.parent / "answers.sqlite")]
    if code := run_harness(words):
        raise InputError(f"{configuration.name}: pandalm-classic ended with code {code}.")
    return output


def _required(study: Study, configuration: Configuration) -> Path:
    weights = study.weights(configuration)
    if not weights.is_dir():
        raise InputError(
            f"{weights}: the weights of {configuration.name} are not there (any more). Set "
            "keep_weights in the space before the trainings."
        )
    return weights


def run_harness(words: Sequence[str]) -> int:
    """`pandalm-eval run` in this process, without its printed table; returns the exit code."""
    from pandalm_eval.cli import main as command

    with contextlib.redirect_stdout(io.StringIO()):
        return command(["run", *words])


def _weights(study: Study, weights: Path) -> dict[str, Any]:
    """The model arguments that name the weights, or base model and adapter."""
    if (weights / "adapter_config.json").exists():
        base = {"pretrained": study.space.tuning["pretrained"], "peft": str(weights)}
        known = ("revision", "gguf_file")
        return base | {key: value for key in known if (value := study.space.tuning.get(key))}
    return {"pretrained": str(weights)}


def _write(samples: Path, path: Path) -> None:
    """The run's samples as a plain response file, which appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as file:
        for sample in stream_records(samples):
            prompt = prompt_of(sample["doc"])
            record = {
                "instruction": prompt.instruction,
                "input": prompt.input,
                "response": sample["filtered_resps"][0],
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


if __name__ == "__main__":
    sys.exit(ended("pandalm_eval.search.answering", lambda: main(sys.argv[1:])))
