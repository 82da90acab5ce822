"""pandalm-eval search: a study from its space to its report, its trainings real and tiny."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from search_space import write_space
from tiny_judge import make_base

from pandalm_eval.cli import main
from pandalm_eval.search.study import Study
from pandalm_eval.search.trainings import Trainings
from pandalm_eval.search.worker import work

ONE = {
    "grid": {"epochs": [1, 2], "learning_rate": [1e-2]},
    "default": {"epochs": 1, "learning_rate": 1e-2},
}

# A trainer that ends as told; in place of the real one, which cannot be made to run out of memory.
_FAILING = """
import os, sys
print({said!r}, file=sys.stderr, flush=True)
os.kill(os.getpid(), {signal}) if {signal} > 0 else sys.exit({signal} + 1)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


def search(verb: str, study: Path, *more: str) -> int:
    return main(["search", verb, str(study), *more])


def test_from_the_space_to_the_report(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, space = tmp_path / "study", write_space(tmp_path, base, **ONE)
    assert search("init", study, "--space", str(space)) == 0
    plan = capsys.readouterr().out
    assert "2 = 2 epochs × 1 learning_rate" in plan
    assert "22 of at most 8 tokens" in plan  # 2 × (6 + 5)
    assert "sequential 12" in plan  # 1 contest × 6 prompts × 2 orders

    assert search("choose", study) == 2  # nothing has answered yet
    assert "1 trainings are not done" in capsys.readouterr().err

    assert search("run", study) == 0
    assert "1 complete; 2 of 2 candidates have answered" in capsys.readouterr().out
    answers = study / "answers" / "validation" / "learning_rate-0.01_epoch-2.jsonl"
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    assert [set(row) for row in rows] == [{"instruction", "input", "response"}] * 6
    left = [place for place in study.rglob("*") if place.suffix in (".safetensors", ".pt")]
    assert left == []  # weights are let go of
    before = sorted(study.rglob("*"))
    assert search("run", study) == 0
    assert sorted(study.rglob("*")) == before

    assert search("choose", study, "--strategy", "sequential") == 0
    out = capsys.readouterr().out
    chosen = json.loads((study / "choices" / "sequential.json").read_text())["best"]
    assert f"{chosen} is chosen by sequential among 2 candidates on 6 prompts" in out
    default = f"learning_rate-0.01_epoch-{1 if chosen.endswith('2') else 2}"
    words = ["--baseline", default, "--format", "json"]
    assert search("confirm", study, *words) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["set"], row["n"], row["may_be_cited"]) for row in rows] == [
        ("validation", 6, "no: chosen by these"),
        ("held-out", 5, "yes"),
    ]
    assert {row["a"] for row in rows} == {chosen}
    assert search("report", study) == 0
    page = Path(capsys.readouterr().out.strip())
    text = page.read_text("utf-8")
    assert "| held-out" in text
    assert "chosen by these" in text
    assert (page.parent / "grid.svg").stat().st_size > 1000
    assert (page.parent / "candidates.csv").read_text().count("\n") == 3


