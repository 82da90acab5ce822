"""Pairs of candidates' answers to the same prompts."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.instructions import Prompt
from pandalm_eval.judgments import Protocol
from pandalm_eval.pairs import Pair
from pandalm_eval.responses import Candidate, first_difference
from pandalm_eval.settings import Join

_log = logging.getLogger(__name__)


def contests(names: Sequence[str], baseline: str | None) -> list[tuple[str, str]]:
    """Which candidates are compared: all pairs, or each with the baseline, in the order given.

    >>> contests(["a", "b", "c"], None), contests(["a", "b", "c"], "b")
    ([('a', 'b'), ('a', 'c'), ('b', 'c')], [('a', 'b'), ('c', 'b')])
    """
    if baseline is None:
        return list(itertools.combinations(names, 2))
    return [(name, baseline) for name in names if name != baseline]


def joined(
    candidates: Sequence[Candidate],
    baseline: str | None,
    *,
    join: Join = Join.EXACT,
    protocol: Protocol,
) -> list[Pair]:
    """The pairs of a comparison: prompt by prompt, contest by contest.

    Which answer is response 1 does not depend on the order in which candidates are named: it is
    the first by name; under a protocol of one order it is drawn for each prompt, by its hash.

    Raises:
        UsageError: fewer than two candidates, or an unknown baseline.
        InputError: other prompts in one file than in another, or none in common.
    """
    names = [candidate.name for candidate in candidates]
    if len(names) < 2:
        raise UsageError(
            f"a comparison needs two candidates, but there is only {', '.join(names) or 'none'}. "
            "Name more response files, or a baseline."
        )
    if baseline is not None and baseline not in names:
        raise UsageError(f"the baseline {baseline!r} is none of the candidates {', '.join(names)}.")
    prompts = _common_prompts(candidates, join)
    answers = {candidate.name: candidate.answers for candidate in candidates}
    pairs = []
    for prompt in prompts:
        prompt_id = prompt.id
        for contest in contests(names, baseline):
            one, two = _placed(contest, prompt_id, protocol)
            pairs.append(
                Pair(
                    id=f"{prompt_id}:{one}:{two}",
                    prompt_id=prompt_id,
                    instruction=prompt.instruction,
                    input=prompt.input,
                    response1=answers[one][prompt],
                    response2=answers[two][prompt],
                    model1=one,
                    model2=two,
                )
            )
    return pairs


def _common_prompts(candidates: Sequence[Candidate], join: Join) -> list[Prompt]:
    # In the order of one candidate's file, whichever candidate was named first.
    common = [
        prompt
        for prompt in min(candidates, key=lambda candidate: candidate.name).answers
        if all(prompt in candidate.answers for candidate in candidates)
    ]
    different = first_difference(candidates)
    if different and join is Join.EXACT:
        raise InputError(
            f"the candidates answered different prompts: {different}. Answer them all, or compare "
            "what they have in common with --metadata join=intersection."
        )
    if not common:
        raise InputError("the candidates have no prompt in common; there is nothing to compare.")
    if different:
        everything = {prompt for candidate in candidates for prompt in candidate.answers}
        _log.warning(
            "join=intersection: %d of %d prompts were answered by all candidates; the others are "
            "left out (%s).",
            len(common),
            len(everything),
            different,
        )
    return common


def _placed(contest: tuple[str, str], prompt_id: str, protocol: Protocol) -> tuple[str, str]:
    one, two = sorted(contest)
    exchanged = protocol is Protocol.SINGLE and int(prompt_id, 16) % 2 == 1
    return (two, one) if exchanged else (one, two)
