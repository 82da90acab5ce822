"""Pairs of models' responses to the questions of a source, with gold from its key."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from pandalm_eval.domains.answer_key import KeyedPair
from pandalm_eval.domains.questions import Question
from pandalm_eval.domains.scoring import Scored, score
from pandalm_eval.errors import InputError, listing
from pandalm_eval.instructions import Prompt, named
from pandalm_eval.joining import joined
from pandalm_eval.judgments import Protocol
from pandalm_eval.responses import Candidate
from pandalm_eval.settings import Join
from pandalm_eval.verdicts import Verdict

_log = logging.getLogger(__name__)


def pairs_of_candidates(
    questions: Sequence[Question],
    candidates: Sequence[Candidate],
    baseline: str | None,
    *,
    join: Join,
    protocol: Protocol,
) -> list[KeyedPair]:
    """Each question with the responses of every two candidates, or of each and the baseline.

    Gold: right beats wrong, alike is a tie, None where one of the two cannot be scored.

    Raises:
        InputError: a candidate that answered none of the questions, or not all of them under
            `join=exact`.
    """
    asked = {question.prompt: question for question in reversed(questions)}
    pairs = joined(
        [_answering(candidate, asked, join) for candidate in candidates],
        baseline,
        join=join,
        protocol=protocol,
    )
    keyed = []
    unscored: dict[str, set[str]] = {candidate.name: set() for candidate in candidates}
    for pair in pairs:
        question = asked[Prompt(pair.instruction, pair.input)]
        one, two = score(question, pair.response1), score(question, pair.response2)
        for name, scored in ((pair.model1, one), (pair.model2, two)):
            if scored.right is None and name is not None:
                unscored[name].add(question.source_id)
        keyed.append(
            KeyedPair(
                id=f"{question.source_id}:{pair.model1}:{pair.model2}",
                prompt_id=question.cluster,
                instruction=pair.instruction,
                input=pair.input,
                response1=pair.response1,
                response2=pair.response2,
                gold=_gold(one, two),
                model1=pair.model1,
                model2=pair.model2,
                source_id=question.source_id,
                split=question.split,
                answer1=one.answer,
                answer2=two.answer,
                key=question.key,
            )
        )
    for name, ids in unscored.items():
        if ids:
            _log.warning(
                "%s: %d responses cannot be scored by the key, and their pairs are left out: %s",
                name,
                len(ids),
                listing(sorted(ids)),
            )
    return keyed


def _gold(one: Scored, two: Scored) -> Verdict | None:
    if one.right is None or two.right is None:
        return None
    if one.right == two.right:
        return Verdict.TIE
    return Verdict.FIRST if one.right else Verdict.SECOND


def _answering(candidate: Candidate, asked: dict[Prompt, Question], join: Join) -> Candidate:
    """The candidate with its responses to these questions alone."""
    answers = {prompt: text for prompt, text in candidate.answers.items() if prompt in asked}
    if not answers:
        raise InputError(
            f"{candidate.path}: answers none of the {len(asked)} questions. Make it with the "
            "source's own pandalm-respond task, from the same data files."
        )
    missing = [named(prompt) for prompt in asked if prompt not in answers]
    if missing and join is Join.EXACT:
        raise InputError(
            f"{candidate.path}: has no response to {len(missing)} of {len(asked)} questions: "
            f"{listing(missing, 3)}. Answer them all, or compare what there is with --metadata "
            "join=intersection."
        )
    return replace(candidate, answers=answers)
