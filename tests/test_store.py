"""`--use_cache` under our command: what it answers, never shares, and keeps when killed."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Write
from lm_eval.api.instance import Instance
from test_task import Listener, evaluate, figures

from pandalm_eval import models
from pandalm_eval.cli import main
from pandalm_eval.errors import InputError
from pandalm_eval.failures import is_failure
from pandalm_eval.models.text import JudgeText
from pandalm_eval.store import _CHUNK, Store, StoredJudge, installed

RULE = {"model": "rule", "model_args": {"name": "longest"}}
PAIRS = _CHUNK  # two requests a pair: two batches of the store


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


FORK = multiprocessing.get_context("fork")  # a real process without its seconds of imports


def start(pairs: Path, file: Path, batch: int = 0) -> tuple[Any, Any]:
    ours, theirs = FORK.Pipe(duplex=False)

    def work() -> None:
        theirs.send(judge_pairs(str(pairs), str(file), batch))

    process = FORK.Process(target=work)
    process.start()
    return process, ours


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
    killed, _ = start(pairs, file, batch=2)
    killed.join(timeout=120)
    assert killed.exitcode == -signal.SIGKILL
    resumed = judge_pairs(str(pairs), str(file))
    whole = judge_pairs(str(pairs), str(tmp_path / "fresh"))
    assert (resumed["asked"], whole["asked"]) == (_CHUNK, 2 * PAIRS)
    assert resumed["figures"] == whole["figures"]


def test_two_processes_at_once(pairs: Path, file: Path) -> None:
    started = [start(pairs, file) for _ in range(2)]
    first, second = [answers.recv() for _, answers in started]
    assert first["figures"] == second["figures"]
    assert judge_pairs(str(pairs), str(file)) == {"asked": 0, "figures": first["figures"]}


def test_many_processes_make_one_file(file: Path) -> None:
    """None meets a half-made store or gives up on another's lock."""

    def fill(number: int) -> None:
        store = Store(file)
        for i in range(20):
            store.put({f"{number} {i}": {"text": "1"}, "shared": {"text": str(number)}})

    workers = [FORK.Process(target=fill, args=(number,)) for number in range(12)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert [worker.exitcode for worker in workers] == [0] * 12
    keys = {f"{number} {i}" for number in range(12) for i in range(20)} | {"shared"}
    assert Store(file).get(keys).keys() == keys


# What the judge is handed, and when its answers are kept ----------------------------------------


def request(id: int, order: int, prompt: str) -> Instance:
    return Instance("generate_until", {"id": str(id)}, (prompt, {}), order, ("task", id, 1))


class Telling:
    """Tells each answer as soon as it has it, as the harness's backends do; fails at `until`."""

    rank = 0

    def __init__(self, until: int = 1_000_000) -> None:
        self.asked: list[list[Instance]] = []
        self._left = until

    def set_cache_hook(self, hook: Any) -> None:
        self._hook = hook

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.asked.append(requests)
        answers = []
        for one in requests:
            if self._left == 0:
                raise RuntimeError("a judge's bug")
            self._left -= 1
            answers.append(f"{len(answers)}: {one.args[0]}")
            self._hook.add_partial("generate_until", one.args, answers[-1])
        return answers


def test_an_answer_is_kept_as_soon_as_it_is_told(file: Path) -> None:
    requests = [request(i, 0, f"prompt {i}") for i in range(10)]
    with pytest.raises(RuntimeError, match="a judge's bug"):
        StoredJudge(RULE, Telling(until=7), f"{file}_rank0.db").generate_until(requests)
    second = Telling()
    answers = StoredJudge(RULE, second, f"{file}_rank0.db").generate_until(requests)
    assert [one.doc["id"] for one in second.asked[0]] == ["7", "8", "9"]
    assert [answer.split(": ")[1] for answer in answers] == [f"prompt {i}" for i in range(10)]


def test_one_prompt_of_two_documents(file: Path) -> None:
    """A judge that varies is asked for each of them; what it said stays theirs."""
    requests = [request(i, 0, "the same") for i in range(3)]
    told = StoredJudge(RULE, Telling(), f"{file}_rank0.db").generate_until(requests)
    assert sorted(told) == ["0: the same", "1: the same", "2: the same"]
    again = Telling()
    assert StoredJudge(RULE, again, f"{file}_rank0.db").generate_until(requests) == told
    assert again.asked == []


def test_a_documents_requests_stay_together(file: Path) -> None:
    """Both orders share their beginning, which the judge's engine computes once."""
    lengths = [(i * 7919) % 501 for i in range(_CHUNK)]
    requests = [
        request(i, order, "x" * (length + 40 * order))
        for order in (0, 1)
        for i, length in enumerate(lengths)
    ]
    judge = Telling()
    StoredJudge(RULE, judge, f"{file}_rank0.db").generate_until([*requests, request(999, 0, "")])
    assert [len(chunk) for chunk in judge.asked] == [_CHUNK, _CHUNK, 1]
    for chunk in judge.asked:
        ids = [one.doc["id"] for one in chunk]
        assert ids == sorted(ids, key=ids.index)
    longest = [max(len(one.args[0]) for one in chunk) for chunk in judge.asked]
    assert longest == sorted(longest, reverse=True)


def test_failures_are_never_stored(file: Path) -> None:
    class Failing(Telling):
        def generate_until(self, requests: list[Instance]) -> list[Any]:
            return [None, JudgeText("", finish="error"), JudgeText("", finish="stop")]

        def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
            return [(math.nan, False), (-math.inf, False), (-1.0, True)]

    stored = StoredJudge(RULE, Failing(), f"{file}_rank0.db")
    requests = [request(i, 0, f"prompt {i}") for i in range(3)]
    assert [is_failure(answer) for answer in stored.generate_until(requests)] == [True, True, False]
    assert [is_failure(answer) for answer in stored.loglikelihood(requests)] == [True, False, False]
    assert sqlite3.connect(file).execute("SELECT count(*) FROM answers").fetchone() == (3,)


# Which judge it is ---------------------------------------------------------------------------


def asks_again(file: Path, **changed: Any) -> bool:
    judge = Telling()
    told = {"model": "hf", "model_args": {}, "seed": [0]} | changed
    StoredJudge(told, judge, f"{file}_rank0.db").generate_until([request(0, 0, "prompt")])
    return judge.asked != []


@pytest.mark.parametrize("changed", [{"model": "vllm"}, {"model_args": {"a": 1}}, {"seed": [1]}])
def test_another_judge_is_asked(file: Path, changed: dict[str, Any]) -> None:
    assert [asks_again(file), asks_again(file), asks_again(file, **changed)] == [True, False, True]


def test_how_requests_are_sent_changes_no_answer(file: Path) -> None:
    assert asks_again(file, model_args={"timeout": 5, "pretrained": "x", "num_concurrent": 2})
    assert not asks_again(file, model_args={"pretrained": "x", "max_retries": 9, "batch_size": 3})


@pytest.mark.parametrize("argument", ["pretrained", "tokenizer", "peft"])
def test_other_content_under_the_same_path(tmp_path: Path, argument: str) -> None:
    """A folder trained on is another judge, though its path is the same; the store may be in it."""
    folder = tmp_path / "model"
    folder.mkdir()
    weights, file = folder / "model.safetensors", folder / "answers"
    weights.write_bytes(b"old weights")
    arguments = {argument: str(folder)}
    assert asks_again(file, model_args=arguments)
    assert not asks_again(file, model_args=arguments)
    weights.write_bytes(b"new weights")
    assert asks_again(file, model_args=arguments)
    (folder / "adapter.safetensors").touch()
    assert asks_again(file, model_args=arguments)
    assert not asks_again(file, model_args=arguments)


def test_a_recorded_file_that_changed(file: Path, write: Write) -> None:
    arguments = {"path": str(write([1], "verdicts.json"))}
    assert asks_again(file, model_args=arguments)
    assert not asks_again(file, model_args=arguments)
    write([1, 2], "verdicts.json")
    assert asks_again(file, model_args=arguments)


# A file that cannot be used ------------------------------------------------------------------


def test_disk_full(file: Path) -> None:
    """What was written before stays, and is there for the next run."""
    store = Store(file)
    store.put({"before": {"text": "1"}})
    store._db.execute("PRAGMA max_page_count = 4")
    with pytest.raises(
        InputError, match=r"full\. Make room on that disk, and run the same command"
    ):
        store.put({str(i): {"text": "x" * 1000} for i in range(100)})
    assert Store(file).get(["before", "0", "99"]) == {"before": {"text": "1"}}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk is root's")
def test_a_small_disk(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    kept = []
    try:
        store = Store(tmp_path / "answers")

        def fill() -> None:
            for i in range(1000):
                store.put({str(i): {"text": "x" * 300}})
                kept.append(str(i))

        with pytest.raises(InputError, match="Make room on that disk"):
            fill()
        assert kept
        assert store.get(kept).keys() == set(kept)
        with pytest.raises(InputError, match=r"Make room|cannot be written"):
            Store(tmp_path / "another")
        store._db.close()
        assert Store(tmp_path / "answers").get(kept).keys() == set(kept)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_locked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pandalm_eval.store._PATIENCE", 0.1)
    store, other = Store(file), sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(InputError, match=r"locked\. Let the other process"):
        store.put({"key": {"text": "1"}})
    other.execute("COMMIT")
    store.put({"key": {"text": "1"}})


def test_damaged(file: Path) -> None:
    store = Store(file)
    store.put({str(i): {"text": "x" * 500} for i in range(200)})
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._db.close()
    content = bytearray(file.read_bytes())
    content[4096:-4096] = b"\x5a" * (len(content) - 8192)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged|no store of ours"):
        Store(file).get([str(i) for i in range(200)])


def test_read_only_place() -> None:
    with pytest.raises(InputError, match=r"/proc/answers: .*Name another file"):
        Store(Path("/proc/answers"))


def test_refused_before_a_model_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "hf", "--model_args", "pretrained=/nowhere", "--tasks", "pandalm-pairs"]
    assert main(["run", *arguments, "--use_cache", "/proc/answers"]) == 1
    assert "--use_cache /proc/answers" in capsys.readouterr().err


def test_another_programs_database(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE theirs (a)")
    before = file.read_bytes()
    with pytest.raises(InputError, match="it holds other tables"):
        Store(file)
    assert file.read_bytes() == before
