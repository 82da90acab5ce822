"""What a training teaches: to judge pairs, or to answer instructions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch

from train_judge.answering import Answering
from train_judge.config import Config, Learns
from train_judge.judging import Judging
from train_judge.learning_data import LearningData, Learnt, RecordEncoder, RecordFormat, RecordTable
from train_judge.model_card import Wording


class Subject(Protocol[Learnt]):
    """All in which the two differ."""

    @property
    def format(self) -> RecordFormat[Learnt]:
        """How records are read and kept."""

    @property
    def encode(self) -> RecordEncoder[Learnt]:
        """From a record to token ids."""

    def learning(self, table: RecordTable[Learnt], config: Config) -> LearningData[Learnt]:
        """All that is learnt, in its order, over all epochs."""

    def validation(self, table: RecordTable[Learnt]) -> LearningData[Learnt]:
        """What `figures` are taken of."""

    def figures(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """[rows, numbers]: what `metrics` need; first `target_losses`."""

    def metrics(self, rows: np.ndarray) -> dict[str, float]:
        """Figures of the whole validation, from the `figures` of all its rows."""

    def wording(self, name: str, table: RecordTable[Learnt]) -> Wording:
        """What the model card says."""

    def validated(self, count: int, figures: Mapping[str, float]) -> str:
        """A sentence on the validation by so many records."""


def subject_of(config: Config, tokenizer: Any) -> Subject[Any]:
    """What a configuration teaches."""
    if config.learns is Learns.ANSWER:
        return Answering(tokenizer, config.max_length)
    return Judging(tokenizer, config.max_length, config.learns)
