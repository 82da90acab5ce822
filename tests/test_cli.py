"""The command: exit codes, what goes to which stream, and from a run to its tables."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import _ROWS, Write

from pandalm_eval import tasks_folder
from pandalm_eval.cli import main
from pandalm_eval.cli.run import refuse_mixed_metadata
from pandalm_eval.errors import UsageError

REPOSITORY = Path(__file__).resolve().parents[1]
VERBS = ("run", "link", "unlink", "tasks", "data", "table", "redact", "leaderboard", "cite")
Capture = pytest.CaptureFixture[str]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`python -m pandalm_eval …` in a process of its own."""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "pandalm_eval", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def failure(capsys: Capture, *arguments: str | Path) -> tuple[int, str]:
    """Exit code and standard error of a command in this process that answers nothing."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as exit:
        code = int(exit.code or 0)
    told = capsys.readouterr()
    assert told.out == ""
    return code, told.err


# From a run to its tables --------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A finished run of two tasks, by the rule `longest`."""
    folder = tmp_path_factory.mktemp("run")
    data = folder / "data" / "pandalm" / "testset-v1.json"
    data.parent.mkdir(parents=True)
    data.write_text(json.dumps(_ROWS), encoding="utf-8")
    done = command(
        *("run", "--model", "rule", "--model_args", "name=longest"),
        *("--tasks", "pandalm_human,pandalm_human_logprob"),
        *("--metadata", f"data_dir={folder / 'data'}"),
        *("--output_path", folder / "out", "--log_samples"),
        *("--use_cache", folder / "store"),
    )
    assert done.returncode == 0, done.stderr
    return folder / "out", done