def test_candidates_that_were_tuned_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, word in (("one", "long answer"), ("two", "short")):
        for folder, count in (("validation", 8), ("held_out", 5)):
            rows = [
                {"instruction": f"{folder} {n}", "response": f"{word} {n}"} for n in range(count)
            ]
            path = tmp_path / folder / f"{name}.jsonl"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    judge = ["--judge", '{"model": "rule", "model_args": {"name": "longest"}}']
    responses = ["--responses", str(tmp_path / "validation"), *judge]
    study = tmp_path / "study"
    assert search("choose", study, "--strategy", "sequential", *responses) == 0
    assert capsys.readouterr().out.startswith("one is chosen by sequential")
    held_out = ["--held_out", str(tmp_path / "held_out"), "--baseline", "two"]
    assert search("confirm", study, *responses, *held_out) == 0
    assert "| held-out   | one" in capsys.readouterr().out
    seen = ["--held_out", str(tmp_path / "validation"), "--baseline", "two"]
    assert search("confirm", study, *responses, *seen) == 1
    assert "8 of its 8 prompts chose the candidate" in capsys.readouterr().err
    assert search("confirm", study, *responses, "--baseline", "one") == 2
    assert "the judge chose the default itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "killed_by", "reason"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory.", 0, "out of memory: "),
        ("", 9, "killed by signal 9 (out of memory?)"),
        ("OSError: [Errno 28] No space left on device", 0, "disk full: "),
        ("Segmentation fault", 11, "killed by signal 11"),
        ("train_judge: error: config: unknown key x", 0, "ended with code 1: train_judge: error:"),
        ("all is well", -1, "ended without the answers of learning_rate-0.0"),
    ],
)
def test_a_training_that_fails_is_on_record_and_the_study_goes_on(
    tmp_path: Path, base: Path, said: str, killed_by: int, reason: str
) -> None:
    trainer = tmp_path / "trainer.py"
    trainer.write_text(_FAILING.format(said=said, signal=killed_by))
    space = write_space(tmp_path, base, launch=[sys.executable, str(trainer)])
    study = Study.create(tmp_path / "study", space)
    work(study)
    states = list(Trainings(study).states().values())
    assert [state.stage for state in states] == ["failed", "failed"]
    assert all(state.reason.startswith(reason) for state in states)
    assert said in states[0].reason or killed_by == -1
    assert Trainings(study).retry() == 2


def test_a_launcher_that_is_not_there_stops_the_worker(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = write_space(tmp_path, base, launch=["no-such-launcher"])
    study = tmp_path / "study"
    assert search("init", study, "--space", str(space)) == 0
    assert search("run", study) == 1
    assert "no-such-launcher: cannot be started" in capsys.readouterr().err
    states = Trainings(Study.open(study)).states().values()
    assert [state.stage for state in states] == ["running", "waiting"]  # for the next worker


def worker(study: Path) -> subprocess.Popen[Any]:
    words = [sys.executable, "-m", "pandalm_eval", "search", "run", str(study)]
    log = (study.parent / "worker.log").open("ab")
    return subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)


def until(condition: Any, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def undisturbed(study: Study) -> None:
    work(study)


def disturbed(study: Study) -> None:
    """Two workers, each killed in the midst of its work; a third one ends it."""
    output = [study.training_folder(one) / "output" for one in study.space.trainings]
    one, two = worker(study.folder), worker(study.folder)
    until(lambda: any((folder / "epoch-1").exists() for folder in output))
    os.killpg(one.pid, signal.SIGKILL)  # with its trainer
    until(lambda: any((study.folder / "answers").rglob("*.jsonl")))
    os.kill(two.pid, signal.SIGKILL)  # its trainer, or what answers, goes on alone
    for killed in (one, two):
        killed.wait()
    work(study)


@pytest.mark.slow
def test_kills_two_workers_and_a_divergence_change_nothing(tmp_path: Path, base: Path) -> None:
    grid = {"epochs": [1, 2], "learning_rate": [1e-3, 1e-2, 1e30]}
    answers = []
    for way in (undisturbed, disturbed):
        (tmp_path / way.__name__).mkdir()
        space = write_space(tmp_path / way.__name__, base, grid=grid)
        study = Study.create(tmp_path / way.__name__ / "study", space)
        way(study)
        states = list(Trainings(study).states().values())
        assert [state.stage for state in states] == ["complete", "complete", "failed"]
        assert states[2].reason.startswith("diverged: train_judge: error: the training diverged")
        found = (study.folder / "answers").rglob("*.jsonl")
        answers.append({path.relative_to(study.folder): path.read_bytes() for path in found})
    # 2 trainings × 2 epochs × 2 sets, and the first epoch of the one that diverged in its second.
    assert len(answers[0]) == 10
    assert answers[0] == answers[1]
