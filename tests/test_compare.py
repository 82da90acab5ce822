"""Comparisons as standard runs: counts, win rates, mirrored requests, tables and resumption."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Write

from pandalm_eval import Comparison, compare
from pandalm_eval.cli import main
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.judgments import Protocol
from pandalm_eval.metrics import SUFFIXES
from pandalm_eval.outcomes import Outcomes
from pandalm_eval.results import read_runs
from pandalm_eval.statistics.shares import share
from pandalm_eval.tables.judges import JudgesTable
from pandalm_eval.tables.models import ModelsTable
from pandalm_eval.tables.render import render

LONGEST = {"model": "rule", "model_args": {"name": "longest"}}
COUNT = 40


def answers(name: str, lengths: list[int]) -> list[dict[str, str]]:
    return [
        {"instruction": f"prompt {n}", "response": (name[0] * length) or ""}
        for n, length in enumerate(lengths)
    ]


@pytest.fixture
def files(write: Write) -> dict[str, str]:
    """Three candidates with random lengths; `c` mostly answers at greater length."""
    draw = random.Random(3)
    lengths = {name: [draw.randint(0, 30) for _ in range(COUNT)] for name in "ab"}
    lengths["c"] = [draw.randint(15, 60) for _ in range(COUNT)]
    return {name: str(write(answers(name, lengths[name]), f"{name}.json")) for name in lengths}


def expected(files: dict[str, str], a: str, b: str) -> tuple[int, int, int]:
    one, two = (json.loads(Path(files[name]).read_text()) for name in (a, b))
    signs = [len(x["response"]) - len(y["response"]) for x, y in zip(one, two, strict=True)]
    return (
        sum(sign > 0 for sign in signs),
        sum(sign == 0 for sign in signs),
        sum(sign < 0 for sign in signs),
    )


def run(
    tmp_path: Path, metadata: dict[str, Any], *more: str, model: str = "rule", name: str = "longest"
) -> dict[str, Any]:
    """The figures of a run of the command."""
    folder = tmp_path / f"out{len(list(tmp_path.glob('out*')))}"
    code = main(
        [
            *("run", "--model", model, "--model_args", f"name={name}"),
            *("--tasks", "pandalm-compare", "--metadata", json.dumps(metadata)),
            *("--output_path", str(folder), "--log_samples", *more),
        ]
    )
    assert code == 0
    (results,) = folder.rglob("results_*.json")
    (figures,) = json.loads(results.read_text())["results"].values()
    return {key.removesuffix(",none"): value for key, value in figures.items()}


def test_a_run_of_all_pairs(files: dict[str, str], tmp_path: Path) -> None:
    found = run(tmp_path, {"responses": files})
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        win, tie, lose = expected(files, a, b)
        for key, count in {"win": win, "tie": tie, "lose": lose, "invalid": 0}.items():
            assert found[f"{key}:{a}:{b}"] == count
        rate = (win + tie / 2) / COUNT
        for key in ("win_rate", "win_rate_low", "win_rate_high"):
            assert found[f"{key}:{a}:{b}"] == pytest.approx(rate)
        low, high = (found[f"win_rate:{a}:{b}_{end}"] for end in ("ci_low", "ci_high"))
        assert low < rate < high
    wins = sum(2 * expected(files, "c", other)[0] for other in "ab")
    ties = sum(expected(files, "c", other)[1] for other in "ab")
    assert found["win_rate:c"] == pytest.approx((wins + ties) / (4 * COUNT))
    assert (found["n_pairs"], found["n_prompts"], found["invalid"]) == (3 * COUNT, COUNT, 0)
    assert not {"win", "lose", "win_rate", "acc"} & set(found)
    assert found["position_consistency"] == 1


def test_a_run_with_a_baseline(files: dict[str, str], tmp_path: Path) -> None:
    found = run(tmp_path, {"responses": {"a": files["a"]}, "baseline": files["c"]})
    win, tie, lose = expected(files, "a", "c")
    assert (found["win"], found["tie"], found["lose"]) == (win, tie, lose)
    assert found["win_rate"] == found["win_rate:a:c"] == pytest.approx((win + tie / 2) / COUNT)
    assert "win_rate:a" not in found
    again = run(tmp_path, {"responses": files, "baseline": "c"})
    assert again["win:a:c"] == win
    assert "win:a:b" not in again
    assert again["win"] == win + expected(files, "b", "c")[0]


def test_a_baseline_that_is_a_candidate_too(files: dict[str, str], write: Write) -> None:
    found = compare(files, LONGEST, baseline=files["c"])
    assert [(row["a"], row["b"]) for row in found.models.rows] == [("a", "c"), ("b", "c")]
    assert found.models.rows[0]["win"] == expected(files, "a", "c")[0]
    with pytest.raises(UsageError, match="holds several response files"):
        compare(files, LONGEST, baseline=str(Path(files["a"]).parent))
    other = str(write(answers("x", [5] * COUNT), "other/c.json"))
    with pytest.raises(InputError, match=r"the baseline is named c, as .* is"):
        compare(files, LONGEST, baseline=other)


@pytest.mark.parametrize("protocol", list(Protocol))
def test_swapped_candidates_mirror_everything(
    files: dict[str, str], tmp_path: Path, protocol: Protocol
) -> None:
    two = {"a": files["a"], "b": files["b"]}
    one = run(tmp_path, {"responses": two, "protocol": protocol}, name="random")
    other = run(
        tmp_path, {"responses": dict(reversed(two.items())), "protocol": protocol}, name="random"
    )
    assert one["win:a:b"] == other["lose:b:a"] > 0
    assert one["tie:a:b"] == other["tie:b:a"] > 0
    assert one["win_rate:a:b"] == pytest.approx(1 - other["win_rate:b:a"], abs=1e-15)
    assert one["win_rate:a:b_ci_low"] == pytest.approx(1 - other["win_rate:b:a_ci_high"])
    assert one["win_rate:a:b_stderr"] == pytest.approx(other["win_rate:b:a_stderr"])


def test_a_system_against_itself(files: dict[str, str]) -> None:
    found = compare({"one": files["a"], "same": files["a"]}, LONGEST)
    (row,) = found.models.rows
    assert row["win_rate"] == 0.5
    assert (row["p_value"], row["significant"]) == (1.0, False)
    assert all((r["best_rank"], r["worst_rank"]) == (1, 2) for r in found.models.ranking)


def test_samples_hold_a_verdict_once(files: dict[str, str], tmp_path: Path) -> None:
    run(tmp_path, {"responses": files})
    (samples,) = tmp_path.rglob("samples_*.jsonl")
    line = json.loads(samples.read_text().splitlines()[0])
    assert line["verdict"] in ("first", "second", "tie")
    assert not [key for key in line if ":" in key]
    (found,) = read_runs([samples])
    assert found.judgments is not None
    assert len(found.judgments) == 3 * COUNT


def test_the_table_of_a_run(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = run(tmp_path, {"responses": files})
    assert main(["redact", str(tmp_path / "out0"), "-o", str(tmp_path / "red")]) == 0
    tables = []
    for source in ("out0", "red"):
        capsys.readouterr()
        assert main(["table", str(tmp_path / source), "--kind", "models", "--format", "json"]) == 0
        tables.append(json.loads(capsys.readouterr().out))
    assert tables[0] == tables[1]
    rows = {(row["a"], row["b"]): row for row in tables[0]["rows"]}
    assert list(rows) == [("a", "b"), ("a", "c"), ("b", "c")]
    for (a, b), row in rows.items():
        assert (row["win"], row["tie"], row["lose"]) == expected(files, a, b)
        assert row["n"] == COUNT
        assert row["win_rate"] == figures[f"win_rate:{a}:{b}"]
        assert row["p_adjusted"] >= row["p_value"]
    assert tables[0]["ranking"][0]["candidate"] == "c"
    for format in ("markdown", "latex", "csv"):
        arguments = ["table", str(tmp_path / "red"), "--kind", "models", "--format", format]
        assert main(arguments) == 0
        assert "c" in capsys.readouterr().out


def test_a_limited_run_is_said(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, {"responses": files}, "--limit", "9")
    assert main(["redact", str(tmp_path / "out0"), "-o", str(tmp_path / "red")]) == 0
    for source in ("out0", "red"):
        table = ModelsTable.of(read_runs([tmp_path / source]))
        assert {(row["n_judged"], row["n_whole"]) for row in table.rows} == {(9, 3 * COUNT)}
        assert table.notes[0] == (
            "Limited (--limit or --samples): rule:longest (verdict, pandalm-compare) 9 of 120 "
            "pairs."
        )


def test_nothing_readable_is_undefined_and_bounded(tmp_path: Path, files: dict[str, str]) -> None:
    recorded = []
    for n in range(COUNT):
        from pandalm_eval.instructions import Prompt

        id = f"{Prompt(f'prompt {n}', '').id}:a:b"
        recorded += [
            {"id": id, "order": order, "verdict": None} for order in ("forward", "swapped")
        ]
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps(recorded))
    code = main(
        [
            *("run", "--model", "recorded", "--model_args", f"path={path}"),
            *("--tasks", "pandalm-compare", "--output_path", str(tmp_path / "none")),
            *("--metadata", json.dumps({"responses": {k: files[k] for k in "ab"}})),
        ]
    )
    assert code == 0
    (results,) = (tmp_path / "none").rglob("results_*.json")
    figures = json.loads(results.read_text())["results"]["pandalm-compare"]
    assert figures["invalid:a:b,none"] == COUNT
    assert figures["win_rate:a:b,none"] == "N/A"
    assert figures["win_rate_low:a:b,none"] == 0
    assert figures["win_rate_high:a:b,none"] == 1


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ({}, UsageError, "needs response files"),
        ({"responses": "{a}"}, UsageError, "only a"),
        ({"responses": {"a": "{a}", "b": "{b}"}, "baseline": "zz"}, UsageError, "nor|neither"),
        ({"responses": {"a": "{a}", "b": "{short}"}}, InputError, "no answer to 39 prompts"),
        ({"responses": {"a": "{a}", "b": "{b}"}, "join": "outer"}, UsageError, "exact, intersect"),
        ({"responses": 5}, UsageError, "told as a text, a list of texts"),
        ({"responses": {"a": 5}}, UsageError, "told as a text, a list of texts"),
    ],
)
def test_what_is_wrong_is_said_before_work(
    files: dict[str, str],
    write: Write,
    metadata: dict[str, Any],
    error: type[Exception],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = str(write(answers("s", [3]), "short.json"))

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        return {"{a}": files["a"], "{b}": files["b"], "{short}": short}.get(value, value)

    arguments = ["run", "--model", "rule", "--model_args", "name=longest"]
    told = json.dumps(filled(metadata))
    code = main([*arguments, "--tasks", "pandalm-compare", "--metadata", told])
    assert code == error("").exit_code  # type: ignore[attr-defined]
    import re

    assert re.search(message, capsys.readouterr().err)


# --- human labels of some pairs --------------------------------------------------------------


def labelled(files: dict[str, str], prompts: Sequence[int], write: Write) -> str:
    """Labels of a against b by people who prefer the shorter answer, told for b and a."""
    one, two = (json.loads(Path(files[name]).read_text()) for name in "ab")
    records = []
    for n in prompts:
        first, second = (len(side[n]["response"]) for side in (two, one))
        label = "tie" if first == second else "first" if first < second else "second"
        records.append({"instruction": f"prompt {n}", "model1": "b", "model2": "a", "label": label})
    return str(write(records, "labels.json"))


def test_labels_correct_the_judge(files: dict[str, str], write: Write, tmp_path: Path) -> None:
    prompts = sorted(random.Random(5).sample(range(COUNT), 32))
    told = {"responses": files, "labels": labelled(files, prompts, write)}
    figures = run(tmp_path, told)
    (found,) = read_runs([tmp_path / "out0"])
    assert found.name.gold_source == "labels"
    rows = {(row["a"], row["b"]): row for row in ModelsTable.of([found]).rows}
    row = rows["a", "b"]
    # People say the opposite of the judge, so by them a wins as often as the judge says b does.
    of_labelled = json.loads(Path(told["labels"]).read_text())
    wins = {"first": 0.0, "second": 1.0, "tie": 0.5}
    classical = sum(wins[record["label"]] for record in of_labelled) / len(prompts)
    assert row["human_win_rate"] == pytest.approx(classical)
    assert row["labelled_prompts"] == 32
    assert row["corrected_win_rate_ci_low"] < classical < row["corrected_win_rate_ci_high"]
    assert figures["win_rate_corrected:a:b"] == row["corrected_win_rate"]
    assert figures["win_rate_human:a:b_ci_low"] == row["human_win_rate_ci_low"]
    assert rows["a", "c"]["correction_reason"] == "no labels"
    assert figures["win_rate_corrected:a:c"] == "N/A"
    # Agreement with the labels is of the labelled pairs alone.
    (agreement, *_) = JudgesTable.of([found]).rows
    assert (agreement["n_pairs"], agreement["n_prompts"]) == (32, 32)
    text = render(ModelsTable.of([found]), "markdown")
    assert "| by people" in text
    assert "| 32 of 40" in text


@pytest.mark.parametrize(
    ("prompts", "message"),
    [(range(10), "10 prompts have a human label"), (range(30), "stand together")],
)
def test_labels_that_cannot_correct_are_refused_before_work(
    write: Write, prompts: Sequence[int], message: str
) -> None:
    many = [str(write(answers(n, [len(n) + i % 7 for i in range(400)]), f"{n}.json")) for n in "ab"]
    told = {
        "responses": many,
        "labels": labelled(dict(zip("ab", many, strict=True)), prompts, write),
    }
    with pytest.raises(InputError, match=f"labels.json: a against b: .*{message}"):
        compare(many, LONGEST, labels=told["labels"])


def test_outcomes_are_told_from_either_side(files: dict[str, str]) -> None:
    found = compare({name: files[name] for name in "ab"}, LONGEST)
    outcomes = Outcomes.of(found.run.judgments or (), Protocol.VERDICT)
    straight, turned = outcomes.contest(0, 1), outcomes.contest(1, 0)
    assert straight.counts()["win"] == turned.counts()["lose"]
    assert (straight.score + turned.score == 1).all()
    assert (straight.longer == -turned.longer).all()
    rate = straight.win_rate()
    assert rate == share(straight.score, straight.cluster)


def test_candidates_that_never_met_are_ranked_by_whom_both_met(files: dict[str, str]) -> None:
    # c writes at greater length than a and b, so by the longest answer it beats both baselines.
    found = compare(files, LONGEST, baseline="a")
    assert [(row["a"], row["b"]) for row in found.models.rows] == [("a", "b"), ("a", "c")]
    assert set(found.models.better) == {("c", "a"), ("c", "b")}
    ranks = {r["candidate"]: (r["best_rank"], r["worst_rank"]) for r in found.models.ranking}
    assert ranks == {"c": (1, 1), "a": (2, 3), "b": (2, 3)}
    outcomes = Outcomes.of(found.run.judgments or (), Protocol.VERDICT)
    differences, prompts = outcomes.by_common_opponents(1, 2)
    assert len(differences) == len(set(prompts.tolist())) == COUNT
    one, other = (outcomes.contest(n, 0).win_rate() for n in (1, 2))
    assert one is not None
    assert other is not None
    assert differences.mean() == pytest.approx(one.value - other.value)


# --- from Python ------------------------------------------------------------------------------


def test_three_lines_of_python(files: dict[str, str]) -> None:
    found = compare([files["a"], files["b"], files["c"]], LONGEST)
    assert isinstance(found, Comparison)
    win, tie, lose = expected(files, "a", "b")
    assert found.matrix().loc["a", "b"] == pytest.approx((win + tie / 2) / (win + tie + lose))
    assert found.matrix().loc["b", "a"] == pytest.approx(1 - found.matrix().loc["a", "b"])
    assert math.isnan(found.matrix().loc["a", "a"])
    assert len(found.frame) == 3 * COUNT
    assert set(found.frame["verdict"]) <= {"first", "second", "tie"}
    assert "| a " in found.table()
    assert str(found) == found.table()
    assert "<table" in found._repr_html_()
    with pytest.raises(UsageError, match="not one name"):
        compare("a", LONGEST)
    with pytest.raises(UsageError, match="two candidates are named a"):
        compare([files["a"], files["a"]], LONGEST)


def test_keys_are_those_of_the_contract(files: dict[str, str], tmp_path: Path) -> None:
    found = run(tmp_path, {"responses": {name: files[name] for name in "ab"}})
    keys = {key for key in found if ":" in key and not key.endswith("_stderr_stderr")}
    bare = {key for key in keys if not key.endswith(("_stderr", "_ci_low", "_ci_high"))}
    assert bare == {
        *("win:a:b", "tie:a:b", "lose:a:b", "invalid:a:b"),
        *("win_rate:a:b", "win_rate_low:a:b", "win_rate_high:a:b"),
    }
    assert {f"win_rate:a:b{suffix}" for suffix in SUFFIXES} <= keys
