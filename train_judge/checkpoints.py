"""Checkpoints of a training: which are whole, and whether they belong to it."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pandalm_eval.errors import InputError, UsageError, listing
from train_judge.steps import write_json

_log = logging.getLogger(__name__)

_WHOLE = "whole.json"
"""Written last: a checkpoint without it was cut off while it was saved."""
_TRAINING = "training.json"
_KINDS = ("checkpoint-*", "epoch-*")  # of folders that a training leaves on its way


def claim(output: Path, training: Mapping[str, Any]) -> None:
    """Make the folder this training's, or find that it already is.

    Args:
        training: all that decides on the weights: the same training has the same mapping.

    Raises:
        UsageError: the folder holds another training; the message names what differs.
    """
    told = json.loads(json.dumps(training))
    path = output / _TRAINING
    if path.exists():
        known = json.loads(path.read_text("utf-8"))
        if differing := [key for key in told if known.get(key) != told[key]]:
            shown = "; ".join(
                f"{key} was {known.get(key)!r}, is {told[key]!r}" for key in differing
            )
            raise UsageError(
                f"{output}: holds another training ({shown}). Name another output, or take the "
                "same configuration to resume it."
            )
        return
    if foreign := [place.name for kind in _KINDS for place in output.glob(kind)]:
        raise UsageError(
            f"{output}: holds {listing(foreign)} of another program. Name another output."
        )
    write_json(path, told)


def newest(output: Path) -> Path | None:
    """The newest whole checkpoint; those that were cut off are deleted, and said so."""
    found = []
    for folder in output.glob("checkpoint-*"):
        if not (folder.is_dir() and folder.name.removeprefix("checkpoint-").isdecimal()):
            continue
        if (folder / _WHOLE).exists():
            found.append(folder)
        else:
            _log.warning("%s was cut off while it was saved; it is deleted.", folder)
            shutil.rmtree(folder)
    return max(found, key=lambda folder: int(folder.name.split("-")[1]), default=None)


class MarkWhole(TrainerCallback):
    """Marks each checkpoint once all of it is on disk, and keeps the log beside it."""

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        """Called after a save, on every process.

        Raises:
            InputError: weights that are no numbers: they are not gone on from.
        """
        require_finite(model.parameters())
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # each process writes a part
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            os.sync()
            write_json(folder / _WHOLE, {"step": state.global_step})


class ObeyArguments(TrainerCallback):
    """Lets a resumed training save, validate and log as it is configured now."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Called once a checkpoint, which has them as they were, is loaded."""
        for name in ("save_steps", "eval_steps", "logging_steps"):
            setattr(state, name, getattr(args, name))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """The last update is logged, too."""
        control.should_log |= state.global_step == state.max_steps


def require_finite(weights: Iterable[torch.Tensor]) -> None:
    """Raise an InputError where a weight is infinite or no number."""
    if not all(torch.isfinite(weight).all() for weight in weights):
        raise InputError(
            "the training diverged: weights are infinite or no numbers. Take a lower "
            "learning_rate, or more warmup."
        )
