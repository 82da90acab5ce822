"""What is left out of the training data, and why."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.human import TEST_SET, read_test_set
from pandalm_eval.instructions import Prompt
from pandalm_eval.pairs import Pair
from pandalm_eval.records import read_records
from pandalm_eval.verdicts import Verdict
from train_judge import filter as filter_step
from train_judge import label
from train_judge.contamination import Contamination, read_evaluation
from train_judge.contradictions import contradicts
from train_judge.duplicates import NearDuplicates
from train_judge.funnel import funnel_file
from train_judge.labelled import Answer, Labelled, Order
from train_judge.rules import (
    CHANGES,
    CONTAMINATED,
    CONTRADICTS,
    EXACT,
    NEAR,
    OVERLONG,
    SAME,
    UNREADABLE,
    Rules,
)
from train_judge.shingles import (
    PERMUTATIONS,
    character_shingles,
    jaccard,
    normalised,
    signature,
    word_shingles,
)
from train_judge.steps import command

Write = Callable[..., Path]

SIXTY = " ".join(f"word{number}" for number in range(60))


def pair(one: str = "a b c", two: str = "d e f", instruction: str = "Say it.") -> Pair:
    return Pair("0", "p", instruction, "", one, two)


def labelled(
    verdicts: Sequence[str] = ("first", "first"),
    reason: str = "It is right.",
    reference: str = "It.",
    **texts: str,
) -> Labelled:
    answers = [
        Answer(order, Verdict(verdict), reason, reference, "teacher")
        for order, verdict in zip(Order, verdicts, strict=False)
    ]
    return Labelled(pair(**texts), tuple(answers))


def rules(**told: Any) -> Rules:
    sets = {"set": [Prompt("Name the capital.", "France")]}
    return Rules(Contamination(sets), lambda text: len(text) // 4, 50, **told)


RULES = (
    (labelled(), None),
    (labelled(["first"]), None),
    (labelled(["first", "invalid"]), UNREADABLE),
    (labelled(["invalid"]), UNREADABLE),
    (labelled(["invalid", "invalid"], one="", two=""), UNREADABLE),  # the first rule counts
    (labelled(["first", "second"]), CHANGES),
    (labelled(["first", "tie"]), CHANGES),
    (labelled(one="same", two=" same\n"), SAME),
    (labelled(["tie", "tie"], one="same", two="same"), SAME),
    (labelled(one="", two="b"), SAME),
    (labelled(reason="Response 2 is better."), CONTRADICTS),
    (labelled(reference="long " * 60), OVERLONG),
    (labelled(instruction="name the CAPITAL\n\nfrance!"), CONTAMINATED),
)


@pytest.mark.parametrize(("given", "reason"), RULES)
def test_rules(given: Labelled, reason: str | None) -> None:
    assert rules().reason_to_drop(given) == reason


DUPLICATES = (
    # of the second pair, after one of SIXTY words against "d e f"
    (pair(SIXTY), EXACT),
    (pair("d e f", SIXTY), EXACT),  # exchanged
    (pair(SIXTY.replace("word30", "other")), NEAR),  # 55 of 61 runs of words are equal: .90
    (pair(SIXTY.upper()), NEAR),
    (pair("D. E. F.", f"{SIXTY}!"), NEAR),
    (pair(SIXTY.replace("word30", "other").replace("word10", "more")), None),  # 52/64: .81
    (pair(SIXTY, "d e g"), None),  # a short response says something else
    (pair(SIXTY, instruction="Say something else."), None),
)


@pytest.mark.parametrize(("second", "reason"), DUPLICATES)
def test_duplicates(second: Pair, reason: str | None) -> None:
    looking, first = rules(threshold=0.85), labelled()
    assert looking.reason_to_drop(replace(first, pair=pair(SIXTY))) is None
    assert looking.reason_to_drop(replace(first, pair=second)) == reason


def test_identical_ties_can_be_kept() -> None:
    tie = labelled(["tie"], one="same", two="same")
    assert rules(keep_identical=True).reason_to_drop(tie) is None
    won = labelled(["first"], one="same", two="same")
    assert rules(keep_identical=True).reason_to_drop(won) == SAME


def test_many_near_duplicates() -> None:
    looking = NearDuplicates()
    texts = [SIXTY.replace("word", f"{number}-") for number in range(1500)]  # the table grows
    assert all(looking.is_new(pair(text)) for text in texts)
    assert not any(looking.is_new(pair(text.upper())) for text in texts)


CONTRADICTIONS = (
    # reason, verdicts that it contradicts
    ("Response 2 is better because it is complete.", "first tie"),
    ("Response 1 is better.", "second tie"),
    ("response 1 is the better response", "second tie"),
    ("Response 1 is clearly superior to it. Response 1 is better!", "second tie"),
    ("Response 2 is much better than Response 1, since it answers.", "first tie"),
    ("Response 1 is worse than Response 2.", "first tie"),
    ("Both responses are equally good.", "first second"),
    ("It is a tie.", "first second"),
    ("Both responses are equally correct. Response 2 adds an example.", ""),
    ("Response 2 is better structured.", ""),
    ("Response 2 is better at rhymes. It wins there.", ""),
    ("Response 2 is better, but it is wrong.", ""),
    ("Although Response 2 is better, it is long.", ""),
    ("Response 2 would be better if it were true.", ""),
    ("Response 2 is not better.", ""),
    ("Response 2 isn't better.", ""),
    ("Response 1 is better. In style Response 2 is better.", ""),
    ("Neither response is better.", ""),
    ("The task asks for a list, which Response 1 gives.", ""),
    ("", ""),
)


@pytest.mark.parametrize(("reason", "contradicted"), CONTRADICTIONS)
def test_contradictions(reason: str, contradicted: str) -> None:
    labels = (Verdict.FIRST, Verdict.SECOND, Verdict.TIE)
    assert [v for v in labels if contradicts(reason, v)] == contradicted.split()


@given(st.text(), st.sampled_from([Verdict.FIRST, Verdict.SECOND, Verdict.TIE]))
def test_contradictions_of_any_text(reason: str, verdict: Verdict) -> None:
    swapped = reason.translate({ord("1"): "2", ord("2"): "1"})
    assert contradicts(reason, verdict) == contradicts(swapped, verdict.swapped)


@given(st.text(), st.text())
def test_normalised(one: str, two: str) -> None:
    folded = normalised(one, two)
    assert normalised(f"{one}\n\n{two}", "") == folded
    assert normalised(f" {one}", f"{two} ") == folded
    if folded.isascii():
        assert normalised(folded) == folded
    assert 0 <= jaccard(word_shingles(one), word_shingles(two)) <= 1
    assert jaccard(character_shingles(one), character_shingles(one)) == 1


def test_signatures_estimate_the_similarity() -> None:
    base = [f"w{number}" for number in range(200)]
    for equal in (20, 100, 180):
        one, two = set(base), set(base[:equal]) | {f"v{number}" for number in range(200 - equal)}
        alike = signature(one).hashvalues == signature(two).hashvalues
        # Three standard deviations of a share of 64 places.
        assert alike.mean() == pytest.approx(jaccard(one, two), abs=3 * 0.5 / PERMUTATIONS**0.5)


EVALUATION = (
    ([{"instruction": "i", "input": "x"}, {"instruction": "i", "input": "x"}], [("i", "x")]),
    ('{"instruction": "i"}\n{"instruction": "j", "response1": "a"}\n', [("i", ""), ("j", "")]),
    ('{"instruction": "i"}\n', [("i", "")]),
    ([{"passage": "p", "question": "q", "options": ["(A)a"]}], [("q", ""), ("p", "q")]),
    ({"1": {"QUESTION": "q", "CONTEXTS": ["a", "b"]}}, [("q", ""), ("a b", "q")]),
    ({"questions": [{"body": "q", "type": "list"}]}, [("q", "")]),
    ({"bioasq": {"x": {"question": "q", "options": {}}}}, [("q", "")]),
)


@pytest.mark.parametrize(("content", "prompts"), EVALUATION)
def test_evaluation_files(content: object, prompts: list[tuple[str, str]], write: Write) -> None:
    assert read_evaluation(write(content)) == [Prompt(*prompt) for prompt in prompts]


def folded_plainly(text: str) -> str:
    """Written anew for the check: letters and digits of the folded text, in a row."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def test_every_test_prompt_of_alpaca_eval_is_found(data_dir: Path) -> None:
    files = sorted((data_dir / "alpaca_eval").glob("*.json"))
    if not files:
        pytest.skip("alpaca_eval is for each user to get")
    asked = {Prompt(pair.instruction, pair.input) for pair in read_test_set(data_dir / TEST_SET)}
    theirs = {record["instruction"] for path in files for record in read_records(path)}
    looking = Contamination({"set": asked})
    found = {text for text in theirs if looking.holding(Prompt(text, ""))}
    # Every prompt against every other, without the index.
    shingles = {prompt: character_shingles(normalised(*_texts(prompt))) for prompt in asked}
    plain = {prompt: folded_plainly("".join(_texts(prompt))) for prompt in asked}
    near: set[str] = set()
    held: set[Prompt] = set()
    for text in theirs:
        own, folded = character_shingles(normalised(text)), folded_plainly(text)
        for prompt in asked:
            sizes = sorted((len(own), len(shingles[prompt])))
            # A similarity is at most the smaller size over the larger one.
            near_enough = sizes[0] >= 0.8 * sizes[1]
            if folded == plain[prompt] or (near_enough and jaccard(own, shingles[prompt]) >= 0.8):
                near.add(text)
                held.add(prompt)
    assert found == near
    assert len(held) == 169


