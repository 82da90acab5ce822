"""The benchmark of judging measures every way, and its report says what was asked and found."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import Write

ROOT = Path(__file__).resolve().parents[1]


def _benchmark(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module(name)


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return _benchmark("judging", monkeypatch)


def test_tokens_that_prompts_share_count_once(judging: ModuleType) -> None:
    rows = [[1, 2, 3, 9], [1, 2, 4], [1, 2, 3], [7]]
    assert sorted(judging.own_depths(rows)) == [0, 0, 1, 2, 2, 3]


def test_the_limit_counts_what_every_token_meets(
    judging: ModuleType, folders: dict[str, Path]
) -> None:
    judge = judging.HFJudge(str(folders["merged"]))
    pairs = judging.chosen(None, 1)
    tokens, unique, operations = judging.limit(judge, pairs)
    assert len({pair.prompt_id for pair in pairs}) == 1
    assert 0 < unique < tokens
    layer = judge.model.model.layers[0]
    weights = sum(one.numel() for one in layer.parameters()) * len(judge.model.model.layers)
    weights += judge.model.model.norm.weight.numel()
    assert operations > 2 * weights * unique
    assert operations < 2.2 * weights * unique + 4 * unique * 2048 * judge.model.config.hidden_size


def test_every_way_is_measured(judging: ModuleType, folders: dict[str, Path]) -> None:
    found = judging.measure(f"pretrained={folders['merged']},max_length=4096", prompts=1, repeats=1)
    ways = found["ways"]
    assert next(iter(ways)) == judging.UPSTREAM
    assert [way for way in ways if way.startswith("stock")] == [
        f"{name}, batch {rows}" for rows in judging.STOCK_ROWS for name in judging.STOCK
    ]
    assert set(judging.OURS) <= set(ways)
    assert all(one["s_a_pair"] > 0 and one["share_of_limit"] > 0 for one in ways.values())
    assert ways["`pandalm_human`"]["new_tokens_a_pair"] > 2
    rows = [line for line in judging.markdown(found).splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(ways)
    json.dumps(found)


def test_the_report_sets_what_was_found_beside_what_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = _benchmark("bench", monkeypatch)
    way = {"orders": 2, "s_a_pair_span": [1.0, 1.0], "new_tokens_a_pair": None}
    names = [bench.judging.UPSTREAM, *(f"{kind}, batch 1" for kind in bench.judging.STOCK)]
    seconds = dict(zip([*names, bench.VERDICT], (60.0, 3.0, 4.0, 2.0), strict=True))
    record = {"wall": 12.0, "cpu": 10.0, "peak": 500.0}
    found: dict[str, Any] = {
        "judging": {
            "ways": {
                name: way | {"s_a_pair": each, "share_of_limit": 1 / each}
                for name, each in seconds.items()
            }
        },
        "without_model": [
            {"what": "table --help", "count": 0, **record},
            {"what": "run: pandalm-pairs, rule", "count": 999, **record},
            {"what": "harness: stock task, dummy", "count": 999, **record, "wall": 11.5},
        ],
        "training": {"ratio": 2.0},
        "searching": [{"readings": 800.0}, {"readings": 100.0}, {"readings": 100.0}],
    }
    told = {what: measured for what, _, measured in bench.targets(found)}
    assert told["verdict protocol, by upstream's way"] == "30.0"
    assert told["by stock short generation"] == "1.50"
    assert told["by stock multiple choice"] == "2.00"
    assert told["our part of it beyond a stock task's run"] == "0.5 s"
    assert told["not the model, of a run over 999 pairs"] == f"{100 * 12 / (12 + 1998):.1f}%"
    assert told["readings of `adaptive`, by the paper's strategy"] == "1/8.0"


def test_a_pair_is_an_example_to_learn(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    bench = _benchmark("bench", monkeypatch)
    from train_judge.examples import stream_examples

    pairs = bench.judging.chosen(None, 2)
    path = write("\n".join(map(bench.example, pairs)), name="examples.jsonl")
    learnt = list(stream_examples(path))
    assert [one.verdict for one in learnt] == [pair.gold for pair in pairs]
