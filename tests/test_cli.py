"""The command: help, usage, and the verbs around the tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Capture, failure

from pandalm_eval import tasks_folder
from pandalm_eval.cli import main

VERBS = ("run", "link", "unlink", "tasks", "data", "table", "redact", "leaderboard", "cite")


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit:
        main([verb, "--help"])
    assert exit.value.code in (0, None)
    told = capsys.readouterr()
    assert f"usage: pandalm-eval {verb}" in told.out


def test_usage_of_the_command(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["--help"])
    assert exit.value.code == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in VERBS)
    for wrong in ([], ["judge"], ["table", "x", "--format", "xml"], ["redact", "x"]):
        assert failure(capsys, *wrong)[0] == 2


def test_tasks(capsys: Capture) -> None:
    assert main(["tasks"]) == 0
    told = capsys.readouterr()
    listed = dict(line.split("\t")[:2] for line in told.out.splitlines())
    assert listed["pandalm_human"] == "full"
    assert listed["pandalm_human_logprob"] == "logprob"
    assert len(listed) == len(tasks_folder.task_files())
    assert "--include_path" in told.err or "found by the bare" in told.err


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A task folder of a harness, not the real one."""
    monkeypatch.setattr(tasks_folder, "harness_tasks_folder", lambda: tmp_path)
    return tmp_path


def _content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_link_and_unlink(harness: Path, capsys: Capture) -> None:
    folder = harness / "pandalm_eval"
    assert not tasks_folder.is_linked()
    assert main(["link"]) == 0
    told = capsys.readouterr()
    assert tasks_folder.is_linked()
    stubs = sorted(folder.glob("*.yaml"))
    assert sorted(told.out.splitlines()) == [str(stub) for stub in stubs]
    assert len(stubs) == len(tasks_folder.task_files())
    before = _content(folder)
    (folder / "old.yaml").write_text("include: gone\n", encoding="utf-8")
    assert main(["link"]) == 0
    assert _content(folder) == before
    assert failure_free(capsys, "unlink") == ("", "unlinked\n")
    assert not folder.exists()
    assert failure_free(capsys, "unlink") == ("", "nothing was linked\n")


def failure_free(capsys: Capture, *arguments: str) -> tuple[str, str]:
    capsys.readouterr()
    assert main(arguments) == 0
    told = capsys.readouterr()
    return told.out, told.err


def test_linked_tasks_are_found_without_include_path(harness: Path) -> None:
    from lm_eval.tasks import TaskManager

    tasks_folder.link()
    found = TaskManager(include_path=str(harness), include_defaults=False)
    assert "pandalm_human" in found.match_tasks(["pandalm_*"])
    assert len(found.all_tasks) == len(tasks_folder.task_files())


def test_old_link_does_not_count(harness: Path) -> None:
    stub = tasks_folder.link()[0]
    stub.write_text("include: /elsewhere.yaml\n", encoding="utf-8")
    assert not tasks_folder.is_linked()


@pytest.mark.parametrize("verb", ["link", "unlink"])
def test_foreign_folder_is_left_alone(harness: Path, capsys: Capture, verb: str) -> None:
    foreign = harness / "pandalm_eval" / "notes.yaml"
    foreign.parent.mkdir()
    foreign.write_text("mine", encoding="utf-8")
    code, said = failure(capsys, verb)
    assert code == 1
    assert "it is left alone" in said
    assert _content(foreign.parent) == {"notes.yaml": "mine"}
