"""Checkpoints of a training: which are whole, and whether they belong to it."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pandalm_eval.errors import UsageError

_log = logging.getLogger(__name__)

_WHOLE = "whole.json"
"""Written last: a checkpoint without it was cut off while it was saved."""
_TRAINING = "training.json"


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
    output.mkdir(parents=True, exist_ok=True)
    write_json(path, told)


def newest(output: Path) -> Path | None:
    """The newest whole checkpoint; those that were cut off are deleted, and said so."""
    found = []
    for folder in output.glob("checkpoint-*"):
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
        **_: Any,
    ) -> None:
        """Called after a save, on every process."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            os.sync()
            write_json(folder / _WHOLE, {"step": state.global_step})


def write_json(path: Path, content: Any) -> None:
    """Write in one step: what stands there is the old or the new content, whole."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
