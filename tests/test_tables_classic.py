"""`table --kind classic`: two tunings on the harness's classic tasks, from files it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pandalm_eval.classic_runs import METRICS, read_tunings
from pandalm_eval.cli import main
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.squad import token_f1
from pandalm_eval.statistics.paired import holm
from pandalm_eval.tables.classic import ClassicTable
from pandalm_eval.tables.render import render

TIME = "2026-01-01T00-00-00.0"
Sample = dict[str, Any]


def sample(number: int, **values: Any) -> Sample:
    return {
        "doc_id": number,
        "doc": {"context": f"passage {number // 2}"},
        "doc_hash": f"d{number}",
        "prompt_hash": f"p{number}",
        "filter": "none",
        **values,
    }


def squad_sample(number: int, told: str, *accepted: str) -> Sample:
    both = [{"prediction_text": told}, {"answers": {"text": list(accepted)}}]
    return sample(number, exact=both, f1=both)


def result(
    folder: Path,
    name: str,
    tasks: dict[str, list[Sample] | float],
    groups: Any = None,
    wholes: dict[str, int] | None = None,
) -> Path:
    """A run's files: samples, or the figure alone."""
    path = folder / name / f"results_{TIME}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, dict[str, float]] = {}
    for task, told in tasks.items():
        metric = METRICS.get(task, "acc")
        if isinstance(told, float):
            figures[task] = {f"{metric},none": told}
            continue
        figures[task] = {f"{metric},none": 0.123}
        lines = "".join(f"{json.dumps(line)}\n" for line in told)
        (path.parent / f"samples_{task}_{TIME}.jsonl").write_text(lines)
    data = {
        "results": figures,
        "configs": {task: {} for task in tasks},
        "config": {"model": "hf", "model_args": {"pretrained": f"models/{name}"}},
        "group_subtasks": groups or {},
        "n-samples": {
            task: {"effective": len(told), "original": (wholes or {}).get(task, len(told))}
            for task, told in tasks.items()
            if not isinstance(told, float)
        },
    }
    path.write_text(json.dumps(data))
    return path.parent


def arc(*right: int) -> list[Sample]:
    return [sample(number, acc=0.0, acc_norm=float(value)) for number, value in enumerate(right)]


def table(*folders: Path) -> ClassicTable:
    return ClassicTable.of(read_tunings(folders))


def row(found: ClassicTable, task: str) -> dict[str, Any]:
    (own,) = [row for row in found.rows if row["task"] == task]
    return own


def test_paired_test(tmp_path: Path) -> None:
    a = result(tmp_path, "tuned", {"arc_challenge": arc(1, 1, 1, 1, 1, 0, 1, 0)})
    b = result(tmp_path, "plain", {"arc_challenge": arc(0, 0, 0, 0, 0, 1, 1, 0)})
    found = row(table(a, b), "arc_challenge")
    assert (found["a"], found["b"], found["metric"]) == ("tuned", "plain", "acc_norm")
    assert (found["value_a"], found["value_b"], found["difference"]) == (6 / 8, 2 / 8, 4 / 8)
    # 5 against 1: two-sided exact, 2 · (C(6,0) + C(6,1)) / 2⁶ = 14 / 64.
    assert found["p_value"] == pytest.approx(14 / 64)
    assert (found["n"], found["n_clusters"]) == (8, 8)
    assert found["difference_ci_low"] < 4 / 8 < found["difference_ci_high"]


def test_p_values_are_corrected_for_the_tasks_tested(tmp_path: Path) -> None:
    wins, even = arc(*[1] * 6), arc(1, 0, 1, 0, 1, 0)
    a = result(tmp_path, "a", {"arc_challenge": wins, "hellaswag": wins})
    b = result(tmp_path, "b", {"arc_challenge": arc(*[0] * 6), "hellaswag": even})
    found = table(a, b)
    told = [row(found, task) for task in ("arc_challenge", "hellaswag")]
    assert [r["p_value"] for r in told] == pytest.approx([2 / 64, 2 / 8])
    adjusted = holm(np.array([2 / 64, 2 / 8])).tolist()
    assert [r["p_adjusted"] for r in told] == pytest.approx(adjusted)


