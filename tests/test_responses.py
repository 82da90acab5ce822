"""Response files in every known format, and the pairs made of them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from conftest import Write

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.instructions import Prompt, read_prompts
from pandalm_eval.joining import contests, joined
from pandalm_eval.judgments import Protocol
from pandalm_eval.responses import Candidate, read_candidate, read_candidates
from pandalm_eval.settings import Join

PROMPTS = [Prompt("Name the capital.", "France"), Prompt("Say hello.", "")]


def records(**more: Any) -> list[dict[str, Any]]:
    return [
        {"instruction": "Name the capital.", "input": "France", "response": "Paris"} | more,
        {"instruction": "Say hello.", "response": "Hello!"} | more,
    ]


def test_the_template_is_upstreams_byte_for_byte() -> None:
    assert PROMPTS[0].alpaca() == (
        "Below is an instruction that describes a task, paired with an input that provides further "
        "context. Write a response that appropriately completes the request.\n\n### Instruction:\n"
        "Name the capital.\n\n### Input:\nFrance\n\n### Response:\n"
    )
    assert PROMPTS[1].alpaca() == (
        "Below is an instruction that describes a task. Write a response that appropriately "
        "completes the request.\n\n### Instruction:\nSay hello.\n\n### Response:\n"
    )
    assert [prompt.message() for prompt in PROMPTS] == ["Name the capital.\n\nFrance", "Say hello."]


def test_braces_in_a_prompt_are_its_own() -> None:
    assert "{input} {0}" in Prompt("{input} {0}", "").alpaca()


def test_the_real_prompts_are_read(data_dir: Path) -> None:
    prompts = read_prompts(data_dir / "pandalm" / "testset-inference-v1.json")
    assert len(prompts) == len(set(prompts)) == 170


def expected(name: str, path: Path) -> Candidate:
    return Candidate(name, dict(zip(PROMPTS, ["Paris", "Hello!"], strict=True)), path)


def test_formats(write: Write) -> None:
    own = write(records(), "a.json")
    assert read_candidate(own) == expected("a", own)
    lines = write("".join(json.dumps(r) + "\n" for r in records()), "b.jsonl")
    assert read_candidate(lines) == expected("b", lines)
    alpaca = [
        {"instruction": r["instruction"], "input": r.get("input"), "output": r["response"]}
        for r in records()
    ]
    eval_file = write([r | {"generator": "gpt-x"} for r in alpaca], "gpt-x/model_outputs.json")
    assert read_candidate(eval_file) == expected("gpt-x", eval_file)
    prompts = write(
        [{"instruction": p.instruction, "input": p.input, "motivation_app": "x"} for p in PROMPTS],
        "prompts.json",
    )
    plain = write(["Paris", "Hello!"], "plain.json")
    assert read_candidate(plain, prompts=prompts) == expected("plain", plain)


def test_samples_of_a_run(write: Write) -> None:
    lines = [
        {"doc": {"instruction": p.instruction, "input": p.input}, "filtered_resps": [text]}
        for p, text in zip(PROMPTS, ["Paris", "Hello!"], strict=True)
    ]
    samples = write(
        "".join(json.dumps(line) + "\n" for line in lines),
        "samples_pandalm-respond_2026-01-01T00-00-00.0.jsonl",
    )
    config = {"model": "hf", "model_args": {"pretrained": "org/small-one"}}
    write({"results": {}, "configs": {}, "config": config}, "results_2026-01-01T00-00-00.0.json")
    assert read_candidate(samples) == expected("small-one", samples)
    assert [c.name for c in read_candidates(str(samples.parent))] == ["small-one"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"instruction": "a"}], "record 0 has no field response or output"),
        ([{"response": "a"}], "record 0 has no field instruction"),
        ([{"instruction": "a", "response": 3}], "response is a number; a text is needed"),
        ([{"instruction": "a", "response": None}], "response is null"),
        (records() + records(), "2 prompts occur more than once: 'Name the capital.'"),
        ("[", "not valid JSON"),
        ([], "the list is empty"),
        (["a", 3], "record 0 is a text, not an object"),
    ],
)
def test_bad_files(write: Write, content: object, message: str) -> None:
    with pytest.raises(InputError, match=r"file\.json") as caught:
        read_candidate(write(content))
    assert message in str(caught.value)


def test_a_plain_list_needs_its_prompts(write: Write) -> None:
    plain = write(["a"], "plain.json")
    with pytest.raises(UsageError, match="instructions=FILE"):
        read_candidate(plain)
    prompts = write([{"instruction": "a"}, {"instruction": "b"}], "prompts.json")
    with pytest.raises(InputError, match=r"1 texts, but .* has 2 prompts"):
        read_candidate(plain, prompts=prompts)


def test_names(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write(records(generator="another"), "mine.json")
    with caplog.at_level(logging.WARNING):
        assert read_candidate(path).name == "mine"
    assert "though the file names another as generator" in caplog.text
    with pytest.raises(UsageError, match="no candidate name"):
        read_candidate(write(records(), "a b.json"))
    with pytest.raises(UsageError, match="_stderr"):
        read_candidate(path, "a_stderr")
    with pytest.raises(InputError, match="two response files are of one candidate: mine"):
        read_candidates([str(path), str(path)])
    assert [c.name for c in read_candidates({"x": str(path), "y": str(path)})] == ["x", "y"]
    assert [c.name for c in read_candidates(f"{path.parent}/min*.json")] == ["mine"]
    with pytest.raises(UsageError, match="no response file"):
        read_candidates(f"{path.parent}/none*.json")
    with pytest.raises(InputError, match="no such file"):
        read_candidates(str(path.with_name("gone.json")))


# --- joining ----------------------------------------------------------------------------------


def candidate(name: str, *instructions: str) -> Candidate:
    answers = {Prompt(text, ""): f"{name} on {text}" for text in instructions}
    return Candidate(name, answers, Path(f"{name}.json"))


def test_all_pairs_or_each_with_the_baseline() -> None:
    three = [candidate(name, "p", "q") for name in "bca"]
    pairs = joined(three, None, protocol=Protocol.VERDICT)
    assert [(p.instruction, p.model1, p.model2) for p in pairs] == [
        *(("p", "b", "c"), ("p", "a", "b"), ("p", "a", "c")),
        *(("q", "b", "c"), ("q", "a", "b"), ("q", "a", "c")),
    ]
    assert all(p.response1 == f"{p.model1} on {p.instruction}" for p in pairs)
    assert len({p.prompt_id for p in pairs}) == 2
    assert contests("bca", "a") == [("b", "a"), ("c", "a")]
    assert len(joined(three, "a", protocol=Protocol.VERDICT)) == 4


def test_the_order_of_names_changes_no_pair() -> None:
    made = [candidate("a", "p", "q"), candidate("b", "q", "p")]
    straight = joined(made, None, protocol=Protocol.SINGLE)
    assert joined(made[::-1], None, protocol=Protocol.SINGLE) == straight


def test_one_order_is_drawn_by_prompt() -> None:
    texts = [f"prompt {n}" for n in range(400)]
    pairs = joined([candidate("a", *texts), candidate("b", *texts)], None, protocol=Protocol.SINGLE)
    first = sum(pair.model1 == "a" for pair in pairs)
    assert 150 < first < 250  # 200 ± 5 standard deviations of a fair coin
    assert all(pair.response1.startswith(str(pair.model1)) for pair in pairs)


def test_joined_by_prompt_never_by_position(caplog: pytest.LogCaptureFixture) -> None:
    two = [candidate("a", "p", "q", "r"), candidate("b", "q", "p", "s")]
    with pytest.raises(InputError) as caught:
        joined(two, None, protocol=Protocol.VERDICT)
    told = str(caught.value)
    assert "a.json has no answer to 1 prompts: 's'" in told
    assert "b.json has no answer to 1 prompts: 'r'" in told
    with caplog.at_level(logging.WARNING):
        pairs = joined(two, None, join=Join.INTERSECTION, protocol=Protocol.VERDICT)
    assert "2 of 4 prompts" in caplog.text
    assert [(p.response1, p.response2) for p in pairs] == [
        ("a on p", "b on p"),
        ("a on q", "b on q"),
    ]
    with pytest.raises(InputError, match="no prompt in common"):
        joined(
            [candidate("a", "p"), candidate("b", "q")],
            None,
            join=Join.INTERSECTION,
            protocol=Protocol.VERDICT,
        )


def test_what_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="two candidates, but there is only a"):
        joined([candidate("a", "p")], None, protocol=Protocol.VERDICT)
    with pytest.raises(UsageError, match="none of the candidates a, b"):
        joined([candidate("a", "p"), candidate("b", "p")], "c", protocol=Protocol.VERDICT)
