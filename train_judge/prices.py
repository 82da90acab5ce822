"""What a teacher's answers cost, as far as its server tells how many tokens they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of prompts and of answers."""

    prompt_tokens: int = 0
    answer_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens, self.answer_tokens + other.answer_tokens
        )

    @classmethod
    def read(cls, told: object) -> Usage | None:
        """The `usage` of a chat-completions response; None where it tells none.

        >>> Usage.read({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12})
        Usage(prompt_tokens=10, answer_tokens=2)
        """
        if not isinstance(told, Mapping):
            return None
        counts = told.get("prompt_tokens"), told.get("completion_tokens")
        if not all(isinstance(count, int) for count in counts):
            return None
        return cls(int(counts[0] or 0), int(counts[1] or 0))


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a million tokens, in whichever currency; None where the user told none."""

    of_prompts: float | None = None
    of_answers: float | None = None

    def cost(self, usage: Usage) -> float | None:
        """What the tokens cost; None without both prices.

        >>> Prices(0.5, 1.5).cost(Usage(2_000_000, 1_000_000))
        2.5
        """
        if self.of_prompts is None or self.of_answers is None:
            return None
        paid = usage.prompt_tokens * self.of_prompts + usage.answer_tokens * self.of_answers
        return paid / _MILLION

    def notes(self, usage: Usage, answers: int, without: int) -> dict[str, Any]:
        """Lines of the funnel.

        Args:
            usage: of the answers that told it.
            answers: how many there are.
            without: how many of them told no usage.
        """
        if without == answers:
            return {"tokens": "unknown: the teacher tells no usage"}
        told: dict[str, Any] = {
            "tokens of prompts": usage.prompt_tokens,
            "tokens of answers": usage.answer_tokens,
        }
        if without:
            told["answers that tell no usage"] = without
        cost = self.cost(usage)
        told["cost"] = (
            "unknown: name --price_in and --price_out" if cost is None else round(cost, 6)
        )
        return told
