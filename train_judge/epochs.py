"""The weights after each epoch, as folders of their own.

They are written before the checkpoint of the same update: a training that goes on from a checkpoint
has left all epochs before it. A folder appears by being renamed, so one that is there is whole.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from train_judge.checkpoints import require_finite
from train_judge.config import Config, epoch_folder
from train_judge.weights import save_weights

if TYPE_CHECKING:
    from train_judge.trainer import OrderedTrainer


class ExportEpochs(TrainerCallback):
    """Writes each epoch's weights: loadable by themselves, or adapters.

    Folders of past epochs may be deleted at any time: they are not looked for again.
    """

    def __init__(self, trainer: OrderedTrainer, tokenizer: Any, config: Config) -> None:
        self._trainer, self._tokenizer, self._config = trainer, tokenizer, config

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Called after each update, before it is logged, validated and saved, on every process.

        Raises:
            InputError: the weights are infinite or no numbers.
        """
        epoch, rest = divmod(state.global_step, state.max_steps // self._config.epochs)
        if rest == 0:
            self._export(epoch_folder(Path(args.output_dir), epoch))

    def _export(self, folder: Path) -> None:
        require_finite(self._trainer.model.parameters())  # on all processes, so that all end
        temporary = folder.with_name(f".{folder.name}.tmp")
        first = self._trainer.is_world_process_zero()
        if first:
            shutil.rmtree(temporary, ignore_errors=True)  # of a killed run
        save_weights(self._trainer, self._tokenizer, self._config, temporary)
        if not first:
            return
        if folder.exists():  # from before a kill: the same, and somebody may be reading it
            shutil.rmtree(temporary)
        else:
            os.sync()
            temporary.rename(folder)
