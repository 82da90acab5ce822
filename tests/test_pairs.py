"""The user's pair file: what is read, and what every bad file is told."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from conftest import Write
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.errors import InputError
from pandalm_eval.pairs import (
    Pair,
    clean_text,
    prompt_hash,
    read_id,
    read_label,
    read_pairs,
    short_hash,
)
from pandalm_eval.verdicts import Verdict

FIRST, SECOND, TIE, _ = Verdict
ROW = {"instruction": "Add.", "input": "2 and 2", "response1": "4", "response2": "5"}


def row(**changes: Any) -> dict[str, Any]:
    return {**ROW, **changes}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in ROW.items() if name not in names}


def test_one_row(write: Write) -> None:
    assert read_pairs(write([ROW])) == [
        Pair("0", prompt_hash("Add.", "2 and 2"), "Add.", "2 and 2", "4", "5")
    ]


def test_every_field(write: Write) -> None:
    record = row(label=2, id="x", prompt_id=7, model1="a", model2="b", reason="ignored")
    assert read_pairs(write([record])) == [
        Pair("x", "7", "Add.", "2 and 2", "4", "5", SECOND, "a", "b")
    ]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([ROW, ROW]),
        f"{json.dumps(ROW)}\n{json.dumps(ROW)}",
        f"\ufeff{json.dumps(ROW)}\r\n\r\n{json.dumps(ROW)}\r\n",  # byte order mark, Windows
        f"\n  {json.dumps([ROW, ROW], indent=1)}",
    ],
)
def test_list_or_lines(content: str, write: Write) -> None:
    assert [pair.id for pair in read_pairs(write(content))] == ["0", "1"]


def test_separators_inside_a_text_end_no_line(write: Write) -> None:
    text = "a\u2028b\u0085c"
    path = write(json.dumps(row(response1=text), ensure_ascii=False) + "\n")
    assert read_pairs(path)[0].response1 == text


@pytest.mark.parametrize(
    ("record", "field", "expected"),
    [
        # Absent and null are the same: pandas writes gaps as null.
        (row(id=None), "id", "0"),
        (row(prompt_id=None), "prompt_id", prompt_hash("Add.", "2 and 2")),
        (row(label=None), "gold", None),
        (row(input=None), "input", ""),
        (row(model1=None), "model1", None),
        (without("input"), "input", ""),
        (row(id=7), "id", "7"),
        (row(id=7.0), "id", "7"),
        (row(id=0), "id", "0"),
        (row(model1=7, model2="b"), "model1", "7"),
        (row(response1=""), "response1", ""),
        (row(response1=" 4\n"), "response1", " 4\n"),  # as the source has it
        # Lone surrogates, which no UTF-8 holds.
        (row(response1="a\ud800b"), "response1", "a\ufffdb"),
        (row(id="\udc00"), "id", "\ufffd"),
        (row(prompt_id="\udc00"), "prompt_id", "\ufffd"),
        (row(model1="a", model2="\udc00"), "model2", "\ufffd"),
        (row(response1="\U0001f600"), "response1", "\U0001f600"),  # a whole pair stays
    ],
)
def test_field(record: dict[str, Any], field: str, expected: object, write: Write) -> None:
    assert getattr(read_pairs(write([record]))[0], field) == expected


@pytest.mark.parametrize(
    ("value", "label"),
    [
        *((0, TIE), (1, FIRST), (2, SECOND), (1.5, TIE), (1.0, FIRST), (2.0, SECOND), (0.0, TIE)),
        *(("0", TIE), ("1", FIRST), ("2", SECOND), ("1.5", TIE), (" 1 ", FIRST)),
        *(("tie", TIE), ("Tie", TIE), ("FIRST", FIRST), ("second", SECOND)),
        *((3, None), (-1, None), (0.5, None), (True, None), (False, None), (None, None)),
        *(("", None), ("1.0", None), ("garbage", None), ("12", None), ("1 2", None)),
        *(([], None), ([1], None), ({}, None), (float("nan"), None), (float("inf"), None)),
    ],
)
def test_read_label(value: object, label: Verdict | None) -> None:
    assert read_label(value) is label


NEEDED = "Needed are instruction, input, response1, response2."
BAD_FILES: list[tuple[object, str]] = [
    # The file.
    ("", "the file is empty; at least one record is needed."),
    (" \n\t\n", "the file is empty; at least one record is needed."),
    ("[]", "the list is empty; at least one record is needed."),
    (b"\xff\xfe[\x00", "not UTF-8 text (byte 0). Save it as UTF-8 JSON or JSONL."),
    (b'[{"instruction": "caf\xe9"}]', "not UTF-8 text (byte 21). Save it as UTF-8 JSON or JSONL."),
    ("instruction,input\na,b\n", "line 1 is not valid JSON (Expecting value); the file may be"),
    (json.dumps([ROW, ROW])[:-40], "not valid JSON at line 1, column "),
    (json.dumps([ROW, ROW])[:-1], "the file may be truncated. Fetch or write it again."),
    (f"{json.dumps(ROW)}\n{json.dumps(ROW)[:-9]}", "line 2 is not valid JSON ("),
    (json.dumps(ROW, indent=1), "line 1 is not valid JSON ("),
    ("[" * 100_000, "nested too deeply to be a list of records."),
    ('{"a": ' + "[" * 100_000, "line 1 is nested too deeply."),
    ('[{"instruction": "a", "instruction": "b"}]', "field 'instruction' stands there twice"),
    ('{"a": 1, "a": 1}', "line 1 cannot be read as JSON (the field 'a' stands there twice)."),
    (json.dumps([ROW | {"model1": "a"}]), "two different names are needed, or neither"),
    (json.dumps([ROW | {"model1": "a", "model2": "a"}]), "two different names are needed"),
    (f"[{'9' * 5000}]", "cannot be read as JSON (Exceeds the limit"),
    (f'{{"id": {"9" * 5000}}}', "line 1 cannot be read as JSON (Exceeds the limit"),
    # What is in it.
    ([ROW, 1], "record 1 is a number, not an object with fields."),
    (["text"], "record 0 is a text, not an object with fields."),
    ([None], "record 0 is null, not an object with fields."),
    ([[ROW]], "record 0 is a list, not an object with fields."),
    ("true", "record 0 is true/false, not an object with fields."),
    # Its fields: all that are wrong in a record, at once.
    ([without("response2")], "record 0 has no field response2 (it has: instruction, input, "),
    ([ROW, without("instruction", "response1")], "record 1 has no field instruction, response1 "),
    ([without("response2")], NEEDED),
    ([row(response1=4)], "record 0: response1 is a number; a text is needed."),
    (
        [row(response1=True, input=7, instruction=None, response2=["5"])],
        "record 0: instruction is null, input is a number, response1 is true/false, response2 is a "
        "list; a text is needed.",
    ),
    ([row(output="4")], "record 0 has unknown field output. Known are id, input, instruction, "),
    ([row(b=1, a=2)], "record 0 has unknown field a, b. Known are "),
    ([row(label=3)], "record 0 has label 3; it must be one of 0, 1, 2, tie, first, second."),
    ([row(label="1.0")], "record 0 has label '1.0'; it must be one of "),
    ([row(label="")], "record 0 has label ''; it must be one of "),
    ([row(label=True)], "record 0 has label True; it must be one of "),
    ([row(label=[1])], "record 0 has label [1]; it must be one of "),
    # Its ids.
    ([row(id="a"), row(id="b"), row(id="a")], "duplicate id a. Each record needs its own."),
    ([row(id="1"), ROW], "duplicate id 1. Each record needs its own."),  # record 1 is 1 by number
    ([row(id=7), row(id="7")], "duplicate id 7. Each record needs its own."),
    ([row(id=i % 10) for i in range(20)], "duplicate id 0, 1, 2, 3, 4, 5, 6, 7 and 2 more. "),
    ([row(id="")], "record 0 has id ''; a text or a whole number is needed."),
    ([row(id=[1])], "record 0 has id [1]; a text or a whole number is needed."),
    ([row(id=1.5)], "record 0 has id 1.5; a text or a whole number is needed."),
    ([row(prompt_id=True)], "record 0 has prompt_id True; a text or a whole number is needed."),
]


@pytest.mark.parametrize(("content", "message"), BAD_FILES)
def test_bad_file(content: object, message: str, write: Write) -> None:
    path = write(content)
    with pytest.raises(InputError) as error:
        read_pairs(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_no_file(write: Write) -> None:
    path = write("").parent
    with pytest.raises(InputError) as error:
        read_pairs(path / "absent.json")
    assert str(error.value) == f"{path / 'absent.json'}: no such file. Check the path."
    with pytest.raises(InputError) as error:
        read_pairs(path)
    assert str(error.value) == f"{path}: cannot be read (Is a directory)."


def test_cluster_is_the_prompt(write: Write) -> None:
    pairs = read_pairs(write([ROW, row(response1="x"), row(input=""), without("input")]))
    clusters = [pair.prompt_id for pair in pairs]
    assert clusters[0] == clusters[1] != clusters[2] == clusters[3]


def test_hashes() -> None:
    # 16 digits of SHA-256 over a JSON list, so that ("a", "bc") and ("ab", "c") differ.
    expected = hashlib.sha256(b'["a", "b\\u00e9"]').hexdigest()[:16]
    assert short_hash("a", "bé") == expected
    assert short_hash("a", "bc") != short_hash("ab", "c")
    pair = Pair("0", "p", "i", "n", "r", "s", gold=FIRST)
    assert pair.text_hash == short_hash("i", "n", "r", "s")
    assert pair.text_hash != Pair("0", "p", "i", "n", "s", "r").text_hash


@given(st.one_of(st.text(), st.text(st.characters(categories=["Cs", "Lu"]))))
def test_clean_text_is_utf8(text: str) -> None:
    clean = clean_text(text)
    clean.encode()
    assert len(clean) == len(text)
    assert all(new in (old, "\ufffd") for old, new in zip(text, clean, strict=True))


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_an_id_is_a_text_or_none(value: object) -> None:
    found = read_id(value)
    assert found is None or (found and read_id(found) == found)
