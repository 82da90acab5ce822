"""Two processes give the figures of one, to the digit: only the documents are split."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import torch.multiprocessing
from conftest import Write
from lm_eval.api.instance import Instance
from test_task import evaluate

from pandalm_eval.models._processes import SplitLM
from pandalm_eval.models.rule import RuleJudge

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
