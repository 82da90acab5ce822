"""`--use_cache` under our command: what it answers, never shares, and keeps when killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Write
from lm_eval.api.instance import Instance
from test_task import Listener, evaluate, figures

from pandalm_eval import models
from pandalm_eval.errors import InputError
from pandalm_eval.models.text import JudgeText
from pandalm_eval.store import _BATCH, Store, StoredJudge, installed

RULE = {"model": "rule", "model_args": {"name": "longest"}}
PAIRS = _BATCH  # two requests a pair: two batches of the store


@pytest.fixture(autouse=True, scope="module")
def _registered() -> None:
    models.register()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "answers"


def run(
    data: Path,
    file: Path,
    judge: Listener,
    task: str = "pandalm_human",
    fingerprint: dict[str, Any] = RULE,
    **metadata: Any,
) -> dict[str, Any]:
    with installed(fingerprint):
        told = evaluate(task, {"data_dir": str(data)} | metadata, judge=judge, use_cache=str(file))
    return figures(told, task)


@pytest.mark.parametrize("task", ["pandalm_human", "pandalm_human_logprob"])
def test_second_run_does_not_ask(small_data: Path, file: Path, task: str) -> None:
    first, second = Listener(), Listener()
    told = run(small_data, file, first, task)
    assert first.asked
    assert run(small_data, file, second, task) == told
    assert second.asked == []


def test_harness_gets_its_own_cache_back() -> None:
    import lm_eval.api.model as harness

    before = harness.CachingLM
    with installed(RULE):
        assert harness.CachingLM is not before
    assert harness.CachingLM is before


@pytest.mark.parametrize(
    "other",
    [
        {"model": "rule", "model_args": {"name": "tie"}},
        {"model": "recorded", "model_args": {"name": "longest"}},
        {"model": "rule", "model_args": {"name": "longest", "seed": 1}},
        {"model": "hf", "model_args": {"pretrained": "a", "revision": "b"}},
    ],
)
def test_another_judge_never_shares(small_data: Path, file: Path, other: dict[str, Any]) -> None:
    run(small_data, file, Listener("first"))
    judge = Listener("tie")
    told = run(small_data, file, judge, fingerprint=other)
    assert len(judge.asked) == 24
    assert told["acc"] == pytest.approx(2 / 12)  # the ties, rows 2 and 8


def test_another_request_never_shares(small_data: Path, file: Path) -> None:
    """Another protocol has other generation arguments; rows with equal texts have other ids."""
    first, second = Listener(), Listener()
    run(small_data, file, first)
    assert len({str(request.args) for request in first.asked}) < len(first.asked) == 24
    run(small_data, file, second, "pandalm_human_verdict")
    assert len(second.asked) == 24


def test_a_limited_run_grows(small_data: Path, file: Path) -> None:
    with installed(RULE):
        evaluate(
            "pandalm_human",
            {"data_dir": str(small_data)},
            judge=Listener(),
            use_cache=str(file),
            limit=5,
        )
    judge = Listener()
    run(small_data, file, judge)
    assert len(judge.asked) == 14


class Failing(Listener):
    """Fails on the requests of one pair."""

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.asked += requests
        return [
            JudgeText("", finish="error") if r.doc["id"] == "4" else JudgeText("1", finish="stop")
            for r in requests
        ]


def test_failures_are_asked_again(small_data: Path, file: Path) -> None:
    told = run(small_data, file, Failing())
    assert told["invalid_rate"] == pytest.approx(1 / 12)
    judge = Listener()
    assert run(small_data, file, judge)["invalid_rate"] == 0
    assert [(request.doc["id"], request.idx) for request in judge.asked] in (
        [("4", 0), ("4", 1)],
        [("4", 1), ("4", 0)],
    )


def test_what_a_judge_says_of_its_text_is_kept(file: Path) -> None:
    said = JudgeText("1 \ud83d ☔\n", finish="length", seconds=0.25, new_tokens=7)

    class Judge:
        rank = 0

        def generate_until(self, requests: list[Instance]) -> list[JudgeText]:
            return [said for _ in requests]

    request = Instance("generate_until", {"id": "0"}, ("prompt", {}), 0)
    for _ in range(2):
        (again,) = StoredJudge(RULE, Judge(), f"{file}_rank0.db").generate_until([request])
        assert (again, again.finish, again.seconds, again.new_tokens) == (said, "length", 0.25, 7)


def test_equal_requests_are_asked_once(file: Path) -> None:
    """The harness pads ranks with copies of a request."""
    judge = Listener()
    doc = {"id": "0", "text_hash": "x", "response1": "a", "response2": ""}
    request = Instance("generate_until", doc, ("prompt", {}), 0, ("t", 0, 1))
    answers = StoredJudge(RULE, judge, f"{file}_rank0.db").generate_until([request] * 3)
    assert answers == ["1"] * 3
    assert len(judge.asked) == 1


def test_everything_else_is_the_judges_own(file: Path) -> None:
    judge = Listener()
    stored = StoredJudge(RULE, judge, f"{file}_rank0.db")
    assert stored.tokenizer_name == "listener"
    assert (stored.rank, stored.world_size) == (0, 1)
    assert file.is_file()  # one file for all ranks, named as the user did


def test_no_pickle_in_the_file(small_data: Path, file: Path) -> None:
    run(small_data, file, Listener())
    assert b"pickle" not in file.read_bytes()
    key_value = Store(file)._db.execute("SELECT value FROM answers LIMIT 1").fetchone()
    assert set(json.loads(key_value[0])) == {"text", "finish", "seconds", "new_tokens"}


@pytest.mark.parametrize("content", ["these are notes, not a store" * 50, b"\x80\x04\x95" * 400])
def test_other_file_is_refused(small_data: Path, write: Write, content: str | bytes) -> None:
    path = write(content, "notes.txt")
    before = path.read_bytes()
    judge = Listener()
    with pytest.raises(InputError, match=r"notes\.txt: is no store of ours"):
        run(small_data, path, judge)
    assert judge.asked == []
    assert path.read_bytes() == before


def test_folder_in_the_way_is_refused(small_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Name another file"):
        run(small_data, tmp_path, Listener())


# Several processes ---------------------------------------------------------------------------


class Mortal(Listener):
    """Is killed when it is asked for the n-th batch; 0 is never."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self._left = batch

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().generate_until(requests)


