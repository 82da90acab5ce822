"""Another gold than the annotators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Write

from pandalm_eval.errors import InputError
from pandalm_eval.gold import GPT_LABELS, read_gold, record_id, with_gold
from pandalm_eval.human import TEST_SET, read_test_set
from pandalm_eval.pairs import Pair
from pandalm_eval.verdicts import Verdict

FIRST, SECOND, TIE, _ = Verdict


@pytest.mark.parametrize(
    ("records", "labels"),
    [
        ([{"idx": 0, "label": 2}], {"0": SECOND}),
        ([{"id": "a", "verdict": "tie"}, {"id": "b", "verdict": "first"}], {"a": TIE, "b": FIRST}),
        ([{"idx": 0, "gpt_result": "1"}, {"idx": 1, "gpt_result": "Tie"}], {"0": FIRST, "1": TIE}),
        ([{"idx": 0, "pandalm_result": 0}], {"0": TIE}),
        # What is no label is None, and so is a label that is not there.
        ([{"idx": 0, "gpt_result": "1"}, {"idx": 1, "gpt_result": "x"}], {"0": FIRST, "1": None}),
        ([{"idx": 0, "label": None}, {"idx": 1}], {"0": None, "1": None}),
        # The first of the known fields, `idx` before `id`.
        ([{"idx": 0, "id": "x", "label": 1, "verdict": 2}], {"0": FIRST}),
        ([{"idx": None, "id": "x", "label": 1}], {"x": FIRST}),
        ([{"idx": 3.0, "label": 1.0}], {"3": FIRST}),
        ([{"idx": "\ud800", "label": 1}], {"\ufffd": FIRST}),
    ],
)
def test_labels(
    records: list[dict[str, Any]], labels: dict[str, Verdict | None], write: Write
) -> None:
    assert read_gold(write(records)) == labels


def test_a_field_of_the_users_own(write: Write) -> None:
    path = write([{"idx": 0, "label": 1, "mine": 2}])
    assert read_gold(path, "mine") == {"0": SECOND}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("[]", "the list is empty"),
        ('[{"idx": 0', "not valid JSON at line 1, column "),
        (b"\xff", "not UTF-8 text (byte 0)"),
        (["x"], "record 0 is a text, not an object with fields."),
        (
            [{"idx": 0, "winner": 1}],
            "record 0 has no label field (it has: idx, winner). One of label, verdict, gpt_result, "
            "pandalm_result is needed.",
        ),
        ([{"label": 1}], "record 0 has neither idx nor id to match it by."),
        ([{"idx": 0, "label": 1}, {"label": 1}], "record 1 has neither idx nor id"),
        ([{"idx": 0, "label": 1}] * 2, "duplicate id 0. Each record needs its own."),
        ([{"idx": 0, "label": 1}, {"id": "0", "label": 1}], "duplicate id 0. "),
        ([{"idx": True, "label": 1}], "record 0 has idx True; a text or a whole number is needed."),
    ],
)
def test_bad_file(content: object, message: str, write: Write) -> None:
    path = write(content)
    with pytest.raises(InputError) as error:
        read_gold(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file\. Check the path\."):
        read_gold(tmp_path / "absent.json")


def test_record_id(tmp_path: Path) -> None:
    assert record_id(tmp_path, 0, {"idx": 0, "id": "x"}) == "0"


def some_pairs() -> list[Pair]:
    return [Pair(str(i), "p", "i", "", "a", "b", gold=FIRST, annotators=(FIRST,)) for i in range(3)]


def test_with_gold(write: Write) -> None:
    records = [{"idx": 0, "label": 2}, {"idx": 2, "label": "?"}]
    pairs = with_gold(some_pairs(), write(records))
    assert [pair.gold for pair in pairs] == [SECOND, None, None]
    # The annotators' own labels stay.
    assert pairs[0].annotators == (FIRST,)
    assert [pair.id for pair in pairs] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            [{"idx": 0, "label": 1}, {"idx": 9, "label": 1}, {"idx": "x", "label": 1}],
            "2 ids are not in the pair set: 9, x. Take the labels of this set.",
        ),
        (
            [{"idx": 0, "label": "garbage"}, {"idx": 1, "label": None}],
            "no record has a readable label (0, 1, 2, tie, first, second).",
        ),
    ],
)
def test_gold_of_another_set(records: list[dict[str, Any]], message: str, write: Write) -> None:
    path = write(records)
    with pytest.raises(InputError) as error:
        with_gold(some_pairs(), path)
    assert str(error.value) == f"{path}: {message}"


def test_small_data(small_data: Path) -> None:
    pairs = with_gold(read_test_set(small_data / TEST_SET), small_data / GPT_LABELS)
    assert [pair.id for pair in pairs if pair.gold is None] == ["8"]  # "garbage"
    assert pairs[10].gold is SECOND


def test_released_verdicts(data_dir: Path) -> None:
    pairs = with_gold(read_test_set(data_dir / TEST_SET), data_dir / GPT_LABELS)
    counts = [sum(pair.gold is label for pair in pairs) for label in (FIRST, SECOND, TIE, None)]
    assert counts == [460, 476, 38, 25]
