"""Labels that exist already, in the files in which people keep them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pandalm_eval.errors import InputError
from pandalm_eval.verdicts import Verdict
from train_judge.labelled import Order
from train_judge.released import stream_released

Write = Callable[..., Path]

LABELS = (
    # file name, content, (verdict, reason, source) of the record
    (
        "alpaca.json",
        [{"instruction": "i", "output_1": "a", "output_2": "b", "preference": 2.0}],
        ("second", "", "alpaca_eval"),
    ),
    (
        "alpaca.json",
        [{"instruction": "i", "output_1": "a", "output_2": "b", "preference": 1.5}],
        ("tie", "", "alpaca_eval"),
    ),
    (
        "alpaca.json",
        [{"instruction": "i", "output_1": "a", "output_2": "b", "preference": None}],
        ("invalid", "", "alpaca_eval"),
    ),
    (
        "mine.jsonl",
        '{"instruction": "i", "response1": "a", "response2": "b", "verdict": "Tie", "reason": "r"}',
        ("tie", "r", "mine"),
    ),
    (
        "mine.csv",
        'instruction,input,response1,response2,verdict,reason\ni,,a,"b,\nc",1,because\n',
        ("first", "because", "mine"),
    ),
    (
        "mine.csv",
        "instruction,response1,response2,verdict\ni,a,b,garbage\n",
        ("invalid", "", "mine"),
    ),
)


@pytest.mark.parametrize(("name", "content", "expected"), LABELS)
def test_labels_that_exist(
    name: str, content: object, expected: tuple[str, str, str], write: Write
) -> None:
    (found,) = stream_released(write(content, name))
    (answer,) = found.answers
    assert (answer.verdict, answer.reason, answer.source) == expected
    assert answer.order is Order.FORWARD


def test_verdicts_by_id(small_data: Path) -> None:
    verdicts = small_data / "pandalm/gpt-3.5-turbo-testset-v1.json"
    found = list(stream_released(verdicts, small_data / "pandalm/testset-v1.json"))
    told = [one.answers[0].verdict for one in found]
    assert [str(verdict) for verdict in told[:4]] == ["second", "second", "tie", "first"]
    assert told[8] is Verdict.INVALID  # "garbage"
    assert found[3].pair.response1 == "True"


def test_verdicts_of_both_orders(write: Write) -> None:
    pairs = write([{"id": "x", "instruction": "i", "response1": "a", "response2": "b"}], "p.json")
    told = [{"id": "x", "order": "swapped", "verdict": "second"}, {"id": "x", "verdict": "1"}]
    (found,) = stream_released(write(told, "told.json"), pairs)
    assert [(str(one.order), str(one.verdict)) for one in found.answers] == [
        ("forward", "first"),
        ("swapped", "second"),
    ]
    for wrong in ({"order": "turned"}, {}, {"id": "y"}):
        with pytest.raises(InputError):
            list(stream_released(write([told[1], told[1] | wrong], "told.json"), pairs))
