"""Which task takes which metadata key: the table against the tasks, refusals and remarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_task import evaluate

from pandalm_eval import models, task_keys
from pandalm_eval.cli import main
from pandalm_eval.cli.run import spared_scan
from pandalm_eval.errors import UsageError
from pandalm_eval.settings import KEYS
from pandalm_eval.task_keys import NAMES, TAKERS, are_ours, refuse_untaken
from pandalm_eval.tasks_folder import task_files, tasks_folder


@pytest.fixture(autouse=True)
def _said_nothing() -> Iterator[None]:
    models.register()
    task_keys._say.cache_clear()
    yield
    task_keys._say.cache_clear()


def declared() -> dict[str, list[str]]:
    """{task or group: its members, none of a task}."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: str(node.value))
    configs = [yaml.load(path.read_text("utf-8"), Loader=Loader) for path in task_files()]
    return {c.get("group") or c["task"]: c["task"] if "group" in c else [] for c in configs}


def test_every_task_and_key_stands_in_the_table() -> None:
    tasks = declared()
    assert set(tasks) - {"pandalm-classic"} == NAMES  # the harness's own tasks are not ours to know
    assert {*TAKERS, "data_dir", "decoding"} == set(KEYS)
    for group, members in tasks.items():
        for takers in TAKERS.values() if members and group in NAMES else ():
            assert (group in takers) == any(member in takers for member in members)


@pytest.mark.parametrize(
    ("tasks", "keys", "said"),
    [
        (["pandalm-compare"], ["responses", "judge"], "judge (taken by pandalm-winrate). Leave"),
        (["pandalm-pairs"], ["baseline"], "(pandalm-pairs) takes the metadata key baseline"),
        (["pandalm_human"], ["pairs", "labels"],
         "pairs (taken by pandalm-pairs); labels (taken by pandalm-compare). Leave it"),
        (["pandalm_human*"], ["responses"], "_verdict) takes the metadata key responses"),
        (["pandalm-respond"], ["protocol"], "(pandalm-respond) takes the metadata key protocol"),
        (["pandalm-compare"], ["gold"], "(pandalm-compare) takes the metadata key gold"),
        (["pandalm_human", "pandalm-pairs"], ["join"], "(pandalm_human, pandalm-pairs) takes the"),
    ],
)  # fmt: skip
def test_refused(tasks: list[str], keys: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        refuse_untaken(tasks, keys)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("tasks", "keys"),
    [
        (["pandalm-compare"], ["responses", "baseline", "labels", "join", "instructions"]),
        (["pandalm-judge"], ["responses"]),  # for the domain tasks of the group
        (["pandalm_human", "pandalm-pairs"], ["pairs"]),
        (["pandalm_*"], ["responses", "gold", "data_dir", "decoding"]),
        (["pandalm-compare"], ["pretrained", "temperature", "path"]),
        (["my_own_task", "pandalm_human"], ["labels"]),
        (["pandalm-classic"], ["judge"]),
        (["pandalm-winrate"], ["labels"]),  # the task says why not
    ],
)
def test_not_refused(tasks: list[str], keys: list[str]) -> None:
    refuse_untaken(tasks, keys)


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """What stands in the model's arguments is the model's, whatever its name."""
    run = ["run", "--model", "rule", "--tasks", "pandalm-compare"]
    assert main([*run, "--metadata", "judge=x", "responses=nowhere"]) == 2
    assert "takes the metadata key judge (taken by pandalm-winrate)" in capsys.readouterr().err
    assert main([*run, "--model_args", "name=tie,judge=x", "--metadata", "responses=nowhere"])
    assert "metadata key judge (taken" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"labels": "x", "pretrained": "y"}, 1),
        ({"pretrained": "y"}, 0),
        ({"protocol": "verdict", "gold": "human"}, 0),
    ],
)
def test_a_task_alone_says_it_once(
    metadata: dict[str, Any], said: int, small_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        evaluate("pandalm_human", {"data_dir": str(small_data)} | metadata, judge="tie")
    told = [message for message in caplog.messages if "is left aside" in message]
    assert len(told) == said
    assert not said or told == [
        "pandalm_human: the key labels, unless it is meant for the model, is left aside (taken by "
        "pandalm-compare)."
    ]


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["pandalm_human"], True),
        (["pandalm_human_verdict", "pandalm-judge"], True),
        (["pandalm_*"], True),
        (["pandalm-c*"], False),  # pandalm-classic is made of the harness's tasks
        (["pandalm*"], False),
        (["*human"], False),  # the harness may have one, too
        (["pandalm_human", "arc_easy"], False),
        (["pandalm_humn"], False),
        (["/folder/pandalm_human.yaml"], False),
    ],
)
def test_what_is_ours_alone(words: list[str], ours: bool) -> None:
    assert are_ours(words) is ours


def test_tasks_of_ours_are_found_without_the_harness_s_own() -> None:
    import lm_eval.tasks

    whole = lm_eval.tasks.TaskManager
    with spared_scan():
        found = lm_eval.tasks.TaskManager(include_path=str(tasks_folder()))
        assert isinstance(found, whole)
        assert set(found.all_tasks) >= NAMES
        assert all(name.startswith("pandalm") for name in found.all_tasks)
    assert lm_eval.tasks.TaskManager is whole
