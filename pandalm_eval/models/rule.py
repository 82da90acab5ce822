"""`--model rule`: a trivial rule as a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api.instance import Instance

from pandalm_eval.errors import UsageError
from pandalm_eval.models._pairs_only import PairJudge, one_hot
from pandalm_eval.models.text import JudgeText
from pandalm_eval.rules import RULES, apply_rule
from pandalm_eval.verdicts import LABELS, TARGETS, Verdict


class RuleJudge(PairJudge):
    """`name=longest|first|second|tie|random`, `seed=` for random."""

    told_as = "rule"

    def __init__(self, name: str = "", seed: int = 0, **ignored: Any) -> None:
        super().__init__()
        if unknown := sorted(set(ignored) - {"batch_size", "max_batch_size", "device"}):
            raise UsageError(f"--model rule takes name and seed, not {', '.join(unknown)}.")
        if name not in RULES:
            raise UsageError(
                f"unknown rule {name!r}; known are {', '.join(RULES)} (--model_args name=…)."
            )
        self._name = str(name)
        try:
            self._seed = int(seed)
        except (TypeError, ValueError):
            raise UsageError(f"--model rule needs a whole number as seed, not {seed!r}.") from None

    def prepare(self, requests: Sequence[Instance]) -> None:
        """Nothing to check: a rule answers every pair."""

    def write(self, doc: Mapping[str, Any], *, swapped: bool) -> JudgeText:
        """ "1", "2" or "Tie" for the order shown."""
        return JudgeText(TARGETS[self._verdict(doc, swapped=swapped)], finish="stop")

    def weigh(self, doc: Mapping[str, Any], *, swapped: bool) -> Sequence[float]:
        """One-hot log-likelihoods."""
        return one_hot(LABELS.index(self._verdict(doc, swapped=swapped)))

    def _verdict(self, doc: Mapping[str, Any], *, swapped: bool) -> Verdict:
        lengths = len(doc["response1"].strip()), len(doc["response2"].strip())
        verdict = apply_rule(self._name, *lengths, id=doc["id"], seed=self._seed)
        return verdict.swapped if swapped else verdict
