from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_judges import TOKENIZERS
from transformers import AutoTokenizer

from pandalm_eval.errors import InputError
from pandalm_eval.instructions import Prompt
from train_judge.answer_encoding import LEAST, AnswerEncoder
from train_judge.answers import Answer, stream_answers

ANSWER = Answer("Name three colours.", "as a list", "red, green and blue\n\nOne more: “grün”.")


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest, folders: dict[str, Path]) -> object:
    return AutoTokenizer.from_pretrained(folders[request.param])


def written(folder: Path, *records: object) -> Path:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def test_answers_are_read_by_either_name(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"instruction": "a", "input": None, "output": "b", "id": 7},
        {"instruction": "c", "input": "d", "response": "e"},
    )
    assert list(stream_answers(path)) == [Answer("a", "", "b"), Answer("c", "d", "e")]
    as_list = tmp_path / "answers.json"
    as_list.write_text(json.dumps([{"instruction": "a", "output": "b"}]), "utf-8")
    assert list(stream_answers(as_list)) == [Answer("a", "", "b")]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"instruction": "a"}, "record 1 has no field output"),
        ({"output": "a"}, "record 1 has no field instruction"),
        ({"instruction": "a", "output": True}, "record 1: output is true/false; a text is needed"),
        ({"instruction": 3, "response": "b"}, "record 1: instruction is a number"),
        ({"instruction": "a", "input": [], "output": "b"}, "record 1: input is a list"),
        ({"instruction": "a", "output": "b", "response": "c"}, "record 1 has both output and"),
        ({"instruction": "a", "output": " \n"}, "1 of its records have an empty output: record 1"),
        ("a", "record 1 is a text"),
    ],
)
def test_broken_records_are_named(tmp_path: Path, record: object, told: str) -> None:
    path = written(tmp_path, {"instruction": "a", "output": "b"}, record)
    with pytest.raises(InputError) as error:
        list(stream_answers(path))
    assert str(error.value).startswith(f"{path}: ")
    assert told in str(error.value)


def test_empty_outputs_are_named_together(tmp_path: Path) -> None:
    empty = {"instruction": "a", "output": ""}
    path = written(tmp_path, empty, {"instruction": "a", "output": "b"}, empty)
    with pytest.raises(InputError, match=r"2 of its records have an empty output: record 0, 2\."):
        list(stream_answers(path))


@pytest.mark.parametrize("input", ["", "as a list"])
@pytest.mark.parametrize("output", [ANSWER.output, "\n\n indented", " 1", "x"])
def test_a_model_learns_what_it_is_asked_and_then_to_stop(
    tokenizer: object, input: str, output: str
) -> None:
    encoded = AnswerEncoder(tokenizer, 2048)(Answer(ANSWER.instruction, input, output))
    prompt = Prompt(ANSWER.instruction, input).alpaca()
    assert encoded.prompt == tokenizer(prompt)["input_ids"]  # type: ignore[operator]
    assert encoded.target[-1] == tokenizer.eos_token_id  # type: ignore[attr-defined]
    decode = tokenizer.decode  # type: ignore[attr-defined]
    whole = decode(encoded.prompt + encoded.target[:-1], clean_up_tokenization_spaces=False)
    assert whole == decode(encoded.prompt) + output
    assert not encoded.shortened


def test_an_answer_is_cut_at_its_end_and_does_not_end_there(tokenizer: object) -> None:
    encode = AnswerEncoder(tokenizer, 2048)
    whole = encode(ANSWER)
    length = len(whole.prompt) + len(whole.target)
    exactly = AnswerEncoder(tokenizer, length)(ANSWER)
    assert exactly == whole
    for missing in (1, 2, 5):
        cut = AnswerEncoder(tokenizer, length - missing)(ANSWER)
        assert cut.prompt == whole.prompt
        assert cut.target == whole.target[:-missing]
        assert cut.shortened


def test_a_prompt_without_room_for_an_answer_is_refused(tokenizer: object) -> None:
    whole = AnswerEncoder(tokenizer, 2048)(ANSWER)
    assert len(whole.target) > LEAST
    AnswerEncoder(tokenizer, len(whole.prompt) + LEAST)(ANSWER)
    with pytest.raises(InputError, match=rf"the prompt has {len(whole.prompt)} tokens .* room"):
        AnswerEncoder(tokenizer, len(whole.prompt) + LEAST - 1)(ANSWER)


@cache
def loaded(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(_TEXT, st.sampled_from(["", "as a list"]), _TEXT, st.integers(60, 400))
def test_what_is_encoded_fits_and_its_prompt_is_whole(
    folders: dict[str, Path], instruction: str, input: str, output: str, max_length: int
) -> None:
    for name in TOKENIZERS:
        tokenizer = loaded(folders[name])
        encode = AnswerEncoder(tokenizer, max_length)
        answer = Answer(instruction, input, output)
        try:
            encoded = encode(answer)
        except InputError:
            assert answer.whole_bytes > encode.surely_fits
            continue
        assert len(encoded.prompt) + len(encoded.target) <= max_length
        assert encoded.target
        assert encoded.prompt == tokenizer(answer.prompt.alpaca())["input_ids"]
        assert encoded.shortened != (encoded.target[-1] == tokenizer.eos_token_id)
