"""Learning to answer: instructions, each with an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from train_judge.answer_encoding import AnswerEncoder
from train_judge.answers import Answer, stream_answers
from train_judge.batches import mean_loss, target_losses
from train_judge.config import Config
from train_judge.learning_data import LearningData, RecordFormat, RecordTable
from train_judge.model_card import Wording
from train_judge.order import learning_order


class Answering:
    """A model learns to answer instructions (`train_judge.subject.Subject`)."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.encode = AnswerEncoder(tokenizer, max_length)
        self.format = RecordFormat(stream_answers, ("instruction", "input", "output"), _restore)

    def learning(self, table: RecordTable[Answer], config: Config) -> LearningData[Answer]:
        """The answers; they have no order to swap."""
        places, _ = learning_order(table.lengths, config)
        return LearningData(table, places, self.encode)

    def validation(self, table: RecordTable[Answer]) -> LearningData[Answer]:
        """Every answer once."""
        return LearningData(table, np.arange(len(table)), self.encode)

    def figures(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """[rows, 2]: `target_losses`."""
        return target_losses(logits, labels)

    def metrics(self, rows: np.ndarray) -> dict[str, float]:
        """The loss: what an answer is worth, a judge tells, not the loss."""
        return {"loss": mean_loss(rows)}

    def wording(self, name: str, table: RecordTable[Answer]) -> Wording:
        """A candidate's card."""
        return Wording(
            tag="instruction-tuned",
            what="An instruction-tuned candidate: it reads an instruction, and an input where "
            "there is one, under\nAlpaca's template, and answers.",
            command=f"pandalm-eval run --model hf --model_args pretrained={name} \\\n"
            "  --tasks pandalm-respond --output_path out --log_samples",
            data="The loss is on the answers alone.",
            limits="What its answers are worth is unknown until people or a judge compare them. "
            "They inherit the errors\nand biases of its data.",
        )

    def validated(self, count: int, figures: Mapping[str, float]) -> str:
        """The loss, and what it is of."""
        return (
            f"On {count} validation answers to other prompts: loss {figures['eval_loss']:.4f} nats "
            "per target token, of the weights as trained, before they were rounded and merged."
        )


def _restore(row: Mapping[str, str]) -> Answer:
    return Answer(**row)
