"""The domain tasks under the harness: documents, groups, candidates, long passages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL_BIOASQ, Write
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager
from test_task import Listener, evaluate, figures, manager

from pandalm_eval import models
from pandalm_eval.domains.sources import pairs_by_key, read_parts
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.fitting import Budget, Shorten, estimate_tokens, fit
from pandalm_eval.models.rule import RuleJudge
from pandalm_eval.prompts import Fields, PromptStyle, render
from pandalm_eval.tasks_folder import harness_tasks_folder

DOMAINS = ("pandalm_lsat", "pandalm_pubmedqa", "pandalm_bioasq")


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    models.register()


class Writer(RuleJudge):
    """A candidate that answers each prompt by a function of it."""

    tokenizer_name = "writer"

    def __init__(self, write: Callable[[str], str]) -> None:
        super().__init__("tie")
        self._write = write
        self.asked: list[str] = []

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.asked += [request.args[0] for request in requests]
        return [self._write(request.args[0]) for request in requests]


@pytest.mark.parametrize("task", DOMAINS)
def test_documents_carry_the_key(small_data: Path, task: str) -> None:
    run = evaluate(task, {"data_dir": str(small_data)})
    assert run["configs"][task]["metadata"]["gold"] == "key"
    assert run["configs"][task]["metadata"]["protocol"] == "verdict"
    for sample in run["samples"][task]:
        doc = sample["doc"]
        right = [doc[side] == doc["key"] for side in ("answer1", "answer2")]
        gold = {(True, False): "first", (False, True): "second", (False, False): "tie"}
        assert doc["gold"] == gold[right[0], right[1]]
        assert doc["source_id"]
        assert doc["split"]
        assert doc["annotators"] == []


def test_figures(small_data: Path) -> None:
    told = figures(evaluate("pandalm_lsat", {"data_dir": str(small_data)}), "pandalm_lsat")
    # 18 questions, three parts of 6: 2 ties each. Two questions share a passage.
    assert (told["n_pairs"], told["n_prompts"]) == (18, 9)
    assert told["acc"] == pytest.approx(6 / 18)  # `longest` is right in half of 12 decisive pairs
    assert told["kappa"] == pytest.approx(0)


def test_a_part_has_its_own_pairs(small_data: Path) -> None:
    data = {"data_dir": str(small_data)}
    whole = evaluate("pandalm_lsat", data)["samples"]["pandalm_lsat"]
    part = evaluate("pandalm-lsat-lr", data)["samples"]["pandalm-lsat-lr"]
    hashes = [s["doc"]["text_hash"] for s in whole if s["doc"]["split"] == "lr"]
    assert [sample["doc"]["text_hash"] for sample in part] == hashes


@pytest.mark.parametrize(
    ("group", "tasks"),
    [("pandalm-domains", DOMAINS), ("pandalm-judge", ("pandalm_human_verdict", *DOMAINS))],
)
def test_groups_aggregate_accuracy_alone(
    small_data: Path, group: str, tasks: tuple[str, ...]
) -> None:
    run = evaluate(group, {"data_dir": str(small_data)})
    assert set(run["results"]) - {group} == set(tasks)
    own = {key for key in run["groups"][group] if key.endswith(",none")}
    assert own == {"acc,none", "acc_stderr,none"}
    mean = sum(figures(run, task)["acc"] for task in tasks) / len(tasks)
    assert run["groups"][group]["acc,none"] == pytest.approx(mean)  # not by their sizes


def test_classic_group_names_what_the_harness_has() -> None:
    from pandalm_eval.classic_runs import METRICS

    config = manager({}).task_index["pandalm-classic"].cfg
    assert config is not None
    assert config["task"] == list(METRICS)
    theirs = harness_tasks_folder()
    folders = ("arc", "super_glue", "coqa", "hellaswag", "squadv2", "mmlu/default")
    known = TaskManager(
        include_path=[theirs / folder for folder in folders], include_defaults=False
    )
    assert set(METRICS) <= set(known.all_tasks)
    assert config["aggregate_metric_list"] == [{"metric": "acc", "weight_by_size": False}]


def test_unused_questions_are_counted(small_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluate("pandalm_bioasq", {"data_dir": str(small_data)}, limit=1)
    assert (
        "pandalm_bioasq: 1 of 9 questions have no wrong answer to be paired with (1 summary)."
        in caplog.messages
    )


def test_other_gold(small_data: Path, write: Write) -> None:
    data = {"data_dir": str(small_data)}
    with pytest.raises(UsageError, match=r"pandalm_lsat takes its own labels \(key\), or gold=F"):
        evaluate("pandalm_lsat", data | {"gold": "gpt-3.5-turbo"})
    id = evaluate("pandalm_lsat", data, limit=1)["samples"]["pandalm_lsat"][0]["doc"]["id"]
    labels = write([{"id": id, "label": "tie"}], "gold.json")
    run = evaluate("pandalm_lsat", data | {"gold": str(labels)}, judge="tie")
    assert figures(run, "pandalm_lsat")["acc"] == 1
    assert run["configs"]["pandalm_lsat"]["metadata"]["left_out"] == 17


# Candidates ----------------------------------------------------------------------------------


def responses(small_data: Path, source: str, writer: Writer) -> list[dict[str, str]]:
    task = f"pandalm-respond-{source}"
    run = evaluate(task, {"data_dir": str(small_data)}, judge=writer)
    return [
        {
            "instruction": sample["doc"]["instruction"],
            "input": sample["doc"]["input"],
            "response": sample["filtered_resps"][0],
        }
        for sample in run["samples"][task]
    ]


def test_candidates_way(small_data: Path, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """Always yes against always no, on 3 yes, 1 no (and 1 maybe) of the test split."""
    for word in ("yes", "no"):
        told = responses(small_data, "pubmedqa", Writer(lambda _, word=word: f"{word}."))
        assert len(told) == 5
        write(told, f"answers/{word}.json")
    folder = write("", "answers/empty.txt").parent
    metadata = {"data_dir": str(small_data), "responses": str(folder)}
    run = evaluate("pandalm_pubmedqa", metadata, judge="longest")
    docs = [sample["doc"] for sample in run["samples"]["pandalm_pubmedqa"]]
    # Candidates stand in the order of their names: no, yes. Key maybe: both wrong.
    assert Counter(doc["gold"] for doc in docs) == {"second": 3, "first": 1, "tie": 1}
    assert {(doc["answer1"], doc["answer2"]) for doc in docs} == {("no", "yes")}
    assert figures(run, "pandalm_pubmedqa")["acc"] == pytest.approx(3 / 5)  # "yes." is longer


def test_unscorable_responses_are_left_out(
    small_data: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write(responses(small_data, "bioasq", Writer(lambda _: "rust")), "answers/one.json")
    told = responses(small_data, "bioasq", Writer(lambda prompt: "no" if "yesno" in prompt else ""))
    write(told, "answers/two.json")
    metadata = {"data_dir": str(small_data), "responses": str(write("", "answers/x.txt").parent)}
    with pytest.raises(InputError, match="in none of the 9 pairs can both resp"):
        evaluate("pandalm_bioasq", metadata)
    # Labels of people put them back: the summary question as well.
    ids = ["summary8:one:two", "list6:one:two"]
    labels = write([{"id": id, "label": 1} for id in ids], "gold.json")
    run = evaluate("pandalm_bioasq", metadata | {"gold": str(labels)})
    assert figures(run, "pandalm_bioasq")["n_pairs"] == 2
    assert "one: 4 responses cannot be scored by the key" in caplog.text  # 3 yes/no, 1 summary


def test_no_pair_can_be_made(small_data: Path, write: Write) -> None:
    """One factoid alone has no other whose answer would be wrong here."""
    write({"questions": [SMALL_BIOASQ[3], SMALL_BIOASQ[8]]}, "data/bioasq/9B1_golden.json")
    with pytest.raises(InputError) as error:
        evaluate("pandalm_bioasq", {"data_dir": str(small_data)})
    assert str(error.value) == (
        "pandalm_bioasq: no question has a wrong answer to make a pair with. A factoid or a list "
        "takes its wrong answer from another of its kind: put more files into bioasq/ of the data "
        "folder."
    )


def test_respond_asks_every_question_once(small_data: Path) -> None:
    writer = Writer(lambda _: "A")
    responses(small_data, "lsat", writer)
    assert len(writer.asked) == len(set(writer.asked)) == 18
    assert all("(E) black\n\n### Input:\nThere is box" in prompt for prompt in writer.asked)
    with pytest.raises(UsageError, match="for prompts of your own run pandalm-respond with"):
        evaluate("pandalm-respond-lsat", {"data_dir": str(small_data), "instructions": "a.json"})


def test_samples_of_another_source_are_not_taken(small_data: Path, write: Write) -> None:
    """A folder may hold a candidate's answers to every source."""
    from pandalm_eval.responses import read_candidates

    for task in ("respond", "respond-lsat", "respond-pubmedqa"):
        write("{}", f"out/samples_pandalm-{task}_2026-01-01T00-00-00.0.jsonl")
    folder = str(write("", "out/x").parent)
    with pytest.raises(InputError, match="samples_pandalm-respond-lsat_2026"):
        read_candidates(folder, respond="pandalm-respond-lsat")
    with pytest.raises(InputError, match="samples_pandalm-respond_2026"):
        read_candidates(folder)


