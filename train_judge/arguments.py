"""The configuration in the words of transformers' Trainer."""

from __future__ import annotations

import math

from transformers import TrainingArguments
from transformers.integrations import get_available_reporting_integrations

from pandalm_eval.errors import UsageError
from train_judge import launch
from train_judge.config import Config, Optimizer, Schedule

_SCHEDULES = {
    Schedule.COSINE: "cosine",
    Schedule.LINEAR: "linear",
    Schedule.CONSTANT: "constant_with_warmup",
}
_OPTIMIZERS = {Optimizer.ADAMW: "adamw_torch", Optimizer.SGD: "sgd"}


def training_arguments(config: Config, updates: int) -> TrainingArguments:
    """Arguments of a training of so many updates.

    Making them starts the process group, and with ZeRO-3 decides how weights are loaded.
    """
    if unknown := set(config.report_to) - set(get_available_reporting_integrations()):
        raise UsageError(
            f"report_to is {', '.join(sorted(unknown))}: unknown, or its package is not installed."
        )
    on_cpu = launch.on_cpu()
    epoch = updates // config.epochs
    arguments = TrainingArguments(
        output_dir=config.output,
        max_steps=updates,
        per_device_train_batch_size=config.micro_batch,
        per_device_eval_batch_size=config.micro_batch,
        gradient_accumulation_steps=launch.accumulation(config),
        optim=_OPTIMIZERS[config.optimizer],
        learning_rate=config.learning_rate,
        lr_scheduler_type=_SCHEDULES[config.schedule],
        warmup_steps=math.ceil(config.warmup * updates),
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        bf16=config.bf16,
        deepspeed=launch.deepspeed_file(config.deepspeed),
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and launch.processes() > 1 else None,
        ddp_find_unused_parameters=False,
        save_strategy="steps",
        save_steps=config.save_every or epoch,
        save_total_limit=config.keep or None,
        eval_strategy="steps" if config.validation else "no",
        eval_steps=config.validate_every or epoch,
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,  # a loss that is no number is shown, not averaged away
        include_num_input_tokens_seen="non_padding",
        remove_unused_columns=False,
        dataloader_pin_memory=not on_cpu,
        dataloader_num_workers=0 if on_cpu else 2,  # texts are encoded while an accelerator works
        report_to=list(config.report_to) or "none",
        seed=config.seed,
    )
    if launch.processes() == 1:
        arguments._n_gpu = 1  # more would make an update of more examples than `batch`
    launch.join(arguments.device, config.deepspeed)
    return arguments