def judge_pairs(pairs: str, file: str, batch: int = 0) -> dict[str, Any]:
    judge = Mortal(batch)
    with installed(RULE):
        told = evaluate("pandalm-pairs", {"pairs": pairs}, judge=judge, use_cache=file)
    return {"asked": len(judge.asked), "figures": figures(told, "pandalm-pairs")}


def start(pairs: Path, file: Path, batch: int = 0) -> subprocess.Popen[str]:
    code = (
        "import json, sys, test_store\n"
        "from pandalm_eval import models\n"
        "models.register()\n"
        "told = test_store.judge_pairs(sys.argv[1], sys.argv[2], int(sys.argv[3]))\n"
        "print(json.dumps(told))"
    )
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests), str(tests.parent)])
    return subprocess.Popen(
        [sys.executable, "-c", code, str(pairs), str(file), str(batch)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    told: dict[str, Any] = json.loads(out)
    return told


@pytest.fixture
def pairs(write: Write) -> Path:
    return write(
        [
            {"instruction": f"Do {i // 3}.", "response1": "a" * (i % 5), "response2": "bb"}
            | {"label": i % 3}
            for i in range(PAIRS)
        ]
    )


def test_killed_run_resumes(pairs: Path, file: Path, tmp_path: Path) -> None:
    killed = start(pairs, file, batch=2)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    resumed = judge_pairs(str(pairs), str(file))
    whole = judge_pairs(str(pairs), str(tmp_path / "fresh"))
    assert (resumed["asked"], whole["asked"]) == (_BATCH, 2 * PAIRS)
    assert resumed["figures"] == whole["figures"]


def test_two_processes_at_once(pairs: Path, file: Path) -> None:
    first, second = [answer(p) for p in [start(pairs, file), start(pairs, file)]]
    assert first["figures"] == second["figures"]
    assert judge_pairs(str(pairs), str(file)) == {"asked": 0, "figures": first["figures"]}