@pytest.fixture
def result(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    return finished[0]


def table(capsys: Capture, *arguments: str | Path) -> str:
    capsys.readouterr()
    assert main(["table", *map(str, arguments)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


def test_run_answers_on_standard_output(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = finished
    assert "|pandalm_human " in done.stdout
    assert "position_consistency" in done.stdout
    assert "true" in done.stderr  # the reader's remark on the response that is no text
    assert "Traceback" not in done.stderr
    assert len(list(folder.rglob("results_*.json"))) == 1
    assert len(list(folder.rglob("samples_*.jsonl"))) == 2
    assert (folder.parent / "store").is_file()


def test_results_file_is_json(result: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    (path,) = result.rglob("results_*.json")
    data = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    told = data["results"]["pandalm_human"]
    assert None not in told.values()
    assert told["acc,none"] == pytest.approx(10 / 12)
    assert told["acc_stderr,none"] == pytest.approx(0.100634, abs=1e-6)  # see test_task.py


def test_json_table(result: Path, capsys: Capture) -> None:
    rows = json.loads(table(capsys, result, "--format", "json"))["rows"]
    runs = [row for row in rows if row["source"] == "run"]
    assert {row["source"] for row in rows} == {"run", "rule", "human"}
    assert {(row["judge"], row["protocol"]) for row in runs} == {
        ("rule:longest", "full"),
        ("rule:longest", "logprob"),
    }
    assert all(row["acc"] == pytest.approx(10 / 12) and row["gold"] == "human" for row in runs)
    rule = next(row for row in rows if row["judge"] == "rule: longest")
    assert rule["acc"] == pytest.approx(10 / 12)
    # Annotators 2 and 3 differ on rows 2, 5, 6, 10, 11: 7 pairs are left for annotator 1.
    annotator = next(row for row in rows if row["judge"] == "annotator 1")
    assert annotator["n_pairs"] == 7
    assert annotator["acc"] == 1


def test_other_tables(result: Path, capsys: Capture) -> None:
    rows = list(csv.DictReader(io.StringIO(table(capsys, result, "--format", "csv"))))
    assert float(rows[0]["acc"]) == pytest.approx(10 / 12)
    markdown = table(capsys, result)
    assert markdown.startswith("| judge")
    assert ".8333" in markdown
    latex = table(capsys, result, "--format", "latex")
    assert "\\toprule" in latex
    assert "rule:longest" in latex


def test_table_of_a_samples_file(result: Path, capsys: Capture) -> None:
    (samples,) = result.rglob("samples_pandalm_human_2*.jsonl")
    rows = json.loads(table(capsys, samples, "--format", "json"))["rows"]
    assert [row["protocol"] for row in rows if row["source"] == "run"] == ["full"]


def test_redacted_run(
    result: Path, tmp_path: Path, capsys: Capture, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path / "public"
    assert main(["redact", str(result), "-o", str(folder)]) == 0
    told = capsys.readouterr()
    assert sorted(told.out.splitlines()) == sorted(str(path) for path in folder.iterdir())
    assert {path.name for path in folder.glob("judgments_*")} == {
        "judgments_pandalm_human_rule-longest.jsonl",
        "judgments_pandalm_human_logprob_rule-longest.jsonl",
    }
    before = json.loads(table(capsys, result, "--format", "json"))
    after = json.loads(table(capsys, folder, "--format", "json"))

    def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))

    assert ordered(after["rows"]) == ordered(before["rows"])
    everything = "".join(path.read_text("utf-8") for path in folder.iterdir())
    texts = {str(row[f]) for row in rows for f in ("instruction", "input", "response1")}
    texts |= {str(row["response2"]) for row in rows}
    assert not [text for text in texts if len(text) > 9 and text in everything]
    assert str(result.parent) not in everything  # no path of this machine


def test_redacted_runs_of_one_name(result: Path, tmp_path: Path, capsys: Capture) -> None:
    """Two protocols of one task and judge, as two runs into one folder leave them."""
    folder = tmp_path / "both"
    assert main(["redact", str(result), "-o", str(folder)]) == 0
    whole = folder / "judgments_pandalm_human_rule-longest.jsonl"
    verdict = whole.read_text("utf-8").replace('"protocol": "full"', '"protocol": "verdict"')
    (folder / "judgments_other.jsonl").write_text(verdict, "utf-8")
    assert main(["redact", str(folder), "-o", str(tmp_path / "again")]) == 0
    names = {path.name for path in (tmp_path / "again").glob("judgments_*")}
    assert {whole.name, "judgments_pandalm_human_rule-longest-2.jsonl"} < names
    capsys.readouterr()
    before, after = (
        json.loads(table(capsys, path, "--format", "json"))["rows"]
        for path in (folder, tmp_path / "again")
    )
    assert {json.dumps(row, sort_keys=True) for row in before} == {
        json.dumps(row, sort_keys=True) for row in after
    }


def test_redact_needs_samples(result: Path, write: Write, capsys: Capture, tmp_path: Path) -> None:
    (results,) = result.rglob("results_*.json")
    alone = write(results.read_text("utf-8"), results.name)
    code, said = failure(capsys, "redact", alone, "-o", tmp_path / "public")
    assert code == 1
    assert "--log_samples" in said
    assert json.loads(table(capsys, alone, "--format", "json"))["rows"][0]["acc"] == pytest.approx(
        10 / 12
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "is not a results file of the harness"),
        ("{", "cannot be read as JSON"),
        ('{"results": {}, "configs": {}, "config": {}}', "holds no result of a pairwise-judge"),
    ],
)
def test_table_of_no_result(write: Write, capsys: Capture, content: str, message: str) -> None:
    code, said = failure(capsys, "table", write(content, "results_1.json"))
    assert code == 1
    assert message in said


def test_table_of_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert failure(capsys, "table", tmp_path / "x")[0] == 1
    assert failure(capsys, "table", tmp_path)[0] == 1
    assert failure(capsys, "table")[0] == 2


# Refusals of a run ---------------------------------------------------------------------------

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


def test_samples_of_which_a_part_is_missing(result: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(result, folder)
    samples = next(folder.rglob("samples_*.jsonl"))
    lines = samples.read_text("utf-8").splitlines(keepends=True)
    samples.write_text("".join(lines[:-2]), "utf-8")
    code, said = failure(capsys, "table", folder)
    assert code == 1
    assert f"holds {len(lines) - 2} samples, but the results beside it are of {len(lines)}" in said


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


# The other verbs -----------------------------------------------------------------------------


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
