"""`--model rule`: trivial judges, the baselines that every judge has to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lm_eval.api.instance import Instance

from pandalm_eval.errors import UsageError
from pandalm_eval.models._pairs_only import PairJudge, one_hot
from pandalm_eval.models.text import JudgeText
from pandalm_eval.verdicts import LABELS, TARGETS, Verdict

Rule = Callable[[int, int, str], Verdict]
"""Verdict from the two response lengths (stripped characters) and a text that names the pair."""


def _longest(length1: int, length2: int, _: str) -> Verdict:
    if length1 == length2:
        return Verdict.TIE
    return Verdict.FIRST if length1 > length2 else Verdict.SECOND


def _random(_: int, __: int, name: str) -> Verdict:
    return LABELS[int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 3]


RULES: dict[str, Rule] = {
    "longest": _longest,
    "first": lambda *_: Verdict.FIRST,
    "second": lambda *_: Verdict.SECOND,
    "tie": lambda *_: Verdict.TIE,
    "random": _random,
}
"""By name. `first` and `second` name the pair's own response, whichever order is shown, so that
both orders agree; `random` draws once a pair, from seed and id, uniformly among the three."""


def apply_rule(rule: str, length1: int, length2: int, id: str, seed: int = 0) -> Verdict:
    """The verdict of a rule on a pair, told for the pair's own order.

    Args:
        rule: a key of `RULES`.
        length1, length2: characters of the stripped responses.
        id, seed: what `random` draws from.

    >>> apply_rule("longest", 3, 5, "7")
    <Verdict.SECOND: 'second'>
    """
    return RULES[rule](length1, length2, f"{seed}:{id}")


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