def test_items_that_one_did_not_answer(tmp_path: Path) -> None:
    a = result(tmp_path, "a", {"arc_challenge": arc(1, 1, 0, 1)})
    b = result(tmp_path, "b", {"arc_challenge": arc(1, 0)})
    found = table(a, b)
    own = row(found, "arc_challenge")
    assert (own["n"], own["value_a"], own["value_b"]) == (2, 1, 1 / 2)
    assert "arc_challenge: 2 items only a answered are left out." in found.notes


def test_items_are_matched_by_document(tmp_path: Path) -> None:
    """Another dataset revision under the same numbers is no common item."""
    moved = [line | {"doc_hash": f"x{line['doc_id']}"} for line in arc(1, 1)]
    a = result(tmp_path, "a", {"arc_challenge": arc(1, 1)})
    b = result(tmp_path, "b", {"arc_challenge": moved})
    found = table(a, b)
    assert row(found, "arc_challenge")["p_value"] is None
    assert {note for note in found.notes if "arc_challenge" in note} == {
        "arc_challenge: 2 items only a answered are left out.",
        "arc_challenge: 2 items only b answered are left out.",
    }


def test_other_prompts_are_said(tmp_path: Path) -> None:
    few_shot = [line | {"prompt_hash": "other"} for line in arc(1, 0)]
    a = result(tmp_path, "a", {"arc_challenge": arc(1, 1)})
    b = result(tmp_path, "b", {"arc_challenge": few_shot})
    assert "arc_challenge: 2 of 2 items were asked in different words." in table(a, b).notes


def test_what_is_missing(tmp_path: Path) -> None:
    a = result(tmp_path, "a", {"arc_challenge": arc(1), "cb": 0.5, "squadv2": 61.5})
    b = result(tmp_path, "b", {"cb": [sample(0, acc=1.0)]})
    found = table(a, b)
    assert (row(found, "cb")["value_a"], row(found, "cb")["p_value"]) == (0.5, None)
    assert row(found, "squadv2")["value_a"] == 0.615  # the harness prints it from 0 to 100
    assert "arc_challenge: no result of b." in found.notes
    assert "cb: no samples of a (--log_samples), so it is printed but not tested." in found.notes
    assert {"mmlu: no result of a.", "mmlu: no result of b."} <= set(found.notes)
    json.loads(render(found, "json"))
    assert "| .5000 |" in " ".join(render(found, "markdown").split())


def test_mmlu_is_one_row(tmp_path: Path) -> None:
    groups = {
        "mmlu": ["mmlu_stem", "mmlu_other"],
        "mmlu_stem": ["mmlu_anatomy", "mmlu_astronomy"],
        "mmlu_other": ["mmlu_virology"],
    }
    leaves = ("mmlu_anatomy", "mmlu_astronomy", "mmlu_virology")
    folders = [
        result(
            tmp_path, name, {leaf: [sample(i, acc=value)] for i, leaf in enumerate(leaves)}, groups
        )
        for name, value in (("a", 1.0), ("b", 0.0))
    ]
    own = row(table(*folders), "mmlu")
    assert (own["n"], own["difference"]) == (3, 1)
    assert own["p_value"] == pytest.approx(2 / 2**3)


def test_limited_runs_are_said(tmp_path: Path) -> None:
    """Two of ten items; of mmlu two leaves, 1 of 1 and 1 of 3: 2 of 4."""
    groups = {"mmlu": ["mmlu_a", "mmlu_b"]}
    tasks = {"arc_challenge": arc(1, 0), "mmlu_a": [sample(0, acc=1)], "mmlu_b": [sample(0, acc=1)]}
    wholes = {"arc_challenge": 10, "mmlu_b": 3}
    a = result(tmp_path, "a", dict(tasks), groups, wholes)
    b = result(tmp_path, "b", dict(tasks), groups)
    found = table(a, b)
    assert [note for note in found.notes if "limited" in note] == [
        "arc_challenge: limited (--limit or --samples), a 2 of 10 items.",
        "mmlu: limited (--limit or --samples), a 2 of 4 items.",
    ]
    assert row(found, "arc_challenge")["n_whole"] == 10
    assert row(found, "mmlu")["n_whole"] == 4
    assert not any("limited" in note for note in table(b, a.parent / "b").notes)


