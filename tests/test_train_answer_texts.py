"""A teacher's text taken apart."""

from __future__ import annotations

from typing import Any

import pytest

from train_judge.answer_texts import read_answer
from train_judge.labelled import Order

ANSWERS = (
    # text, order shown, finish, verdict told for the pair's own order, reason, reference
    ("1\n### Reason: r\n### Reference: t", "forward", "stop", "first", "r", "t"),
    ("1\n### Reason: r\n### Reference: t", "swapped", "stop", "second", "r", "t"),
    ("Tie\n\n### Reason: r\n\n### Reference:\nt\n\nu\n", "swapped", None, "tie", "r", "t\n\nu"),
    ("**2**\n### reason: Response 1\n## Reference: t", "swapped", None, "first", "Response 2", "t"),
    ("1\n### Reason: r\n### Reference: a\n### Reason: b", "forward", None, "first", "r", None),
    ("1\n### Reason: r\n### Reference: t", "forward", "length", "invalid", "r", "t"),
    ("1\n### Reason: r", "forward", "stop", "invalid", "r", ""),
    ("1", "forward", "stop", "invalid", "", ""),
    ("Response 1 is better", "forward", "stop", "invalid", "", ""),
    ("", "forward", "error", "invalid", "", ""),
    (
        "<think>2\n### Reason: no</think>1\n### Reason: r\n### Reference: t",
        *("forward", "stop", "first", "r", "t"),
    ),
)


@pytest.mark.parametrize(("text", "order", "finish", "verdict", "reason", "reference"), ANSWERS)
def test_answer_texts(
    text: str, order: str, finish: Any, verdict: str, reason: str, reference: str | None
) -> None:
    told = read_answer(text, Order(order), "teacher", finish)
    assert (told.verdict, told.reason) == (verdict, reason)
    assert reference is None or told.reference == reference
