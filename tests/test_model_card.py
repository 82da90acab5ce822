"""A judge's block for its model card: what we write, `huggingface_hub` reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pandalm_eval.cli import main
from pandalm_eval.errors import InputError
from pandalm_eval.model_card import card
from pandalm_eval.results import read_runs

RESULTS = Path(__file__).resolve().parents[1] / "results"
Capture = pytest.CaptureFixture[str]


def parsed(text: str) -> Any:
    from huggingface_hub import ModelCard

    return ModelCard(f"{text}\n# A judge\n", ignore_metadata_errors=False).data


def test_the_hub_reads_it_back(capsys: Capture) -> None:
    words = [str(RESULTS / "human"), "--model_card", "--judge", "SmolLM2-135M-Instruct"]
    assert main(["cite", *words]) == 0
    data = parsed(capsys.readouterr().out)
    assert data.model_name == "SmolLM2-135M-Instruct"
    found = {
        (result.dataset_config, result.metric_type, result.metric_name): result
        for result in data.eval_results
    }
    runs = read_runs([RESULTS / "human"])
    for run in runs:
        if run.name.judge != "SmolLM2-135M-Instruct":
            continue
        way = f"{run.name.protocol}, pandalm, greedy, gold human"
        accuracy = found[way, "accuracy", "Accuracy against gold"]
        assert accuracy.metric_value == run.figures["acc"]
        assert accuracy.metric_args == {
            "ci_low": run.figures["acc_ci_low"],
            "ci_high": run.figures["acc_ci_high"],
        }
        assert accuracy.dataset_type == "pandalm_human"
        assert accuracy.dataset_args["n_pairs"] == 999
        macro = found[way, "f1", "Macro F1"]
        assert macro.metric_args["average"] == "macro"
    # Undefined under the verdict protocol, as every reading is invalid.
    assert ("verdict, pandalm, greedy, gold human", "position_consistency") not in {
        key[:2] for key in found
    }


def test_a_limited_run_says_so() -> None:
    runs = read_runs([RESULTS / "key/judgments_pandalm_lsat_Qwen2.5-Coder-0.5B-Instruct.jsonl"])
    names = {result.task_name for result in parsed(card(runs)).eval_results}
    assert names == {"Pairwise judging, logprob protocol, 200 of 1009 pairs"}


def test_nothing_without_gold() -> None:
    runs = read_runs([RESULTS / "end_to_end"])
    with pytest.raises(InputError, match="no run has a gold label"):
        card(runs)