def _texts(prompt: Prompt) -> tuple[str, str]:
    return prompt.instruction, prompt.input


def test_alpaca_eval_through_the_steps(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "alpaca_eval/phi-2.json"
    if not source.is_file():
        pytest.skip("alpaca_eval is for each user to get")
    first, second = tmp_path / "labelled.jsonl", tmp_path / "filtered.jsonl"
    assert command(label.main, ["--from", str(source), "-o", str(first)]) == 0
    arguments = [str(first), "-o", str(second), "--data_dir", str(data_dir)]
    assert command(filter_step.main, arguments) == 0
    told = json.loads(funnel_file(second).read_text())
    assert told["read"] == 805
    assert told["kept"] == 805 - sum(told["dropped"].values()) == len(read_records(second))
    assert told["dropped"][CONTAMINATED] > 160
    assert [step["step"] for step in told["before"]] == ["label"]


@pytest.fixture
def labels(write: Write) -> Path:
    lines = [
        {"instruction": "Say one.", "response1": "a", "response2": "b", "verdict": "1"},
        {"instruction": "Say two.", "response1": "a", "response2": "b", "verdict": "x"},
        {"instruction": "Name the capital.", "input": "France"}
        | {"response1": "a", "response2": "b", "verdict": "2"},
    ]
    source = write("".join(f"{json.dumps(line)}\n" for line in lines), "source.jsonl")
    output = source.with_name("labelled.jsonl")
    assert command(label.main, ["--from", str(source), "-o", str(output)]) == 0
    return output


def test_the_command(
    labels: Path, small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "filtered.jsonl"
    arguments = [str(labels), "-o", str(output), "--data_dir", str(small_data)]
    assert command(filter_step.main, arguments) == 0
    (kept,) = read_records(output)
    assert (kept["instruction"], kept["verdict"], kept["source"]) == ("Say one.", "first", "source")
    table = capsys.readouterr().out
    assert re.search(r"- unreadable answers +1 +2\n", table)
    assert re.search(r"- prompt of an evaluation set +1 +1\n", table)
    assert "testset-v1.json 1 examples, 1 prompts" in table
    assert command(filter_step.main, [*arguments, "--max_target_tokens", "0"]) == 1
    told = capsys.readouterr().err
    assert "no example is left" in told
    assert re.search(r"- overlong target +2 +0\n", told)
    assert len(read_records(output)) == 1  # what stood there stays


def test_evaluation_is_not_left_out_silently(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["-o", str(tmp_path / "filtered.jsonl")]
    nowhere = ["--data_dir", str(tmp_path / "nowhere")]
    assert command(filter_step.main, [str(labels), *output, *nowhere]) == 2
    assert "--no-evaluation" in capsys.readouterr().err
    assert command(filter_step.main, [str(labels), *output, "--no-evaluation"]) == 0
    assert "none were looked at" in capsys.readouterr().out
    both = ["--no-evaluation", "--evaluation", str(labels)]
    assert command(filter_step.main, [str(labels), *output, *both]) == 2


FAULTS = (
    ('{"instruction": "i"}\n', "record 0 has no field"),
    ("not JSON\n", "line 1"),
    ('{"instruction":"i","input":"","response1":"a","response2":"b"}\n', "no list of answers"),
    (
        '{"instruction":"i","input":"","response1":"a","response2":"b","answers":[{}]}\n',
        "none of ours",
    ),
    ("", "empty"),
)


@pytest.mark.parametrize(("content", "said"), FAULTS)
def test_faults(
    content: str, said: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(content, "labelled.jsonl")
    arguments = [str(path), "-o", str(tmp_path / "filtered.jsonl"), "--no-evaluation"]
    assert command(filter_step.main, arguments) == 1
    assert said in capsys.readouterr().err


def test_an_output_over_its_input(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(filter_step.main, [str(labels), "-o", str(labels), "--no-evaluation"]) == 2
    assert "input and output" in capsys.readouterr().err
