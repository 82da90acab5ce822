"""What a judge should not learn from: the rules, in the order in which they are looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pandalm_eval.instructions import Prompt
from pandalm_eval.pairs import Pair
from pandalm_eval.prompts import Fields, PromptStyle, render, target
from pandalm_eval.verdicts import Verdict
from train_judge.contamination import Contamination
from train_judge.contradictions import contradicts
from train_judge.duplicates import THRESHOLD, NearDuplicates, exact_key
from train_judge.labelled import Answer, Labelled, Order

MAX_TARGET_TOKENS = 512
"""What upstream's judge may write."""

UNREADABLE = "unreadable answers"
CHANGES = "verdict changes with the order"
SAME = "identical or empty responses"
CONTRADICTS = "reason contradicts the verdict"
OVERLONG = "overlong target"
LONG_PROMPT = "prompt longer than asked for"
EXACT = "exact duplicate"
NEAR = "near duplicate"
CONTAMINATED = "prompt of an evaluation set"
REASONS = (UNREADABLE, CHANGES, SAME, CONTRADICTS, OVERLONG, LONG_PROMPT, EXACT, NEAR, CONTAMINATED)


@dataclass
class Rules:
    """The rules with what they have to remember.

    Attributes:
        contamination: the evaluation sets; None where none are to be looked at.
        count_tokens: of a text.
        max_target_tokens: the longest target that is kept.
        max_prompt_tokens: the longest prompt that is kept; None for any length: the trainer
            shortens responses that do not fit.
        threshold: from which similarity on pairs are near duplicates.
        keep_identical: whether identical responses that are not empty and labelled a tie are kept.
        per_set: examples dropped by evaluation set.
        prompts_per_set: ids of their prompts.
    """

    contamination: Contamination | None
    count_tokens: Callable[[str], int]
    max_target_tokens: int = MAX_TARGET_TOKENS
    max_prompt_tokens: int | None = None
    threshold: float = THRESHOLD
    keep_identical: bool = False
    per_set: Counter[str] = field(default_factory=Counter)
    prompts_per_set: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen: set[int] = set()
        self._near = NearDuplicates(self.threshold)

    def reason_to_drop(self, labelled: Labelled) -> str | None:
        """The first rule that a pair breaks; None where it is kept, and remembered."""
        pair, answer = labelled.pair, chosen(labelled)
        if any(one.verdict is Verdict.INVALID for one in labelled.answers):
            return UNREADABLE
        if len({one.verdict for one in labelled.answers}) > 1:
            return CHANGES
        if self._is_same(labelled):
            return SAME
        if contradicts(answer.reason, answer.verdict):
            return CONTRADICTS
        learnt = target(answer.verdict, answer.reason, answer.reference)
        if self.count_tokens(learnt) > self.max_target_tokens:
            return OVERLONG
        if self._is_long(pair):
            return LONG_PROMPT
        if (key := exact_key(pair)) in self._seen:
            return EXACT
        self._seen.add(key)
        if not self._near.is_new(pair):
            return NEAR
        return CONTAMINATED if self._is_contaminated(labelled) else None

    def _is_long(self, pair: Pair) -> bool:
        if self.max_prompt_tokens is None:
            return False
        fields = Fields.clean(pair.instruction, pair.input, pair.response1, pair.response2)
        return self.count_tokens(render(PromptStyle.PANDALM, fields)) > self.max_prompt_tokens

    def _is_same(self, labelled: Labelled) -> bool:
        one, two = labelled.pair.response1.strip(), labelled.pair.response2.strip()
        if not one or not two:
            return True
        return one == two and not (self.keep_identical and chosen(labelled).verdict is Verdict.TIE)

    def _is_contaminated(self, labelled: Labelled) -> bool:
        if self.contamination is None:
            return False
        prompt = Prompt(labelled.pair.instruction, labelled.pair.input)
        names = self.contamination.holding(prompt)
        self.per_set.update(names)
        for name in names:
            self.prompts_per_set.setdefault(name, set()).add(prompt.id)
        return bool(names)


def chosen(labelled: Labelled) -> Answer:
    """The answer that is learnt from: the one to the pair's own order, where there is one."""
    return min(labelled.answers, key=lambda answer: answer.order is not Order.FORWARD)
