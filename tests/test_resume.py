"""Killed, doubled, and out of room: a run of our command ends with an undisturbed run's figures."""

from __future__ import annotations

import functools
import json
import logging
import os
import random
import resource
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_eval import evaluator
from lm_eval.tasks import TaskManager
from test_failures import JudgeServer, pair_file, serving

from pandalm_eval.cli import main

pytest.importorskip("tenacity", reason="the harness's API backends need lm_eval[api]")

PAIRS = 40
CONCURRENT = 3
Prepare = Callable[[], None]


class Run:
    """`pandalm-eval run` of a remote judge, in a process of its own.

    A fork of this one, so that a kill is a real one and yet no run spends seconds on imports; of
    the harness's thousands of YAML files none is read, and the machine is not described.
    """

    def __init__(
        self, judge: JudgeServer, pairs: Path, folder: Path, prepare: Prepare = lambda: None
    ) -> None:
        self.output = folder / f"run-{time.monotonic_ns()}"
        self.store = folder / "answers"
        self.output.mkdir(parents=True)
        arguments = [
            *("run", "--model", "local-completions", "--model_args"),
            f"base_url={judge.address}/completions,model=x,tokenizer_backend=None,"
            f"num_concurrent={CONCURRENT},max_retries=1,timeout=10",
            *("--tasks", "pandalm-pairs", "--metadata", f"pairs={pairs}"),
            *("--use_cache", str(self.store), "--output_path", str(self.output), "--log_samples"),
        ]
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                sys.stdout = sys.stderr = (self.output / "log").open("a", buffering=1)
                logging.basicConfig(stream=sys.stderr, force=True)
                prepare()
                quick = functools.partialmethod(TaskManager.__init__, include_defaults=False)
                TaskManager.__init__ = quick
                evaluator.add_env_info = lambda _: None
                code = main(arguments)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def is_over(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    @property
    def log(self) -> str:
        return (self.output / "log").read_text(errors="replace")

    def figures(self) -> dict[str, Any]:
        """What the results file says of the task; readings as well: figures hide much."""
        assert self.wait() == 0, self.log
        (results,) = self.output.rglob("results_*.json")
        (samples,) = self.output.rglob("samples_*.jsonl")
        lines = map(json.loads, samples.read_text(encoding="utf-8").splitlines())
        readings = {line["doc"]["id"]: line["resps"] for line in lines}
        told: dict[str, Any] = json.loads(results.read_text())["results"]["pandalm-pairs"]
        return {"figures": told, "readings": dict(sorted(readings.items()))}


Start = Callable[..., Run]


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving() as server:
        yield server


@pytest.fixture
def start(server: JudgeServer, tmp_path: Path) -> Start:
    return functools.partial(Run, server, pair_file(tmp_path, PAIRS), tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with serving() as server:
        told = Run(server, pair_file(folder, PAIRS), folder).figures()
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == 2 * PAIRS
    return told


def stored(store: Path) -> int:
    if not store.exists():
        return 0
    with sqlite3.connect(store) as db:
        return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])


def kill_at_random(run: Run, server: JudgeServer, draw: random.Random) -> None:
    """Kill a run once it has asked for so many answers, at any moment of an answer's way."""
    more = draw.randrange(1, PAIRS)
    end = sum(server.asked.values()) + more
    while sum(server.asked.values()) < end and not run.is_over():
        time.sleep(0.001)
    time.sleep(draw.random() * 0.03)
    run.kill()
    run.wait()


def check_kills(
    times: int,
    seed: int,
    start: Start,
    server: JudgeServer,
    undisturbed: dict[str, Any],
) -> None:
    draw = random.Random(seed)
    server.delay = 0.01
    for kills in range(1, times + 1):
        run = start()
        kill_at_random(run, server, draw)
        # Only what was on its way is asked again.
        assert sum(server.asked.values()) - stored(run.store) <= CONCURRENT * kills
        with sqlite3.connect(run.store) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    server.delay = 0
    resumed = start()
    assert resumed.figures() == undisturbed
    assert sum(server.asked.values()) <= 2 * PAIRS + CONCURRENT * times
    assert len(server.asked) == 2 * PAIRS


def test_killed_runs_resume(
    start: Start,
    server: JudgeServer,
    undisturbed: dict[str, Any],
) -> None:
    check_kills(2, 11, start, server, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_often_killed_runs_resume(
    start: Start,
    server: JudgeServer,
    undisturbed: dict[str, Any],
    seed: int,
) -> None:
    check_kills(8, seed, start, server, undisturbed)


def test_two_runs_on_one_store(start: Start, server: JudgeServer) -> None:
    """Even a judge that says something else each time gives both the same figures."""
    server.fickle = True
    server.delay = 0.005
    first, second = start(), start()
    told = first.figures(), second.figures()
    assert told[0] == told[1]
    assert stored(first.store) == 2 * PAIRS


@pytest.mark.slow
def test_one_of_two_runs_is_killed(
    start: Start,
    server: JudgeServer,
    undisturbed: dict[str, Any],
) -> None:
    server.delay = 0.005
    doomed, other = start(), start()
    kill_at_random(doomed, server, random.Random(5))
    assert other.figures() == undisturbed


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def test_no_room_for_the_store(
    start: Start,
    server: JudgeServer,
    undisturbed: dict[str, Any],
) -> None:
    """One clear error, exit code 1; what was written is not asked again."""
    full = start(prepare=limited)
    assert full.wait() == 1
    errors = [line for line in full.log.splitlines() if "pandalm-eval: error:" in line]
    assert len(errors) == 1
    assert f"--use_cache {full.store}" in errors[0]
    assert "Traceback" not in full.log
    kept, asked = stored(full.store), sum(server.asked.values())
    assert 0 < kept < asked < kept + 2 * CONCURRENT
    assert start().figures() == undisturbed
    assert sum(server.asked.values()) == asked + 2 * PAIRS - kept


def test_failing_requests_of_a_command(
    start: Start,
    server: JudgeServer,
    undisturbed: dict[str, Any],
) -> None:
    server.faults = {"item-7": "500", "item-12": "null", "item-20": "drop", "item-30": "no JSON"}
    sick = start()
    told = sick.figures()
    assert told["figures"]["invalid_rate,none"] == pytest.approx(4 / PAIRS)
    assert "8 of 80 requests to the judge failed" in sick.log
    server.faults = {}
    server.asked.clear()
    assert start().figures() == undisturbed
    assert sum(server.asked.values()) == 8


def test_a_command_without_an_answer(start: Start, server: JudgeServer) -> None:
    server.everyone = "401"
    refused = start()
    assert refused.wait() == 1
    assert "answered none of 5 requests" in refused.log
    assert "Traceback" not in refused.log
