"""transformers' Trainer, with what it lacks: our order of examples, our count of operations."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import SequentialSampler
from transformers import EvalPrediction, Trainer, TrainingArguments

from train_judge.batches import collate, target_loss
from train_judge.checkpoints import MarkWhole, ObeyArguments
from train_judge.config import Config
from train_judge.course import KeepLog, StopWhenDiverged
from train_judge.epochs import ExportEpochs
from train_judge.learning_data import LearningData
from train_judge.subject import Subject


class OrderedTrainer(Trainer):
    """Learns records in the order in which they stand, and logs how fast.

    `shortened` is the share of records that lost something; `tokens_per_second` is of all tokens
    but padding, over all processes; `mfu` the model's floating point operations against the rate of
    matrix products that is measured at the start.
    """

    subject: Subject[Any]
    count: OperationCount
    rate: float
    operations: float
    shortened: np.ndarray
    since: tuple[float, int, float] | None = None

    @classmethod
    def of(
        cls,
        config: Config,
        *,
        model: Any,
        args: TrainingArguments,
        train_dataset: LearningData[Any],
        eval_dataset: LearningData[Any] | None,
        tokenizer: Any,
        subject: Subject[Any],
    ) -> OrderedTrainer:
        """The trainer of a configuration."""
        pad = tokenizer.pad_token_id
        trainer = cls(
            model=model,
            args=args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            data_collator=partial(collate, pad=tokenizer.eos_token_id if pad is None else pad),
            compute_loss_func=target_loss,
            compute_metrics=partial(_metrics, subject),
            callbacks=[ObeyArguments(), StopWhenDiverged(), KeepLog(), MarkWhole()],
        )
        if config.export_epochs:
            trainer.add_callback(ExportEpochs(trainer, tokenizer, config))
        trainer.subject = subject
        trainer.count = OperationCount(model)
        trainer.rate = matmul_rate(torch.bfloat16 if config.bf16 else torch.float32, args.device)
        trainer.operations = 0.0
        trainer.shortened = np.zeros(2)
        return trainer

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(train_dataset or self.train_dataset)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Operations of forward and backward pass of one batch on this process."""
        done = self.count(inputs)
        self.operations += done
        return int(done)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """One pass; the clock starts with the first after a start or a validation."""
        self.shortened += np.array([inputs.pop("shortened"), len(inputs["labels"])])
        if self.since is None:
            self.since = (time.monotonic(), self.state.num_input_tokens_seen, self.operations)
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        return loss

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], *more: Any, **options: Any
    ) -> tuple[Any, Any, Any]:
        """In place of loss, logits and labels what validation needs of them, row by row.

        Here, before rows of several processes are padded to one length. The Trainer's own loss
        would be a mean over passes, whatever number of tokens each has.
        """
        del inputs["shortened"]
        _, logits, labels = super().prediction_step(model, inputs, *more, **options)
        figures = self.subject.figures(logits, labels)
        return None, figures, labels[:, 0]  # the Trainer asks for some labels

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, and beside a loss the speed since the last one."""
        if "loss" in logs and self.since is not None:
            start, tokens, operations = self.since
            seconds = time.monotonic() - start
            logs["tokens_per_second"] = (self.state.num_input_tokens_seen - tokens) / seconds
            logs["shortened"] = float(self.shortened[0] / self.shortened[1])
            logs["mfu"] = (self.operations - operations) / seconds / self.rate
            self.shortened[:] = 0
        self.since = None
        super().log(logs)


def _metrics(subject: Subject[Any], predictions: EvalPrediction) -> dict[str, float]:
    return subject.metrics(np.asarray(predictions.predictions))


class OperationCount:
    """Floating point operations of a pass.

    A pass forward takes 2 N for each token, N being the weights outside of the embeddings, plus
    2 × layers × width × tokens of the row for causal attention, plus 2 × width × vocabulary for
    each column whose logits are kept. The way back takes twice that for full weights; once where
    frozen weights need no gradient of their own.
    """

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        embeddings = {
            id(layer.weight): layer.weight
            for layer in (model.get_input_embeddings(), model.get_output_embeddings())
            if layer is not None
        }
        total = sum(_elements(weight) for weight in model.parameters())
        self._weights = total - sum(map(_elements, embeddings.values()))
        self._attention = 2 * config.num_hidden_layers * config.hidden_size
        self._head = 2 * config.hidden_size * config.vocab_size
        trained = sum(_elements(weight) for weight in model.parameters() if weight.requires_grad)
        self._passes = 2 + trained / total

    def __call__(self, inputs: dict[str, Any]) -> float:
        lengths = inputs["attention_mask"].sum(1).double()
        columns = len(lengths) * inputs["logits_to_keep"]
        forward = (
            2 * self._weights * lengths.sum()
            + self._attention * (lengths**2).sum()
            + self._head * columns
        )
        return float(forward * self._passes)


def _elements(weight: torch.Tensor) -> int:
    return int(getattr(weight, "ds_numel", weight.numel()))  # ZeRO-3 keeps a part of each here


def matmul_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Best of 5 square matrix products, in floating point operations a second."""
    size = 2048 if device.type == "cpu" else 8192
    left = torch.randn(size, size, device=device).to(dtype)
    seconds = []
    for _ in range(5):
        _wait(device)
        start = time.perf_counter()
        left @ left
        _wait(device)
        seconds.append(time.perf_counter() - start)
    return float(2 * size**3 / min(seconds))


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
