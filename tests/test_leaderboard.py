"""The leaderboard: runs are checked when added, builds are stable; and our own board."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from boards import FLAGS, ROOT, Capture, content, reseal, told
from conftest import _ROWS

from pandalm_eval.cli import main
from pandalm_eval.leaderboard import metadata, pair_sets
from pandalm_eval.leaderboard.check import check_board
from pandalm_eval.leaderboard.metadata import parse

# What is added -------------------------------------------------------------------------------


def test_add_check_build(board: Path, capsys: Capture) -> None:
    assert {path.name for path in (board / "rule-longest").iterdir()} == {
        "submission.yaml",
        "judgments_pandalm_human_rule-longest.jsonl",
        "judgments_pandalm_human_logprob_rule-longest.jsonl",
        "manifest_pandalm_human_rule-longest.json",
        "manifest_pandalm_human_logprob_rule-longest.json",
    }
    assert not [path for path in board.iterdir() if path.name.startswith(".")]
    assert told(capsys, "check", board) == (0, "ok      rule-longest  (2 runs)\n", "")
    code, out, _ = told(capsys, "build", board)
    assert code == 0
    assert [Path(line).name for line in out.splitlines()] == [
        *("leaderboard.md", "leaderboard.csv", "leaderboard.tex", "leaderboard.json"),
        "index.html",
    ]
    rows = json.loads((board / "leaderboard/leaderboard.json").read_text("utf-8"))["rows"]
    ours = [row for row in rows if row["source"] == "run"]
    assert [(row["judge"], row["protocol"], row["submitter"]) for row in ours] == [
        ("rule:longest", "full", "A group"),
        ("rule:longest", "logprob", "A group"),
    ]
    assert all(row["acc"] == pytest.approx(10 / 12) for row in ours)  # as in test_cli_tables.py


def test_no_text_is_added(board: Path) -> None:
    everything = b"".join(content(board).values()).decode()
    texts = {str(row[key]) for row in _ROWS for key in ("instruction", "response1", "response2")}
    assert not [text for text in texts if len(text) > 9 and text in everything]


def test_builds_are_the_same_to_the_byte(board: Path, tmp_path: Path, capsys: Capture) -> None:
    assert told(capsys, "build", "--check", board)[0] == 1  # nothing is built yet
    assert told(capsys, "build", board)[0] == 0
    assert told(capsys, "build", board, "-o", tmp_path / "again")[0] == 0
    assert content(board / "leaderboard") == content(tmp_path / "again")
    assert told(capsys, "build", "--check", board) == (0, "", "")
    assert told(capsys, "check", board)[0] == 0  # what is built is no submission
    (board / "leaderboard/leaderboard.csv").write_text("other", "utf-8")
    code, out, err = told(capsys, "build", "--check", board)
    assert (code, out) == (1, f"{board / 'leaderboard/leaderboard.csv'}\n")
    assert "1 files are stale" in err


def test_adding_twice(board: Path, board_run: Path, capsys: Capture) -> None:
    before = content(board)
    code, out, err = told(capsys, "add", board_run / "out", "--board", board, *FLAGS)
    assert (code, out) == (0, f"{board / 'rule-longest'}\n")
    assert "the same submission is there already" in err
    other = (*FLAGS[:-1], "2026-02-01")
    code, out, err = told(capsys, "add", board_run / "out", "--board", board, *other)
    assert (code, out) == (1, "")
    assert "take its place with --replace" in err
    assert content(board) == before
    code, _, _ = told(capsys, "add", board_run / "out", "--board", board, *other, "--replace")
    assert code == 0
    assert b"2026-02-01" in content(board)["rule-longest/submission.yaml"]
    assert told(capsys, "check", board)[0] == 0


def test_a_redacted_run_is_the_same_submission(
    board: Path, board_run: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["redact", str(board_run / "out"), "-o", str(tmp_path / "public")]) == 0
    code, _, err = told(capsys, "add", tmp_path / "public", "--board", board, *FLAGS)
    assert code == 0
    assert "the same submission is there already" in err


def test_names_that_collide(board: Path, board_run: Path, capsys: Capture) -> None:
    before = content(board)
    code, _, err = told(
        capsys, "add", board_run / "out", "--board", board, *FLAGS, "--name", "other"
    )
    assert code == 1
    assert "the judge 'rule:longest' collides with 'rule:longest' of rule-longest" in err
    code, _, err = told(
        capsys, "add", board_run / "out", "--board", board, *FLAGS, "--name", "Rule_Longest"
    )
    assert code == 1
    assert "collides with the submission rule-longest" in err
    assert content(board) == before
    shutil.copytree(board / "rule-longest", board / "copy")
    code, _, err = told(capsys, "check", board)
    assert code == 1
    assert "the name 'rule:longest' collides with 'rule:longest' of copy" in err


@pytest.mark.parametrize("name", ["../out", "leaderboard", "a/b", ".hidden", "x" * 200])
def test_names_that_are_no_folder(board: Path, board_run: Path, capsys: Capture, name: str) -> None:
    assert told(capsys, "add", board_run / "out", "--board", board, *FLAGS, "--name", name)[0] == 2


def test_a_limited_run_is_refused(board_run: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["--model", "rule", "--model_args", "name=first", "--tasks", "pandalm_human"]
    words += ["--log_samples", "--output_path", f"{tmp_path}/out", "--limit", "5"]
    assert main(["run", *words, "--metadata", f"data_dir={board_run / 'data'}"]) == 0
    board = tmp_path / "board"
    code, _, err = told(
        capsys, "add", tmp_path / "out", "--board", board, *FLAGS, "--data_dir", board_run / "data"
    )
    assert code == 1
    assert "7 of the 12 pairs of pandalm_human by human are missing: 10, 11, 5, 6" in err
    assert "5 of 12 pairs were judged" in err
    assert list(board.iterdir()) == []  # whole or not at all


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("end_to_end/*.jsonl", "its pairs have no gold label"),
        ("key/judgments_pandalm_lsat_Qwen*.jsonl", "809 of the 1009 pairs of pandalm_lsat are mis"),
        ("gpt-3.5-turbo/*.jsonl", "states errors or interval ends"),
    ],
)
def test_other_results_of_ours(
    file: str, message: str, tmp_path: Path, capsys: Capture, data_dir: Path
) -> None:
    (path,) = (ROOT / "results").glob(file)
    words = ("add", path, "--board", tmp_path, *FLAGS, "--data_dir", data_dir)
    code, _, err = told(capsys, *words)
    assert code == 1
    assert message in err


def test_bioasq_has_pairs_of_each_user(tmp_path: Path, capsys: Capture) -> None:
    """No pair set of ours: the first submission has it, and the next must have the same."""
    files = [
        ROOT / f"results/key/judgments_pandalm_bioasq_{judge}.jsonl"
        for judge in ("SmolLM2-135M-Instruct", "Qwen2.5-Coder-0.5B-Instruct")
    ]
    for file in files:
        code, _, err = told(capsys, "add", file, "--board", tmp_path / "board", *FLAGS)
        assert code == 0, err
        assert "pandalm_bioasq by key: no pair set of ours" in err
    assert told(capsys, "check", tmp_path / "board")[0] == 0
    folder = tmp_path / "board" / "Qwen2.5-Coder-0.5B-Instruct"
    (judgments,) = folder.glob("judgments_*")
    text = judgments.read_text("utf-8")
    judgments.write_text(text.replace('"text_hash": "', '"text_hash": "x'), "utf-8")
    reseal(folder)
    code, _, err = told(capsys, "check", tmp_path / "board")
    assert code == 1
    assert "judged other pairs than Qwen2.5-Coder-0.5B-Instruct/judgments_pandalm_bioasq" in err


# Our own -------------------------------------------------------------------------------------


def test_our_own_results_are_a_leaderboard(data_dir: Path) -> None:
    checked = check_board(ROOT / "results", str(data_dir))
    assert checked.faults == []
    assert checked.remarks == []
    assert {"human", "judge_training"} <= {one.name for one in checked.submissions}


def test_our_own_leaderboard_is_fresh(capsys: Capture) -> None:
    code, out, err = told(capsys, "build", "--check", ROOT / "results")
    assert (code, out) == (0, ""), err


def test_shipped_fingerprints(data_dir: Path) -> None:
    for name, known in pair_sets.shipped().items():
        pairs = pair_sets.known_pairs(name, str(data_dir))
        assert pairs is not None
        assert (len(pairs), pair_sets.fingerprint(pairs)) == (known["pairs"], known["fingerprint"])


def test_the_page_has_the_schema() -> None:
    page = (ROOT / "docs/leaderboard.md").read_text("utf-8")
    assert metadata.schema() in page
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert list(parse(example.encode()).judges) == ["my-judge-7B"]
