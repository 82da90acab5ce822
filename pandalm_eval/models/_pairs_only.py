"""Judges that answer from the pair itself, not from the prompt: rules and recorded verdicts."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from pandalm_eval.errors import UsageError
from pandalm_eval.judgments import Probabilities
from pandalm_eval.models.text import JudgeText
from pandalm_eval.verdicts import LABELS

CERTAINLY_NOT = -1e9
"""Log-likelihood of a verdict with probability 0: exp of it is 0, and unlike -inf it is JSON."""


class PairJudge(LM):
    """Answers requests of a pairwise-judge task by the document they belong to.

    Attributes:
        told_as: its name on the command line.
    """

    told_as: str

    @abc.abstractmethod
    def prepare(self, requests: Sequence[Instance]) -> None:
        """Check everything before the first answer; may raise InputError or UsageError."""

    @abc.abstractmethod
    def write(self, doc: Mapping[str, Any], *, swapped: bool) -> JudgeText:
        """The judge's text for the order shown."""

    @abc.abstractmethod
    def weigh(self, doc: Mapping[str, Any], *, swapped: bool) -> Sequence[float]:
        """Log-likelihoods of "1", "2", "Tie" for the order shown."""

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Text for each request; idx 1 is the swapped order."""
        self._prepare(requests)
        return [self.write(request.doc, swapped=request.idx == 1) for request in requests]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """(log-likelihood, whether it is the highest) for each request: three an order."""
        self._prepare(requests)
        answers = []
        for request in requests:
            order, label = divmod(request.idx, len(LABELS))
            weights = self.weigh(request.doc, swapped=order == 1)
            answers.append((weights[label], weights[label] == max(weights)))
        return answers

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not to be had: there is no language model here."""
        raise NotImplementedError("a judge of pairs has no log-likelihood of running text")

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The messages joined: nothing here reads the prompt."""
        return "\n\n".join(message["content"] for message in chat_history)

    @property
    def tokenizer_name(self) -> str:
        """Empty: there is no tokenizer."""
        return ""

    def _prepare(self, requests: Sequence[Instance]) -> None:
        for request in requests:
            if not isinstance(request.doc, Mapping) or "text_hash" not in request.doc:
                raise UsageError(
                    f"--model {self.told_as} answers pairwise-judge tasks only, but "
                    f"{request.task_name} is none. Leave it out of --tasks."
                )
        self.prepare(requests)


def one_hot(position: int) -> Probabilities:
    """Log-likelihoods under which the verdict at `position` (first, second, tie) is certain."""
    first, second, tie = (0.0 if i == position else CERTAINLY_NOT for i in range(3))
    return first, second, tie
