"""Trivial rules, the baselines that every judge has to beat; without the harness."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from pandalm_eval.verdicts import LABELS, Verdict

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
