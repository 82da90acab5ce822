"""A judge's text taken apart: verdict, reason, reference."""

from __future__ import annotations

import re

from pandalm_eval.models.text import Finish
from pandalm_eval.verdicts import THINKING_END, Verdict, parse_verdict
from train_judge.examples import swap_names
from train_judge.labelled import Answer, Order

_REASON = re.compile(r"^\s*#{2,}\s*Reason\s*:?", re.IGNORECASE | re.MULTILINE)
_REFERENCE = re.compile(r"^\s*#{2,}\s*Reference(?:\s+answer)?\s*:?", re.IGNORECASE | re.MULTILINE)


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
    reason, reference = _parts(text)
    if finish == "length" or not reason or not reference:
        verdict = Verdict.INVALID
    if order is Order.SWAPPED:
        verdict, reason = verdict.swapped, swap_names(reason)
    return Answer(order, verdict, reason, reference, source, text)


def _parts(text: str) -> tuple[str, str]:
    """Reason and reference; empty where there is none. Headings inside the reference stay in it."""
    thoughts = max((end.end() for end in THINKING_END.finditer(text)), default=0)
    if _REASON.search(text) and not _REASON.search(text, thoughts):
        thoughts = 0  # the marker is a quotation in the reference
    text = text[thoughts:]
    if (reason := _REASON.search(text)) is None:
        return "", ""
    if (reference := _REFERENCE.search(text, reason.end())) is None:
        return text[reason.end() :].strip(), ""
    return text[reason.end() : reference.start()].strip(), text[reference.end() :].strip()
