"""Let configurations answer prompts, as harness runs of `pandalm-respond`.

    python -m pandalm_eval.search.answering STUDY CONFIGURATION… [--held_out]
    accelerate launch -m pandalm_eval.search.answering STUDY CONFIGURATION… [--held_out]

One process for all of them, since it takes long to start. Answers that a killed one gave are kept.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.exit_codes import ended
from pandalm_eval.records import stream_records
from pandalm_eval.respond import prompt_of
from pandalm_eval.search.space import Configuration
from pandalm_eval.search.study import Prompts, Study
from train_judge.steps import written


def command(study: Study, configurations: Sequence[Configuration], *more: str) -> list[str]:
    """The words that let configurations answer, in a process of the space's own kind."""
    launch = study.space.answers.launch or (sys.executable, "-m")
    names = [configuration.name for configuration in configurations]
    return [*launch, "pandalm_eval.search.answering", str(study.folder), *names, *more]


def main(arguments: Sequence[str]) -> int:
    """Answer what has not been answered yet; weights that need not stay are let go of."""
    parser = argparse.ArgumentParser(prog="python -m pandalm_eval.search.answering")
    parser.add_argument("study", type=Path)
    parser.add_argument("configurations", nargs="+")
    parser.add_argument("--held_out", action="store_true", help="those prompts alone")
    told = parser.parse_args(arguments)
    study = Study.open(told.study)
    prompts = (Prompts.HELD_OUT,) if told.held_out else study.at_once
    missing = []
    for configuration in study.configurations(told.configurations):
        if study.weights(configuration).is_dir():
            for one in prompts:
                answer(study, configuration, one)
            if not study.space.keep_weights and _is_first():
                shutil.rmtree(study.weights(configuration))
        elif not all(study.answers(configuration, one).exists() for one in prompts):
            missing.append(configuration.name)
    if missing:
        raise InputError(
            f"no weights of {', '.join(missing)}: they were let go of (keep_weights in the space "
            "keeps them), or their training did not get so far."
        )
    return 0


def answer_held_out(study: Study, configurations: Sequence[Configuration]) -> None:
    """Let configurations whose weights were kept answer the held-out prompts, unless they have.

    Raises:
        InputError: weights are missing, or the answering fails, which says why.
    """
    left = [one for one in configurations if not study.answers(one, Prompts.HELD_OUT).exists()]
    if not left:
        return
    words = command(study, left, "--held_out")
    if code := subprocess.run(words, stdout=sys.stderr, check=False).returncode:
        raise InputError(f"answering the held-out prompts ended with code {code}.")


def answer(study: Study, configuration: Configuration, prompts: Prompts) -> None:
    """Let a configuration answer a set of prompts, unless it has.

    Raises:
        InputError: the run fails, or its answers cannot be written.
    """
    path = study.answers(configuration, prompts)
    if path.exists():
        return
    told = study.space.answers
    runs = study.training_folder(configuration.training) / "answering"
    output = runs / f"{configuration.name}-{prompts}"
    shutil.rmtree(output, ignore_errors=True)
    metadata = {"instructions": str(study.prompt_file(prompts)), "decoding": told.decoding.value}
    words = [
        *_model(study, configuration, study.weights(configuration)),
        *("--tasks", "pandalm-respond", "--output_path", str(output)),
        *("--gen_kwargs", f"max_gen_toks={told.max_new_tokens}"),
        *("--use_cache", str(runs / "answers.sqlite"), "--metadata", json.dumps(metadata)),
        *(["--apply_chat_template"] if told.chat_template else []),
    ]
    run_harness(words, f"{configuration.name}: answering")
    if _is_first():
        _write(next(output.rglob("samples_pandalm-respond_*.jsonl")), path)
        shutil.rmtree(output)


def classic(study: Study, configuration: Configuration) -> Path:
    """Let a configuration whose weights were kept run `pandalm-classic`; returns the run's folder.

    Raises:
        InputError: the run fails.
    """
    folder = study.folder / "confirmed" / "classic"
    output = folder / configuration.name
    # Tables name a run by its weights' folder: give that the configuration's name.
    named = folder / "weights" / configuration.name
    named.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        named.symlink_to(study.weights(configuration).absolute())
    shutil.rmtree(output, ignore_errors=True)
    words = [
        *_model(study, configuration, named),
        *("--tasks", "pandalm-classic", "--output_path", str(output)),
        *("--use_cache", str(folder / "answers.sqlite")),
    ]
    run_harness(words, f"{configuration.name}: pandalm-classic")
    return output


def require_weights(study: Study, configurations: Sequence[Configuration]) -> None:
    """Raise an InputError that names those whose weights are not there."""
    if gone := [one.name for one in configurations if not study.weights(one).is_dir()]:
        raise InputError(
            f"the weights of {', '.join(gone)} are not there (any more). Set keep_weights in the "
            "space before the trainings."
        )


def _model(study: Study, configuration: Configuration, weights: Path) -> list[str]:
    """The harness's flags that load a configuration's weights, or base model and adapter."""
    told = study.space.answers
    arguments: dict[str, Any] = {"pretrained": str(weights)}
    if (weights / "adapter_config.json").exists():
        base = configuration.training.config
        known = ("pretrained", "revision", "gguf_file")
        arguments = {key: base[key] for key in known if base.get(key)} | {"peft": str(weights)}
    return [
        *("--model", told.model, "--model_args", json.dumps({**told.model_args, **arguments})),
        *("--batch_size", str(told.batch_size), "--log_samples"),
    ]


def run_harness(words: Sequence[str], what: str) -> None:
    """`pandalm-eval run` in this process, without its printed table.

    Raises:
        InputError: it fails; its own message is on standard error.
    """
    from pandalm_eval.cli import main as pandalm_eval

    with contextlib.redirect_stdout(io.StringIO()):
        code = pandalm_eval(["run", *words])
    if code:
        raise InputError(f"{what} ended with code {code}.")


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
