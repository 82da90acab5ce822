"""The weights of a training as a folder that others load."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open

from pandalm_eval.errors import InputError
from train_judge.checkpoints import require_finite
from train_judge.config import Config

if TYPE_CHECKING:
    from train_judge.trainer import OrderedTrainer


def save_weights(trainer: OrderedTrainer, tokenizer: Any, config: Config, folder: Path) -> None:
    """Write weights and tokenizer as they now are, on every process; the model stays as it is.

    Of a training of adapters, the adapters alone. Full weights are rounded to bfloat16 where it is
    configured.

    Raises:
        InputError: weights that are infinite or no numbers, or none were written.
    """
    model = trainer.model
    held_in_float32 = config.bf16 and config.lora is None and not trainer.is_deepspeed_enabled
    if not held_in_float32:
        trainer.save_model(str(folder))  # gathers what is split over processes
    elif trainer.is_world_process_zero():
        model.save_pretrained(folder, state_dict=_rounded(model.state_dict()))
    if not trainer.is_world_process_zero():
        return
    (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle, of no use here
    if config.lora is None:
        settings = copy.deepcopy(model.config)
        settings.use_cache = True
        if held_in_float32:
            settings.dtype = "bfloat16"
        settings.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    require_finite(_written(folder))


def _rounded(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same in bfloat16, on the CPU; weights that are one stay one."""
    known: dict[int, torch.Tensor] = {}
    for weight in weights.values():
        if weight.data_ptr() not in known:
            known[weight.data_ptr()] = (
                weight.to(torch.bfloat16) if weight.is_floating_point() else weight
            ).cpu()
    return {name: known[weight.data_ptr()] for name, weight in weights.items()}


def _written(folder: Path) -> Iterator[torch.Tensor]:
    """The tensors of a folder: with ZeRO-3, no process has them otherwise."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(
            f"{folder}: no weights were written. Where a DeepSpeed file of your own has stage 3, "
            "set stage3_gather_16bit_weights_on_model_save to true in it."
        )
    for path in files:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 (no mapping)
                yield file.get_tensor(name)
