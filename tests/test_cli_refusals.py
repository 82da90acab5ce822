"""What `pandalm-eval run` refuses, and in what words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import Capture, command, failure
from conftest import Write

from pandalm_eval import tasks_folder
from pandalm_eval.cli import main
from pandalm_eval.cli.run import refuse_mixed_metadata
from pandalm_eval.errors import UsageError

RUN = ("run", "--model", "rule", "--model_args", "name=tie", "--tasks", "pandalm_human")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (('{"protocol": "single"}', "gold=human"), "silently drop"),
        (("gold=human", '{"protocol": "single"}'), "silently drop"),
        (("protocl=single",), "did you mean 'protocol'?"),
        (('{"protocl": "single"}',), "did you mean 'protocol'?"),
        (("decoding=upstream",), "exists with --model hf-judge only"),
    ],
)
def test_usage_errors(capsys: Capture, metadata: tuple[str, ...], message: str) -> None:
    code, said = failure(capsys, *RUN, "--metadata", *metadata)
    assert code == 2
    assert message in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("told", "code", "message"),
    [
        ({"metadata": {"protocl": "single"}}, 2, "did you mean 'protocol'?"),
        ({"metadata": {"decoding": "upstream"}}, 2, "exists with --model hf-judge only"),
        ({"output_path": "FILE"}, 1, "Nothing was run"),
        ([], 1, "cannot be read"),
    ],
)
def test_config_is_checked_like_flags(
    write: Write, capsys: Capture, told: Any, code: int, message: str
) -> None:
    if told:
        told = {"model": "rule", "model_args": {"name": "tie"}, "tasks": ["pandalm_human"]} | told
    if told and "output_path" in told:
        told["output_path"] = str(write("in the way", "file"))
    got, said = failure(capsys, "run", "--config", write(told, "run.yaml"))
    assert (got, message in said) == (code, True), said


@pytest.mark.parametrize(
    ("argv", "refused"),
    [
        (["--metadata", '{"a": 1}'], False),
        (["--metadata", "a=1", "b=2", "--limit", "{"], False),
        (["--metadata", "a=1", "--metadata", '{"b": 1}'], False),
        (["--model_args", '{"a": 1}', "b=2"], False),
        (["--metadata", "a=1", '{"b": 1}', "--limit", "2"], True),
        (["--metadata", ' {"b": 1}', "a=1"], True),
        (["--limit", "2", "--metadata", '{"b": 1}', '{"a": 1}'], True),
    ],
)
def test_mixed_metadata(argv: list[str], refused: bool) -> None:
    if refused:
        with pytest.raises(UsageError, match="Put all keys into"):
            refuse_mixed_metadata(argv)
    else:
        refuse_mixed_metadata(argv)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--tasks", "pandalm_humn"], "Tasks not found: pandalm_humn. `pandalm-eval tasks` lists"),
        ([], "Please verify the task names. Add --tasks NAME"),
        (["--tasks", "pandalm_human", "--log_samples"], "The samples need a folder."),
        (["--tasks", "pandalm_human", "--metadata", '{"gold": '], "Mend the quotes and brackets."),
        (["--tasks", "pandalm_human", "--model", "foo"], "ours are hf-judge, recorded, rule."),
        (
            ["--tasks", "pandalm_human", "--model", "hf", "--model_args", "pretrained=/nix"],
            "takes a folder that exists",
        ),
        (
            ["--tasks", "pandalm_human", "--model", "hf-judge", "--model_args", "dtype=bfloat16"],
            "needs --model_args pretrained=",
        ),
        (["--tasks", "pandalm_human", "--limit", "0"], "Raise --limit."),
        (["--tasks", "pandalm_human", "--limit", "-3"], "a number above 0."),
        (
            ["--tasks", "pandalm_human", "--samples", '{"pandalm_human": [5000]}'],
            "Count from 0, below the number",
        ),
    ],
)
def test_slips_that_the_harness_finds(
    argv: list[str],
    message: str,
    small_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.setenv("PANDALM_DATA", str(small_data))
    assert main(["run", "--model", "rule", "--model_args", "name=tie", *argv]) == 2
    assert message in capsys.readouterr().err


def test_samples_that_could_not_be_written_fail_the_run(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    tracker = "lm_eval.loggers.evaluation_tracker"
    monkeypatch.setattr(f"{tracker}.sanitize_list", full)
    arguments = ["--output_path", str(tmp_path / "out"), "--log_samples"]
    code = main([*RUN, "--metadata", f"data_dir={small_data}", *arguments])
    assert code == 1
    assert "Make room and run again" in capsys.readouterr().err


def test_missing_data(tmp_path: Path) -> None:
    done = command(*RUN, "--metadata", f"data_dir={tmp_path}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "pandalm-eval: error: " in done.stderr
    assert "pandalm/testset-v1.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("below", ["", "deeper", "results.json"])
def test_unwritable_output(write: Write, tmp_path: Path, capsys: Capture, below: str) -> None:
    """The data is missing as well: what is told first was found before any work."""
    output = write("a file", "file") / below if below else write("a file", "file")
    code, said = failure(
        capsys, *RUN, "--metadata", f"data_dir={tmp_path}", "--output_path", str(output)
    )
    assert code == 1
    assert "cannot be written" in said
    assert "Nothing was run" in said


_MINE = "task: pandalm-mine\ninclude: {ours}\n"


@pytest.mark.parametrize("told_in", ["flag", "config"])
def test_folder_of_the_user_is_included_too(
    small_data: Path, write: Write, tmp_path: Path, told_in: str
) -> None:
    shared = tasks_folder.tasks_folder() / "pandalm_human" / "_human_yaml"
    mine = write(_MINE.format(ours=shared), "mine/pandalm-mine.yaml").parent
    told: dict[str, Any] = {
        "model": "rule",
        "model_args": {"name": "tie"},
        "tasks": "pandalm-mine,pandalm_human_single",
        "include_path": str(mine),
        "metadata": {"data_dir": str(small_data)},
    }
    if told_in == "config":
        done = command("run", "--config", write(told, "run.yaml"))
    else:
        told |= {"model_args": "name=tie", "metadata": f"data_dir={small_data}"}
        done = command("run", *(word for k, v in told.items() for word in (f"--{k}", v)))
    assert done.returncode == 0, done.stderr
    assert "|pandalm-mine " in done.stdout
    assert "|pandalm_human_single" in done.stdout


def test_our_folder_may_be_included_twice() -> None:
    from lm_eval.tasks import TaskManager

    own = str(tasks_folder.tasks_folder())
    found = TaskManager(include_path=[own, own], include_defaults=False)
    names = found.match_tasks(["pandalm_*"])
    assert len(names) == len(set(names))
    assert "pandalm_human" in names
