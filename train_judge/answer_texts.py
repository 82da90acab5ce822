"""A judge's text taken apart: verdict, reason, reference."""

from __future__ import annotations

from pandalm_eval.models.text import Finish
from pandalm_eval.verdicts import Verdict, parse_verdict, read_parts
from train_judge.examples import swap_names
from train_judge.labelled import Answer, Order


def read_answer(text: str, order: Order, source: str, finish: Finish | None = None) -> Answer:
    """What a text says, told for the pair's own order.

    The verdict is read as it is when a judge is scored (`pandalm_eval.verdicts`). An answer without
    a reason or a reference, or cut off by its token budget, is no example to learn from: its
    verdict is invalid.

    >>> text = "1\\n### Reason: Response 1 is right.\\n### Reference: Paris"
    >>> told = read_answer(text, Order.SWAPPED, "teacher")
    >>> told.verdict, told.reason, told.reference
    (<Verdict.SECOND: 'second'>, 'Response 2 is right.', 'Paris')
    """
    verdict = parse_verdict(text, finish=finish).verdict
    reason, reference = read_parts(text)
    if finish == "length" or not reason or not reference:
        verdict = Verdict.INVALID
    if order is Order.SWAPPED:
        verdict, reason = verdict.swapped, swap_names(reason)
    return Answer(order, verdict, reason, reference, source, text)
