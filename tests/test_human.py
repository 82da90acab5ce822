"""The test set's own reader: 12 rows of the released shape here, the 999 where they are at hand."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import Write

from pandalm_eval.errors import InputError
from pandalm_eval.human import TEST_SET, _say_booleans, majority, read_test_set
from pandalm_eval.verdicts import Verdict

FIRST, SECOND, TIE, _ = Verdict
Rows = list[dict[str, Any]]


def test_rows(write: Write, rows: Rows) -> None:
    pairs = read_test_set(write(rows))
    assert [pair.id for pair in pairs] == [str(i) for i in range(12)]
    # By majority of 222 222 001 111 111 112 212 222 000 111 110 121.
    assert [pair.gold for pair in pairs] == [
        *(SECOND, SECOND, TIE, FIRST, FIRST, FIRST),
        *(SECOND, SECOND, TIE, FIRST, FIRST, FIRST),
    ]
    assert pairs[2].annotators == (TIE, TIE, FIRST)
    assert (pairs[0].model1, pairs[0].model2) == ("bloom-7b", "llama-7b")
    assert len({pair.prompt_id for pair in pairs}) == 5
    # Texts stay as they are; equal texts under another cmp_key are a pair of their own.
    assert pairs[2].response1 == " Paris.\n"
    assert (pairs[8].response1, pairs[8].response2) == ("", "")
    assert pairs[6].text_hash == pairs[7].text_hash
    assert pairs[6].model2 != pairs[7].model2
    assert len({pair.text_hash for pair in pairs}) == 11


def test_true_is_a_word(write: Write, rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    rows[9]["response2"] = True
    with caplog.at_level(logging.WARNING):
        pairs = read_test_set(write(rows))
    assert (pairs[3].response1, pairs[9].response2) == ("True", "True")
    assert [record.message for record in caplog.records] == [
        "file.json: 2 responses are the JSON value true and are read as the text 'True': idx "
        "3 (response1), 9 (response2)"
    ]


def test_nothing_is_said_without_need(
    write: Write, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    rows[3]["response1"] = "True"
    read_test_set(write(rows))
    assert caplog.records == []


def test_one_row_works(write: Write, rows: Rows) -> None:
    assert len(read_test_set(write(rows[:1]))) == 1


def test_surrogates_are_replaced(write: Write, rows: Rows) -> None:
    rows[0] |= {"response1": "a\ud83d", "cmp_key": "m\udc00_n", "idx": "\ud800"}
    pair = read_test_set(write(rows))[0]
    assert (pair.response1, pair.model1, pair.id) == ("a\ufffd", "m\ufffd", "\ufffd")


DROP = object()
NAMES = "two model names joined by one underscore are needed."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"response2": DROP}, "record 1 has no field response2 (it has: idx, motivation_app, "),
        (
            {"instruction": DROP, "input": DROP},
            "record 1 has no field instruction, input (it has: ",
        ),
        ({"cmp_key": DROP}, "record 1 has no field cmp_key (it has: "),
        ({"input": None}, "record 1: input is null; a text is needed."),
        ({"response1": 4, "response2": {}}, "record 1: response1 is a number, response2 is an obj"),
        # Only `true` is known to be a word; a guess at others would be silent.
        ({"response1": False}, "record 1: response1 is true/false; a text is needed."),
        ({"instruction": True}, "record 1: instruction is true/false; a text is needed."),
        ({"cmp_key": 7}, "record 1: cmp_key is a number; a text is needed."),
        ({"cmp_key": "llama"}, f"record 1 has cmp_key 'llama'; {NAMES}"),
        ({"cmp_key": "a_b_c"}, f"record 1 has cmp_key 'a_b_c'; {NAMES}"),
        ({"cmp_key": "a_"}, f"record 1 has cmp_key 'a_'; {NAMES}"),
        ({"cmp_key": "_"}, f"record 1 has cmp_key '_'; {NAMES}"),
        ({"cmp_key": ""}, f"record 1 has cmp_key ''; {NAMES}"),
        ({"annotator2": 3}, "record 1: annotator2 is 3; 0 (tie), 1 or 2 is needed."),
        (
            {"annotator1": -1, "annotator2": None, "annotator3": "x"},
            "record 1: annotator1 is -1, annotator2 is None, annotator3 is 'x'; 0 (tie), 1 or 2",
        ),
        ({"annotator3": DROP}, "record 1: annotator3 is None; 0 (tie), 1 or 2 is needed."),
        ({"annotator1": True}, "record 1: annotator1 is True; 0 (tie), 1 or 2 is needed."),
        ({"idx": 0}, "duplicate id 0. Each record needs its own."),
        ({"idx": [1]}, "record 1 has idx [1]; a text or a whole number is needed."),
    ],
)
def test_bad_row(changes: dict[str, Any], message: str, write: Write, rows: Rows) -> None:
    rows[1] = {k: v for k, v in (rows[1] | changes).items() if v is not DROP}
    path = write(rows)
    with pytest.raises(InputError) as error:
        read_test_set(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("[]", "the list is empty"),
        ("[{", "not valid JSON at line 1, column 3"),
        (b"\xe9", "not UTF-8 text (byte 0)"),
        ("<html>not found</html>", "line 1 is not valid JSON"),
        ("[1]", "record 0 is a number"),
    ],
)
def test_bad_file(content: str | bytes, message: str, write: Write) -> None:
    with pytest.raises(InputError) as error:
        read_test_set(write(content))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ((FIRST, FIRST, FIRST), FIRST),
        ((TIE, SECOND, SECOND), SECOND),
        ((TIE, FIRST, TIE), TIE),
        ((FIRST, SECOND, TIE), None),  # none in the released set
        ((FIRST, SECOND), None),
        ((FIRST, FIRST, SECOND, SECOND), None),
        ((FIRST,), FIRST),
    ],
)
def test_majority(labels: tuple[Verdict, ...], expected: Verdict | None) -> None:
    assert majority(labels) is expected


def test_three_opinions_are_no_gold(write: Write, rows: Rows) -> None:
    rows[0] |= {"annotator1": 0, "annotator2": 1, "annotator3": 2}
    assert read_test_set(write(rows))[0].gold is None


def test_the_released_set(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    _say_booleans.cache_clear()  # another test may have read the file before
    read_test_set(data_dir / TEST_SET)
    pairs = read_test_set(data_dir / TEST_SET)
    assert len(pairs) == 999
    assert Counter(pair.gold for pair in pairs) == {TIE: 105, FIRST: 422, SECOND: 472}
    assert Counter(len(set(pair.annotators)) for pair in pairs) == {1: 879, 2: 120}
    assert len({pair.prompt_id for pair in pairs}) == 170
    # 170 rows share their four texts with an earlier or later one: hence never matched by text.
    same = Counter(pair.text_hash for pair in pairs)
    assert sum(count for count in same.values() if count > 1) == 170
    words = [pair.id for pair in pairs if "True" in (pair.response1, pair.response2)]
    assert words == ["157", "158", "159", "161", "162", "164"]
    assert len(caplog.records) == 1
    assert "6 responses are the JSON value true" in caplog.text