def test_squad_is_scored_by_item_and_clustered_by_passage(tmp_path: Path) -> None:
    a = result(
        tmp_path,
        "a",
        {
            "squadv2": [
                squad_sample(0, "in Paris", "Paris"),
                squad_sample(1, ""),
                squad_sample(2, "x"),
            ]
        },
    )
    b = result(
        tmp_path,
        "b",
        {"squadv2": [squad_sample(0, "Rome", "Paris"), squad_sample(1, ""), squad_sample(2, "")]},
    )
    own = row(table(a, b), "squadv2")
    assert (own["n"], own["n_clusters"]) == (3, 2)
    assert own["value_a"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert own["value_b"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("told", "accepted", "f1"),
    [
        ("The Norman Conquest!", ["norman conquest"], 1),
        ("Norman", ["norman conquest", "the Normans"], 2 / 3),
        ("a an the", [], 1),  # nothing is left, and nothing was wanted
        ("something", [], 0),
        ("", ["something"], 0),
        ("to be or to be", ["to be"], 4 / 7),  # common 2: 2 · 2 / (5 + 2)
    ],
)
def test_token_f1(told: str, accepted: list[str], f1: float) -> None:
    assert token_f1(told, accepted) == pytest.approx(f1)


def test_runs_of_one_model_are_one_tuning(tmp_path: Path) -> None:
    result(tmp_path, "both/a", {"cb": [sample(0, acc=1.0)]})
    result(tmp_path, "both/again/a", {"wsc": [sample(0, acc=1.0)]})
    b = result(tmp_path, "b", {"cb": [sample(0, acc=1.0)]})
    found = table(tmp_path / "both", b)
    assert {row(found, "cb")["a"], row(found, "wsc")["a"]} == {"a"}
    result(tmp_path, "both/third/a", {"wsc": [sample(0, acc=1.0)]})
    with pytest.raises(InputError, match="wsc was run twice with this model below"):
        table(tmp_path / "both", b)


def test_tunings_of_one_name_are_told_apart(tmp_path: Path) -> None:
    one = result(tmp_path, "one/checkpoint", {"cb": [sample(0, acc=1.0)]})
    two = result(tmp_path, "two/checkpoint", {"cb": [sample(0, acc=0.0)]})
    own = row(table(one, two), "cb")
    assert (own["a"], own["b"]) == ("checkpoint", "checkpoint (2)")


def test_two_are_needed(tmp_path: Path) -> None:
    a = result(tmp_path, "a", {"cb": 0.5})
    with pytest.raises(UsageError, match=r"but there are 1: a\. Name the results of two"):
        table(a)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ({"gsm8k": 0.5}, "holds no result of a classic task (arc_challenge, cb"),
        ({"cb": [sample(0)]}, "line 1 is no sample of cb with acc (KeyError('acc'))"),
        ({"squadv2": [sample(0, f1=0.5)]}, "line 1 is no sample of squadv2 with f1"),
    ],
)
def test_bad_results(tmp_path: Path, tasks: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        read_tunings([result(tmp_path, "a", tasks)])
    assert said in str(error.value)
    with pytest.raises(InputError, match="no such file or folder"):
        read_tunings([tmp_path / "nowhere"])


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(result(tmp_path, name, {"cb": [sample(0, acc=1.0)]})) for name in ("a", "b")]
    for format in ("markdown", "csv", "latex", "json"):
        assert main(["table", *folders, "--kind", "classic", "--format", format]) == 0
        assert "cb" in capsys.readouterr().out
    assert main(["table", folders[0], "--kind", "classic"]) == 2
