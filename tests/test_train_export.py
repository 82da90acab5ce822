"""Export: the records, the split by prompt, and the data card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.errors import UsageError
from pandalm_eval.records import read_records
from train_judge import export, label
from train_judge import filter as filter_step
from train_judge.examples import stream_examples
from train_judge.export import CARD, TRAIN, VALIDATION
from train_judge.split import Split
from train_judge.steps import command

Write = Callable[..., Path]


def example(prompt: int, number: int = 0, **more: str) -> dict[str, str]:
    return {
        "instruction": f"Task {prompt}.",
        "input": "",
        "response1": f"one {number}",
        "response2": f"two {number}",
        "verdict": "first",
        "reason": "",
        "reference": "",
        "source": "teacher",
    } | more


def write_examples(write: Write, records: list[dict[str, str]]) -> Path:
    return write("".join(f"{json.dumps(record)}\n" for record in records), "filtered.jsonl")


def run(path: Path, folder: Path, *more: str) -> tuple[list[Any], list[Any]]:
    assert command(export.main, [str(path), "-o", str(folder), *more]) == 0
    found = []
    for name in (TRAIN, VALIDATION):
        text = (folder / name).read_text("utf-8")
        found.append([json.loads(line) for line in text.splitlines()])
    return found[0], found[1]


def test_a_record(write: Write, tmp_path: Path) -> None:
    told = example(0, response1=" yes </s>", verdict="second", reason="r", reference="t", input="x")
    (record,), validation = run(write_examples(write, [told]), tmp_path / "out")
    assert validation == []
    assert list(record) == [
        *("instruction", "input", "response1", "response2", "verdict", "reason", "reference"),
        *("input_sequence", "output_sequence"),
    ]
    assert record["verdict"] == "second"
    assert record["response1"] == " yes </s>"
    assert record["input_sequence"].endswith(
        "### Instruction:\nTask 0.\n\n### Input:\nx\n\n### Response 1:\nyes\n\n"
        "### Response 2:\ntwo 0\n\n### Evaluation:\n"
    )
    assert record["output_sequence"] == "2\n\n### Reason: r\n\n### Reference: t\n"
    assert len(list(stream_examples(tmp_path / "out" / TRAIN))) == 1


def test_a_label_without_a_reason(write: Write, tmp_path: Path) -> None:
    (record,), _ = run(write_examples(write, [example(0)]), tmp_path / "out")
    assert record["output_sequence"] == "1\n"


def test_prompts_are_split_whole(write: Write, tmp_path: Path) -> None:
    records = [example(prompt, number) for number in range(3) for prompt in range(40)]
    records.append(example(7, 9, instruction="task 7"))  # another spelling of one of them
    train, validation = run(write_examples(write, records), tmp_path / "out", "--validation", "10")
    sides = [{"".join(r["instruction"].lower().split(".")) for r in s} for s in (train, validation)]
    assert len(sides[1]) == 10
    assert not sides[0] & sides[1]
    assert len(train) + len(validation) == 121


@given(st.sets(st.integers(0, 10**6), min_size=2, max_size=20), st.integers(), st.data())
def test_the_split_is_stable(prompts: set[int], seed: int, data: st.DataObject) -> None:
    few = data.draw(st.sets(st.sampled_from(sorted(prompts)), min_size=2))

    def chosen(some: set[int], validation: str) -> set[int]:
        split = Split(validation, seed)
        places = {prompt: split.draw(f"Task {prompt}", "") for prompt in some}
        limit = split.limit(places.values())
        return {prompt for prompt, place in places.items() if place < limit}

    # A share: whoever is drawn among few is drawn among many, and no one else of them.
    assert chosen(few, "0.3") == chosen(prompts, "0.3") & few
    # A number: only new prompts take places.
    assert chosen(prompts, "1") & few <= chosen(few, "1")
    assert len(chosen(prompts, "1")) == 1
    assert chosen(prompts, "0") == set() == chosen(prompts, "0.0")


@pytest.mark.parametrize("validation", ["-1", "1.0", "half", "1.5", "-0.1", "nan.", ""])
def test_no_split(validation: str) -> None:
    with pytest.raises(UsageError, match="--validation"):
        Split(validation, 0)


def test_nothing_left_to_train_on(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_examples(write, [example(0), example(1)])
    arguments = [str(path), "-o", str(tmp_path / "out"), "--validation", "2"]
    assert command(export.main, arguments) == 2
    assert "only 2 prompts" in capsys.readouterr().err
    assert not (tmp_path / "out" / TRAIN).exists()


def test_faults(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_examples(write, [example(0), example(1, verdict="garbage")])
    assert command(export.main, [str(path), "-o", str(tmp_path / "out")]) == 1
    assert "record 1 has verdict 'garbage'" in capsys.readouterr().err
    arguments = [str(path), "-o", str(tmp_path / "out"), "--licence", "MIT"]
    assert command(export.main, arguments) == 2


def test_the_whole_way(
    write: Write, tmp_path: Path, small_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        {
            "instruction": f"Write of thing {number}.",
            "output_1": f"It is {number}.",
            "output_2": f"This one is number {number}.",
            "generator_1": "one",
            "generator_2": "two",
            "preference": number % 2 + 1,
        }
        for number in range(10)
    ]
    records.append(records[0] | {"preference": None})
    source = write(records, "annotations.json")
    first, second, folder = (tmp_path / name for name in ("a.jsonl", "b.jsonl", "out"))
    assert command(label.main, ["--from", str(source), "-o", str(first)]) == 0
    data = ["--data_dir", str(small_data)]
    assert command(filter_step.main, [str(first), "-o", str(second), *data]) == 0
    train, validation = run(second, folder, "--validation", "3")
    assert (len(train), len(validation)) == (7, 3)
    assert len(read_records(folder / TRAIN)) == 7
    card = (folder / CARD).read_text()
    for told in (
        "CC BY-NC 4.0",
        "- unreadable answers",
        "from annotations.json: 11",
        "train.jsonl: 7 examples, 7 prompts",
        "labels of one order, whose order could not be checked: 11",
    ):
        assert told in card
    assert "Write of thing" not in card
    capsys.readouterr()
    run(second, folder, "--validation", "3")
    assert "nothing to do" in capsys.readouterr().err
    run(second, folder, "--validation", "3", "--licence", "alpaca_eval=my own")
    assert "my own" in (folder / CARD).read_text()
