"""What a training leaves: weights that load with no further step, and a model card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers.integrations import unset_hf_deepspeed_config

from train_judge.base_model import merged
from train_judge.checkpoints import require_finite
from train_judge.config import Config
from train_judge.course import plot_course
from train_judge.learning_data import RecordTable
from train_judge.model_card import model_card
from train_judge.steps import write_json
from train_judge.trainer import OrderedTrainer
from train_judge.weights import save_weights

FINISHED = "finished.json"
"""Written last of all: a folder that has it holds a whole result."""


def save_result(
    trainer: OrderedTrainer,
    tokenizer: Any,
    config: Config,
    learnt: RecordTable[Any],
    held_out: RecordTable[Any] | None,
) -> None:
    """Write weights, tokenizer, card and picture into the output folder, on every process.

    Adapters are merged into the weights, so that the folder loads like any model; by themselves
    they stand in `adapter/`.
    """
    output = Path(config.output)
    require_finite(trainer.model.parameters())
    validation = None
    if held_out is not None:
        validation = trainer.subject.validated(len(held_out), _last_validation(trainer))
    adapter = output / "adapter"
    save_weights(trainer, tokenizer, config, output if config.lora is None else adapter)
    if not trainer.is_world_process_zero():
        return
    if config.lora is not None:
        unset_hf_deepspeed_config()  # else the weights would be split again
        merged(config, str(adapter)).save_pretrained(output)
        tokenizer.save_pretrained(output)
    shutil.rmtree(output / "data", ignore_errors=True)  # the result is for others, too
    plot_course(trainer.state.log_history, output / "course.svg")
    card = model_card(
        config,
        trainer.subject.wording(output.name, learnt),
        examples=len(learnt),
        prompts=len(learnt.prompts),
        digest=learnt.digest,
        history=trainer.state.log_history,
        updates=trainer.state.global_step,
        processes=trainer.args.world_size,
        tokens=trainer.state.num_input_tokens_seen,
        validation=validation,
    )
    (output / "README.md").write_text(card, "utf-8")
    write_json(output / FINISHED, {"updates": trainer.state.global_step})


def _last_validation(trainer: OrderedTrainer) -> Mapping[str, float]:
    """Figures after the last update; taken now if they are not there."""
    last = trainer.state.log_history[::-1]
    found = next((record for record in last if "eval_loss" in record), {"step": -1})
    if found["step"] == trainer.state.global_step:
        return found
    figures: Mapping[str, float] = trainer.evaluate()
    return figures
