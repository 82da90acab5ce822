"""What a training leaves: weights that load with no further step, and a model card."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers.integrations import unset_hf_deepspeed_config

from pandalm_eval import __version__
from train_judge.base_model import merged
from train_judge.checkpoints import require_finite, write_json
from train_judge.config import Config, Learns
from train_judge.course import plot_course
from train_judge.learning_data import ExampleTable
from train_judge.trainer import JudgeTrainer

FINISHED = "finished.json"
"""Written last of all: a folder that has it holds a whole result."""

_CARD = """---
{header}---

# {name}

A pairwise judge: it reads an instruction and two responses and writes which is better
(1, 2 or Tie){more}. Trained from `{base}` by pandalm_eval {version} (`train_judge`).

```bash
pandalm-eval run --model hf-judge --model_args pretrained={name} \\
  --tasks pandalm_human_logprob --output_path out --log_samples
```

## Data

{examples} examples of {prompts} prompts; share of each verdict as stored: first {first:.4f},
second {second:.4f}, tie {tie:.4f}. SHA-256 of the file: `{digest}`.
The data card beside it has sources and licences; the weights are bound by them, and by the licence
of the base model.

## Training

```yaml
{config}```

{updates} updates in {processes} processes, {tokens} tokens. Share of examples whose prompt was
shortened: {shortened:.4f}. Software: {software}.

{validation}

## Limits

Accuracy on your data is unknown until you measure it. The judge inherits the biases of whoever
labelled its data. Not for decisions with high stakes.
"""


def save_result(
    trainer: JudgeTrainer,
    tokenizer: Any,
    config: Config,
    learnt: ExampleTable,
    held_out: ExampleTable | None,
) -> None:
    """Write weights, tokenizer, card and picture into the output folder, on every process.

    Adapters are merged into the weights, so that the folder loads like any model; by themselves
    they stand in `adapter/`.
    """
    output = Path(config.output)
    require_finite(trainer.model)
    validation = None if held_out is None else _last_validation(trainer)
    first = trainer.is_world_process_zero()
    if config.lora is None:
        if config.bf16 and not trainer.is_deepspeed_enabled:
            trainer.model.to(torch.bfloat16)
        trainer.model.config.use_cache = True
        trainer.save_model(str(output))
    else:
        trainer.save_model(str(output / "adapter"))
        if first:
            unset_hf_deepspeed_config()  # else the weights would be split again
            merged(config, str(output / "adapter")).save_pretrained(output)
    if first:
        for folder in (output, output / "adapter"):
            (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle, of no use here
        shutil.rmtree(output / "data", ignore_errors=True)  # the result is for others, too
        tokenizer.save_pretrained(output)
        plot_course(trainer.state.log_history, output / "course.svg")
        card = _card(trainer, config, learnt, validation, 0 if held_out is None else len(held_out))
        (output / "README.md").write_text(card, "utf-8")
        write_json(output / FINISHED, {"updates": trainer.state.global_step})


def _last_validation(trainer: JudgeTrainer) -> Mapping[str, float]:
    """Figures after the last update; taken now if they are not there."""
    last = trainer.state.log_history[::-1]
    found = next((record for record in last if "eval_accuracy" in record), {"step": -1})
    if found["step"] == trainer.state.global_step:
        return found
    figures: Mapping[str, float] = trainer.evaluate()
    return figures


def _card(
    trainer: JudgeTrainer,
    config: Config,
    learnt: ExampleTable,
    validation: Mapping[str, float] | None,
    pairs: int,
) -> str:
    told = json.loads(json.dumps(asdict(config)))
    for key in ("train", "validation", "output"):  # where they stood here is nobody's business
        told[key] = told[key] and Path(told[key]).name
    if Path(config.pretrained).exists():
        told["pretrained"] = Path(config.pretrained).name
    base = told["pretrained"]
    header: dict[str, Any] = {
        "base_model": base,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["pairwise-judge", "pandalm"],
    }
    more = config.learns is Learns.ALL and learnt.has_reasons
    packages = ("torch", "transformers", "accelerate", "peft", "deepspeed")
    return _CARD.format(
        header=yaml.safe_dump(header, sort_keys=False),
        name=Path(config.output).name,
        more=", why, and a reference response" if more else "",
        base=base,
        shortened=_shortened(trainer.state.log_history),
        version=__version__,
        examples=len(learnt),
        prompts=len(learnt.prompts),
        digest=learnt.digest,
        **learnt.shares,
        config=yaml.safe_dump(told, sort_keys=False),
        updates=trainer.state.global_step,
        processes=trainer.args.world_size,
        tokens=trainer.state.num_input_tokens_seen,
        software=", ".join(f"{name} {version}" for name in packages if (version := _version(name))),
        validation="There was no validation set."
        if validation is None
        else f"On {pairs} validation pairs of other prompts, judged in both orders: accuracy of "
        f"the mean probabilities {validation['eval_accuracy']:.4f}, position consistency "
        f"{validation['eval_consistency']:.4f}, loss {validation['eval_loss']:.4f}. These are "
        "of the weights as trained, before they were rounded and merged, and by the first token of "
        "a verdict: a run of the harness is what to cite.",
    )


def _shortened(history: Sequence[Mapping[str, float]]) -> float:
    """Share of the examples, over all log records of equal weight."""
    shares = [record["shortened"] for record in history if "shortened" in record]
    return sum(shares) / max(len(shares), 1)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
