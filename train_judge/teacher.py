"""Who is asked for labels: a model of the harness, in both orders of a pair.

The prompt is the style `chat` of `pandalm_eval.prompts`, which asks for verdict, reason and
reference in the form that a judge is trained to write; response texts cannot break out of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pandalm_eval.credentials import Credentials
from pandalm_eval.errors import PandaLMError, UsageError
from pandalm_eval.judges import JudgeModel
from pandalm_eval.judgments import Protocol
from pandalm_eval.pairs import Pair
from pandalm_eval.prompts import Fields, PromptStyle, render
from pandalm_eval.store import SENDING_ARGUMENTS
from train_judge.labelled import Order
from train_judge.prices import Prices

_SECRET = {"auth_token", "api_key", "header"}
"""Arguments that nobody should find in a file."""


@dataclass(frozen=True, slots=True)
class Question:
    """One order of a pair, and what its answer is stored by."""

    key: str
    pair: Pair
    order: Order
    prompt: str


@dataclass(frozen=True, slots=True)
class Teacher:
    """Which model is asked, and how.

    Attributes:
        model: of the harness's registry, and its arguments.
        style: of the prompt.
        new_tokens: longest answer.
        prices: to tell the cost by.
    """

    model: JudgeModel
    style: PromptStyle
    new_tokens: int
    prices: Prices = field(default_factory=Prices)

    def settings(self) -> dict[str, Any]:
        """All that an answer depends on, besides the pair; fit to be written down."""
        untold, blotted = SENDING_ARGUMENTS | _SECRET, Credentials().blotted
        return {
            "model": self.model.model,
            "model_args": {
                name: blotted(value) if isinstance(value, str) else value
                for name, value in self.model.arguments.items()
                if name not in untold
            },
            "prompt": self.style.value,
            "max_new_tokens": self.new_tokens,
        }

    @property
    def name(self) -> str:
        """The source of its labels."""
        told = self.model.arguments.get("model") or self.model.arguments.get("pretrained")
        return Path(str(told)).name if told else self.model.model

    def load(self) -> Any:
        """The model.

        Raises:
            UsageError: it cannot be had, or the prompt style does not fit it.
        """
        self.model.check(Protocol.FULL, self.style)
        try:
            return self.model.load()
        except PandaLMError:
            raise
        except Exception as error:  # whatever a backend raises about its arguments
            raise UsageError(
                f"the teacher {self.name} cannot be loaded with --model_args: "
                f"{type(error).__name__}: {Credentials().blotted(str(error))}"
            ) from None

    def questions(self, pair: Pair) -> list[Question]:
        """Forward and swapped, in this order."""
        told = json.dumps(self.settings(), sort_keys=True)
        fields = Fields.clean(pair.instruction, pair.input, pair.response1, pair.response2)
        questions = []
        for order, shown in zip(Order, (fields, fields.swapped()), strict=True):
            prompt = render(self.style, shown)
            key = hashlib.sha256(json.dumps([told, pair.id, order, prompt]).encode()).hexdigest()
            questions.append(Question(key, pair, order, prompt))
        return questions

    def message(self, lm: Any, prompt: str) -> Any:
        """The prompt as the loaded model takes it; a UsageError where it takes no messages."""
        if self.style is not PromptStyle.CHAT:
            return prompt
        try:
            return lm.apply_chat_template([{"role": "user", "content": prompt}])
        except (NotImplementedError, AttributeError):
            return prompt  # rules and recorded judges have no template, and need none
        except ValueError as error:
            raise UsageError(
                f"the teacher {self.name} has no chat template ({error}). A judge that "
                "was trained on PandaLM's prompt takes --prompt pandalm."
            ) from None
