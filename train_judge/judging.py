"""Learning to judge: pairs with verdicts, shown in one order or both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pandalm_eval.verdicts import LABELS, Verdict
from train_judge.batches import IGNORED, mean_loss, target_losses
from train_judge.config import Config, Learns
from train_judge.encoding import ExampleEncoder
from train_judge.examples import Example, stream_examples
from train_judge.learning_data import RecordFormat, RecordTable, SwappedData, both_orders
from train_judge.model_card import Wording
from train_judge.order import learning_order

_COLUMNS = ("instruction", "input", "response1", "response2", "reason", "reference", "verdict")


class Judging:
    """A model learns which of two responses is better (`train_judge.subject.Subject`)."""

    def __init__(self, tokenizer: Any, max_length: int, learns: Learns) -> None:
        self.encode = ExampleEncoder(tokenizer, max_length, learns)
        self.format = RecordFormat(partial(_read, learns=learns), _COLUMNS, _restore)
        self._first_tokens = torch.tensor(self.encode.first_tokens())

    def learning(self, table: RecordTable[Example], config: Config) -> SwappedData:
        """The pairs, swapped as configured."""
        return SwappedData(table, *learning_order(table.lengths, config), self.encode)

    def validation(self, table: RecordTable[Example]) -> SwappedData:
        """Every pair in both orders."""
        return both_orders(table, self.encode)

    def figures(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """[rows, 6]: `target_losses` and `verdict_probabilities`."""
        told = verdict_probabilities(logits, labels, self._first_tokens)
        return torch.cat([target_losses(logits, labels), told], 1)

    def metrics(self, rows: np.ndarray) -> dict[str, float]:
        """Loss, accuracy and position consistency."""
        return {"loss": mean_loss(rows), **validation_figures(rows[:, 2:])}

    def wording(self, name: str, table: RecordTable[Example]) -> Wording:
        """A judge's card."""
        reasons = ", why, and a reference response" if table.column("whole_bytes").any() else ""
        verdicts = table.column("verdict")
        first, second, tie = (f"{np.mean(verdicts == label):.4f}" for label in LABELS)
        return Wording(
            tag="pairwise-judge",
            what="A pairwise judge: it reads an instruction and two responses and writes which is "
            f"better\n(1, 2 or Tie){reasons}.",
            command=f"pandalm-eval run --model hf-judge --model_args pretrained={name} \\\n"
            "  --tasks pandalm_human_logprob --output_path out --log_samples",
            data=f"Share of each verdict as stored: first {first},\nsecond {second}, tie {tie}.",
            limits="Accuracy on your data is unknown until you measure it. The judge inherits the "
            "biases of whoever\nlabelled its data.",
        )

    def validated(self, count: int, figures: Mapping[str, float]) -> str:
        """Accuracy, consistency and loss, and what they are of."""
        return (
            f"On {count} validation pairs of other prompts, judged in both orders: accuracy of "
            f"the mean probabilities {figures['eval_accuracy']:.4f}, position consistency "
            f"{figures['eval_consistency']:.4f}, loss {figures['eval_loss']:.4f}. These are "
            "of the weights as trained, before they were rounded and merged, and by the first "
            "token of a verdict: a run of the harness is what to cite."
        )


def _read(path: Path, learns: Learns) -> Iterator[Example]:
    for example in stream_examples(path):
        yield example.verdict_alone() if learns is Learns.VERDICT else example


def _restore(row: Mapping[str, str]) -> Example:
    texts = dict(row)
    return Example(verdict=Verdict(texts.pop("verdict")), **texts)


def verdict_probabilities(
    logits: torch.Tensor, labels: torch.Tensor, first_tokens: torch.Tensor
) -> torch.Tensor:
    """What stands where the verdict is told.

    Returns:
        [rows, 4]: probabilities of first, second and tie among themselves, and the place of the
        gold verdict among them; all for the order that is shown.
    """
    wanted = labels[:, -(logits.shape[1] - 1) :]
    column = wanted.ne(IGNORED).int().argmax(1)
    rows = torch.arange(len(wanted), device=logits.device)
    told = logits[rows, column][:, first_tokens.to(logits.device)].float().softmax(1)
    gold = wanted[rows, column][:, None].eq(first_tokens.to(wanted.device)).int().argmax(1)
    return torch.cat([told, gold[:, None].to(told)], 1)


def validation_figures(rows: np.ndarray) -> dict[str, float]:
    """Accuracy of the mean over both orders, and position consistency, both shares of pairs.

    Takes rows of `verdict_probabilities`, every pair followed by itself swapped.
    """
    pairs = rows.reshape(-1, 2, 4)
    own = pairs[:, 0, :3]
    swapped = pairs[:, 1, [1, 0, 2]]
    judged = (own + swapped).argmax(1)
    return {
        "accuracy": float(np.mean(judged == pairs[:, 0, 3])),
        "consistency": float(np.mean(own.argmax(1) == swapped.argmax(1))),
    }