# Long passages -------------------------------------------------------------------------------


def test_the_passage_is_shortened_and_said(
    small_data: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = small_data / "pubmedqa/ori_pqal.json"
    records = json.loads(path.read_text())
    records["100"]["CONTEXTS"] = ["far too long " * 800, "end"]
    path.write_text(json.dumps(records))
    judge = Listener()
    metadata = {"data_dir": str(small_data), "model": "unknown", "max_length": 600}
    run = evaluate("pandalm_pubmedqa", metadata, judge=judge)
    for sample in run["samples"]["pandalm_pubmedqa"]:
        doc = sample["doc"]
        for prompt, _ in sample["arguments"]:
            assert doc["instruction"] in prompt
            assert doc["response1"] in prompt
            assert doc["response2"] in prompt
            assert estimate_tokens(prompt) <= 592  # less 8 new tokens
            assert (doc["input"] in prompt) == (doc["source_id"] != "100")
    long = [s for s in run["samples"]["pandalm_pubmedqa"] if s["doc"]["source_id"] == "100"]
    told = figures(run, "pandalm_pubmedqa")
    assert told["truncated_rate"] == len(long) / told["n_pairs"] > 0
    assert (
        f"{2 * len(long)} of {2 * told['n_pairs']} prompts were longer than the judge's context of "
        "600 tokens; their inputs were shortened at the end, and where that was not enough the "
        "rest (truncated_rate)."
    ) in caplog.text


def test_a_candidate_gets_a_passage_that_fits(
    small_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = small_data / "pubmedqa/ori_pqal.json"
    records = json.loads(path.read_text())
    records["100"]["CONTEXTS"] = ["far too long " * 800]
    path.write_text(json.dumps(records))
    writer = Writer(lambda _: "yes")
    metadata = {"data_dir": str(small_data), "model": "unknown", "max_length": 600}
    evaluate("pandalm-respond-pubmedqa", metadata, judge=writer)
    (long,) = [prompt for prompt in writer.asked if "far too long" in prompt]
    assert 280 < estimate_tokens(long) <= 300  # less 300 new tokens
    assert "Does treatment 0 shorten the stay?" in long
    assert long.endswith("### Response:\n")
    assert "1 prompts were longer than the candidate's context of 600 tokens" in caplog.text


@pytest.mark.parametrize("source", ["lsat", "pubmedqa", "bioasq"])
@pytest.mark.parametrize("new_tokens", [8, 512])
def test_2048_tokens_hold_question_and_responses(
    data_dir: Path, source: str, new_tokens: int
) -> None:
    """Under PandaLM-7B's context, counted by the estimate, which is longer than real tokens."""
    if source == "bioasq" and not list((data_dir / "bioasq").glob("*.json")):
        pytest.skip("each user registers for BioASQ's files")
    budget = Budget(2048 - new_tokens, estimate_tokens)

    def build(fields: Fields) -> str:
        return render(PromptStyle.PANDALM, fields)

    shortened = 0
    for pair in pairs_by_key(read_parts(source, str(data_dir))):
        fields = Fields.clean(pair.instruction, pair.input, pair.response1, pair.response2)
        fitted, cut = fit(fields, build, budget, Shorten.INPUT)
        shortened += cut
        assert (fitted.instruction, fitted.response1, fitted.response2) == (
            fields.instruction,
            fields.response1,
            fields.response2,
        )
        assert budget.holds(build(fitted))
        assert fields.input.startswith(fitted.input)
    if (source, new_tokens) == ("pubmedqa", 8):
        assert shortened == 0
