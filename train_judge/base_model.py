"""The model that is trained: loaded as the judge loads it, with adapters where asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.models.checkpoint import Checkpoint
from train_judge import launch
from train_judge.config import Config


def base_checkpoint(config: Config) -> Checkpoint:
    """Where the base model is.

    Weights that are trained in full are held in float32, since an update is often smaller than
    bfloat16 can tell; frozen ones, and those of which DeepSpeed holds a float32 copy, are not.
    """
    lean = config.bf16 and (config.lora is not None or config.deepspeed is not None)
    return Checkpoint(
        pretrained=config.pretrained,
        revision=config.revision,
        gguf_file=config.gguf_file,
        dtype="bfloat16" if lean else "float32",
    )


def load_model(config: Config) -> Any:
    """The model with everything that is trained, on the CPU: the Trainer places it.

    Raises:
        InputError: it cannot be had, or has no layers of the names that adapters are asked for.
    """
    model = base_checkpoint(config).load_model(
        device=torch.device("cpu"), quiet=not launch.is_first()
    )
    model.config.use_cache = False
    _unpack(model)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model if config.lora is None else _with_adapters(model, config)


def _unpack(model: Any) -> None:
    """Weights of a GGUF file are unpacked on load: it is no quantised model any more."""
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _with_adapters(model: Any, config: Config) -> Any:
    assert config.lora is not None
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError as error:
        raise InputError("lora needs the package peft: pip install peft.") from error
    modules = config.lora.modules
    settings = LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        task_type=TaskType.CAUSAL_LM,
    )
    try:
        adapted = get_peft_model(model, settings)
    except ValueError as error:
        raise UsageError(f"lora.modules is {modules!r}: {' '.join(str(error).split())}") from None
    if config.gradient_checkpointing:
        adapted.enable_input_require_grads()
    return adapted


def merged(config: Config, adapter: str) -> Any:
    """The base model with an adapter's changes in its own weights."""
    checkpoint = replace(base_checkpoint(config), peft=adapter)
    model = checkpoint.load_model(device=torch.device("cpu"), quiet=True).merge_and_unload()
    _unpack(model)
    return model
