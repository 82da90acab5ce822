"""How documents are split over processes; two of them give the figures of one, to the digit."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch.multiprocessing
from conftest import Write
from lm_eval.api.instance import Instance
from test_task import HUMAN, evaluate, manager

from pandalm_eval.errors import UsageError
from pandalm_eval.models._processes import SplitLM
from pandalm_eval.models.rule import RuleJudge
from pandalm_eval.task import PairwiseJudge

TASKS = ["pandalm_human_single", "pandalm_human_logprob"]


class SplitRule(RuleJudge, SplitLM):
    """A rule that takes part in a process group; scores are soft, so that digits matter."""

    def __init__(self) -> None:
        super().__init__("random", seed=3)
        self._join("cpu")
        self.answered = 0

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.answered += len(requests)
        return super().generate_until(requests)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        self.answered += len(requests)
        return [(-1.0 - (int(r.doc["id"]) * 7 + r.idx * 3) % 11 / 10, False) for r in requests]


def run(data: str) -> dict[str, Any]:
    judge = SplitRule()
    result = evaluate(TASKS, {"data_dir": data}, judge=judge)
    ids = {t: [s["doc"]["id"] for s in result["samples"][t]] for t in TASKS}
    return {"figures": result["results"], "ids": ids, "answered": judge.answered}


def take_part(rank: int, port: int, data: str, answer: str) -> None:
    """One of two processes; the first writes what the run gave."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    try:
        told = run(data)
    except AssertionError:  # the harness gives the result to the first process alone
        if rank == 0:
            raise
    else:
        Path(answer).write_text(json.dumps(told), encoding="utf-8")
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_figures_of_one(
    write: Write, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    # An odd number, and prompts mixed: the first process meets them in another order.
    mixed = [rows[i] for i in (0, 3, 6, 8, 10, 1, 4, 7, 9, 11, 2)]
    data = write(mixed, "data/pandalm/testset-v1.json").parents[1]
    one = run(str(data))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    answer = tmp_path / "two.json"
    torch.multiprocessing.spawn(take_part, (port, str(data), str(answer)), nprocs=2)
    two = json.loads(answer.read_text("utf-8"))
    assert two["figures"] == json.loads(json.dumps(one["figures"]))
    assert two["answered"] < one["answered"]  # the work was really split
    for task in TASKS:
        assert sorted(two["ids"][task]) == sorted(one["ids"][task])
        assert two["ids"][task] != one["ids"][task]  # gathered rank by rank


@pytest.mark.parametrize("limit", [None, 2])
def test_fewer_documents_than_processes(small_data: Path, limit: int | None) -> None:
    task = manager({"data_dir": str(small_data)}).load([HUMAN])["tasks"][HUMAN]
    count = limit or 12
    with pytest.raises(UsageError, match=f"{count} documents cannot be split over 99 processes"):
        task.build_all_requests(world_size=99, limit=limit)


@pytest.mark.parametrize("world_size", [1, 3, 5])
def test_documents_of_a_prompt_stay_in_one_process(write: Write, world_size: int) -> None:
    prompts = [number // 4 if number < 16 else number for number in range(24)]  # 4 of 4, 8 alone
    rows = [
        {"instruction": f"do {prompt}", "response1": str(number), "response2": "b", "label": 1}
        for number, prompt in enumerate(prompts)
    ]
    task = _pairs_task(write(rows))
    parts = [
        list(task.doc_iterator(rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    assert sorted(number for part in parts for number, _ in part) == list(range(24))
    assert all(doc["index"] == number for part in parts for number, doc in part)
    owners = {doc["instruction"]: rank for rank, part in enumerate(parts) for _, doc in part}
    assert all(
        owners[doc["instruction"]] == rank for rank, part in enumerate(parts) for _, doc in part
    )
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_documents_of_few_prompts_are_dealt_out(write: Write) -> None:
    rows = [
        {"instruction": "same", "response1": str(number), "response2": "b", "label": 1}
        for number in range(6)
    ]
    task = _pairs_task(write(rows))
    parts = [[number for number, _ in task.doc_iterator(rank=r, world_size=4)] for r in range(4)]
    assert parts == [[0, 4], [1, 5], [2], [3]]


def _pairs_task(pairs: Path) -> PairwiseJudge:
    name = "pandalm-pairs"
    loaded: PairwiseJudge = manager({"pairs": str(pairs)}).load([name])["tasks"][name]
    return loaded
