"""The leaderboard: a submission that was tampered with, or is not whole, is refused."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boards import FLAGS, Capture, content, reseal, told

from pandalm_eval.leaderboard.check import check_board

# What is tampered with -----------------------------------------------------------------------

JUDGMENTS = "judgments_pandalm_human_logprob_rule-longest.jsonl"
MANIFEST = "manifest_pandalm_human_logprob_rule-longest.json"
Tamper = Callable[[Path], None]


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Tamper:
    """Change the lines of a judgments file."""

    def tamper(folder: Path) -> None:
        file = folder / JUDGMENTS
        file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))

    return tamper


def record(number: int, change: Callable[[dict[str, Any]], Any]) -> Tamper:
    """Change one record, which stands on line number + 1."""

    def of(found: list[bytes]) -> list[bytes]:
        told = json.loads(found[number])
        change(told)
        return [*found[:number], json.dumps(told).encode() + b"\n", *found[number + 1 :]]

    return lines(of)


def every(change: Callable[[dict[str, Any]], Any]) -> Tamper:
    """Change every record."""

    def of(found: list[bytes]) -> list[bytes]:
        records = [json.loads(line) for line in found]
        for one in records:
            change(one)
        return [json.dumps(one).encode() + b"\n" for one in records]

    return lines(of)


def manifest(change: Callable[[dict[str, Any]], Any]) -> Tamper:
    def tamper(folder: Path) -> None:
        told = json.loads((folder / MANIFEST).read_text("utf-8"))
        change(told)
        (folder / MANIFEST).write_text(json.dumps(told), "utf-8")

    return tamper


def result(key: str, value: object) -> Tamper:
    return manifest(lambda told: told["results"]["pandalm_human_logprob"].update({key: value}))


def raw(old: bytes, new: bytes) -> Tamper:
    """Change bytes of the first line."""
    return lines(lambda found: [found[0].replace(old, new, 1), *found[1:]])


def sure(told: dict[str, Any], verdict: str) -> None:
    """Give a record a verdict that is consistent in itself."""
    shares = [float(label == verdict) for label in ("first", "second", "tie")]
    told["readings"] = [{"verdict": verdict, "probabilities": shares}] * 2
    told |= {"verdict": verdict, "probabilities": shares}


def symlink(folder: Path) -> None:
    moved = folder.parent.parent / "elsewhere.jsonl"
    shutil.move(folder / JUDGMENTS, moved)
    (folder / JUDGMENTS).symlink_to(moved)


def rename_file(folder: Path) -> None:
    (folder / JUDGMENTS).rename(folder / "judgments_other.jsonl")


def card(key: str, value: str) -> Tamper:
    def tamper(folder: Path) -> None:
        file = folder / "submission.yaml"
        text = file.read_text("utf-8")
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{key}:"))
        file.write_text(text.replace(line, f"{line.partition(':')[0]}: {value}"), "utf-8")

    return tamper


def rename_card(folder: Path) -> None:
    file = folder / "submission.yaml"
    file.write_text(file.read_text("utf-8").replace("rule:longest:", "another:"), "utf-8")


TAMPERED: dict[str, tuple[Tamper, str]] = {
    "a verdict": (
        record(0, lambda r: r.update(verdict="first")),
        "line 1: says first, but its readings resolve to second.",
    ),
    "a reading": (
        record(0, lambda r: r["readings"][0].update(verdict="first")),
        "line 1: has a reading whose verdict is not that of its probabilities.",
    ),
    "a verdict, consistent in itself": (
        record(0, lambda r: sure(r, "tie")),
        "states figures that its judgments do not give: acc ",
    ),
    "a probability": (
        record(2, lambda r: r["readings"][1]["probabilities"].__setitem__(0, 0.7)),
        "line 3: probabilities (three shares whose sum is 1) cannot be",
    ),
    "probabilities within a verdict": (
        record(2, lambda r: r["readings"][0].update(probabilities=[0.4, 0.3, 0.3])),
        "has other probabilities than the mean of its readings",
    ),
    "the mean": (
        record(0, lambda r: r.update(probabilities=[0.0, 0.9, 0.1])),
        "line 1: has other probabilities than the mean of its readings.",
    ),
    "a line less": (
        lines(lambda found: found[:4] + found[5:]),
        "1 of the 12 pairs of pandalm_human by human are missing: 4.",
    ),
    "a line twice": (
        lines(lambda found: [*found, found[3]]),
        "line 13: has an id that stood before",
    ),
    "a foreign pair": (
        record(5, lambda r: r.update(id="5000")),
        "line 6: has an id that is no pair of pandalm_human by human.",
    ),
    "a length": (
        record(1, lambda r: r.update(length1=77)),
        "line 2: has another length1 than the pair in pandalm_human by human.",
    ),
    "gold": (
        record(1, lambda r: r.update(gold="tie")),
        "line 2: has another gold than the pair",
    ),
    "the prompt, that is the cluster": (
        every(lambda r: r.update(prompt_id=r["id"])),
        "has another prompt_id than the pair",
    ),
    "a candidate's name": (
        record(0, lambda r: r.update(model1="best")),
        "line 1: has another model1 than the pair",
    ),
    "the judge's name in one line": (
        record(3, lambda r: r.update(judge="other")),
        "line 4: belongs to another run than the first line.",
    ),
    "the judge's name": (
        every(lambda r: r.update(judge="other")),
        "is of the judge 'rule:longest', but the judgments are of 'other'",
    ),
    "the task's name": (
        every(lambda r: r.update(task="pandalm_human_verdict")),
        "states no results of pandalm_human_verdict",
    ),
    "the protocol": (
        every(lambda r: r.update(protocol="verdict")),
        "has probabilities under the verdict protocol",
    ),
    "another pair set": (
        every(lambda r: r.update(text_hash="0" * 16, id=f"x{r['id']}")),
        "line 1, 2, 3, 4, 5, 6, 7, 8 and 4 more: has an id that is no pair of",
    ),
    "a cut": (
        lambda folder: (folder / JUDGMENTS).write_bytes((folder / JUDGMENTS).read_bytes()[:-40]),
        "line 12: has no end: the file was cut off.",
    ),
    "no JSON": (lines(lambda found: [*found, b"}{\n"]), "line 13: is not valid JSON"),
    "no object": (lines(lambda found: [*found, b"[1]\n"]), "line 13: is a list, not an object"),
    "NaN": (raw(b'"length1": 5', b'"length1": NaN'), "line 1: holds NaN, which is no number"),
    "infinity": (
        raw(b'"length1": 5', b'"length1": 1e999'),
        "line 1: length1 cannot be inf.",
    ),
    "a huge number": (
        raw(b'"length1": 5', b'"length1": ' + b"9" * 400),
        "line 1: length1 cannot be 9999",
    ),
    "a number of 5000 digits": (
        raw(b'"length1": 5', b'"length1": ' + b"9" * 5000),
        "line 1: Exceeds the limit",
    ),
    "a negative number": (raw(b'"length1": 5', b'"length1": -5'), "line 1: length1 cannot be -5"),
    "a number as a text": (raw(b'"length1": 5', b'"length1": "5"'), "length1 cannot be '5'"),
    "a truth value for a number": (raw(b'"length1": 5', b'"length1": true'), "cannot be True"),
    "a field twice": (
        raw(b'"length1": 5', b'"length1": 5, "length1": 6'),
        "the field 'length1' stands there twice",
    ),
    "an unknown field": (
        record(0, lambda r: r.update(response1="text of a data set")),
        "line 1: has unknown field 'response1'.",
    ),
    "a text where an id belongs": (
        record(0, lambda r: r.update(prompt_id="text of a data set")),
        "line 1: prompt_id cannot be 'text of a data set'.",
    ),
    "not UTF-8": (raw(b"rule", b"\xff\xfe"), "line 1: is not UTF-8 text."),
    "a very long line": (raw(b"rule", b"x" * 100_000), "line 1: is longer than 65536 bytes."),
    "deep nesting": (lines(lambda found: [*found, b"[" * 30_000 + b"\n"]), "line 13: is n"),
    "an empty file": (lines(lambda found: []), "holds no judgment."),
    "a symbolic link": (symlink, "is a symbolic link; a submission holds plain files only."),
    "another file": (
        lambda folder: (folder / "index.html").write_text("<script>", "utf-8") and None,
        "rule-longest/index.html: belongs to no submission",
    ),
    "a file renamed": (rename_file, "its manifest_other.json is missing"),
    "no manifest": (
        lambda folder: (folder / MANIFEST).unlink(),
        f"its {MANIFEST} is missing",
    ),
    "n in the manifest": (
        result("n_pairs,none", 999),
        "n_pairs 999 (is 12)",
    ),
    "accuracy in the manifest": (
        result("acc,none", 0.99),
        "states figures that its judgments do not give: acc 0.99 (is 0.833333333333).",
    ),
    "an interval in the manifest": (
        result("acc_ci_low,none", 0.8),
        "states errors or interval ends that its judgments do not give here",
    ),
    "a figure that is a text": (result("acc,none", "0.83"), "acc '0.83' (is 0.833333333333)"),
    "a huge figure": (result("acc,none", 10**400), "acc 1000"),
    "a figure of nobody": (
        result("elo,none", 1500),
        "states figures that are none of ours and cannot be computed anew: elo,none.",
    ),
    "the number of documents": (
        manifest(lambda m: m["n-samples"]["pandalm_human_logprob"].update(original=13)),
        "says 12 of 13 pairs were judged",
    ),
    "the protocol in the manifest": (
        manifest(lambda m: m["settings"].update(protocol="full")),
        "says protocol 'full', but the judgments",
    ),
    "a manifest that is no JSON": (
        lambda folder: (folder / MANIFEST).write_text('{"results": NaN}', "utf-8") and None,
        "it holds NaN, which is no number of JSON",
    ),
    "no metadata": (
        lambda folder: (folder / "submission.yaml").unlink(),
        "rule-longest/submission.yaml: is missing",
    ),
    "a link that is code": (card("link", "javascript:alert(1)"), "link is no link"),
    "an unknown key": (card("date", "2026-01-31\nscore: 1"), "unknown key 'score'"),
    "a card of another judge": (
        rename_card,
        "'rule:longest' has judgments here, but no card.",
    ),
}
"""What is done to a submission, and what the check says of it, its digests made anew."""


@pytest.mark.parametrize("what", TAMPERED)
def test_tampered(board: Path, capsys: Capture, what: str) -> None:
    tamper, message = TAMPERED[what]
    tamper(board / "rule-longest")
    reseal(board / "rule-longest")
    code, out, err = told(capsys, "check", board)
    assert code == 1
    assert message in err, err
    assert out.startswith("faulty  rule-longest")
    assert "Traceback" not in err
    assert told(capsys, "build", board)[:2] == (1, "")  # nothing is built of it
    assert not (board / "leaderboard").exists()


EDITS = [what for what in TAMPERED if what not in ("no metadata", "a card of another judge")]


@pytest.mark.parametrize("what", [w for w in EDITS if not w.startswith(("a link", "an unknown k"))])
def test_digests_see_every_edit(board: Path, capsys: Capture, what: str) -> None:
    TAMPERED[what][0](board / "rule-longest")
    _, _, err = told(capsys, "check", board)
    seen = ("was changed since it was added", "is missing", "symbolic link", "belongs to no")
    assert any(word in err for word in seen), err


@pytest.mark.parametrize("name", [JUDGMENTS, MANIFEST, "submission.yaml"])
def test_damaged_bytes(board: Path, name: str) -> None:
    """Whatever a disk or a hand makes of a file: a fault, or the same figures; never a crash."""
    file, chance = board / "rule-longest" / name, random.Random(2023)
    whole = file.read_bytes()
    before = [run.figures for run in check_board(board).submissions[0].runs]
    for _ in range(60):
        place, kind = chance.randrange(len(whole)), chance.randrange(4)
        damaged = {
            0: whole[:place] + bytes([chance.randrange(256)]) + whole[place + 1 :],
            1: whole[:place] + whole[place + chance.randrange(1, 200) :],
            2: whole[:place],
            3: whole[:place] + bytes(chance.randrange(256) for _ in range(9)) + whole[place:],
        }[kind]
        file.write_bytes(damaged)
        found = check_board(board)
        if damaged != whole and name != "submission.yaml":
            assert found.faults  # the digest
        reseal(board / "rule-longest") if name != "submission.yaml" else None
        found = check_board(board)
        if not found.faults:
            assert [run.figures for run in found.submissions[0].runs] == before
    file.write_bytes(whole)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("step", ["check_submission", "dump", "redact", "_place"])
def test_whole_or_not_at_all(
    board: Path,
    board_run: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
) -> None:
    """A kill or a full disk at any step leaves the board as it was."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    before = content(board)
    monkeypatch.setattr(f"pandalm_eval.leaderboard.add.{step}", fail)
    words = ("add", board_run / "out", "--board", board, *FLAGS[:-1], "2026-03-01", "--replace")
    code, out, _ = told(capsys, *words)
    assert (code, out) == (130 if isinstance(error, KeyboardInterrupt) else 1, "")
    assert content(board) == before


def test_another_add_was_faster(
    board: Path, board_run: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place is taken between the look and the renaming: neither is lost, one is refused."""
    moved = board.parent / "moved"
    (board / "rule-longest").rename(moved)
    rename = os.rename

    def slow(source: Path, target: Path) -> None:
        if not target.exists():
            shutil.copytree(moved, target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", slow)
    code, _, err = told(
        capsys, "add", board_run / "out", "--board", board, *FLAGS[:-1], "2026-03-01"
    )
    assert code == 1
    assert "Directory not empty" in err
    assert content(board / "rule-longest") == content(moved)
    assert [path.name for path in board.iterdir()] == ["rule-longest"]


def test_what_no_check_can_see(board: Path, capsys: Capture) -> None:
    """Readings that are consistent with all figures, sealed anew: the docs say so."""
    folder = board / "rule-longest"
    rows = [json.loads(line) for line in (folder / JUDGMENTS).read_text("utf-8").splitlines()]
    # Rows 6 and 7 are the same two texts of one prompt; what is said of them changes places.
    rows[6]["readings"], rows[7]["readings"] = rows[7]["readings"], rows[6]["readings"]
    (folder / JUDGMENTS).write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    reseal(folder)
    assert told(capsys, "check", board)[0] == 0


def test_all_problems_at_once(board: Path, capsys: Capture) -> None:
    for what in ("a length", "n in the manifest", "a link that is code", "another file"):
        TAMPERED[what][0](board / "rule-longest")
    _, _, err = told(capsys, "check", board)
    for what in ("a length", "n in the manifest", "a link that is code", "another file"):
        assert TAMPERED[what][1] in err


def test_a_tampered_run_is_not_added(board: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(board / "rule-longest", folder)
    shutil.rmtree(board / "rule-longest")
    TAMPERED["accuracy in the manifest"][0](folder)
    code, _, err = told(capsys, "add", folder, "--board", board, *FLAGS)
    assert code == 1
    assert "acc 0.99 (is 0.833333333333)" in err
    assert list(board.iterdir()) == []


def test_intervals_of_another_version(board: Path, capsys: Capture) -> None:
    folder = board / "rule-longest"
    TAMPERED["an interval in the manifest"][0](folder)
    assert told(capsys, "add", folder, "--board", board, *FLAGS)[0] == 1
    assert told(capsys, "add", folder, "--board", board, *FLAGS, "--restate")[0] == 0
    assert told(capsys, "check", board)[0] == 0
    restated = json.loads((folder / MANIFEST).read_text("utf-8"))
    assert restated["results"]["pandalm_human_logprob"]["acc_ci_low,none"] != 0.8
    assert "restated_by" in restated
    TAMPERED["accuracy in the manifest"][0](folder)  # a value is never restated
    assert told(capsys, "add", folder, "--board", board, *FLAGS, "--restate")[0] == 1


def test_without_the_data_the_fingerprint_tells(
    board: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PANDALM_DATA", str(tmp_path / "nothing"))
    code, _, err = told(capsys, "check", board)
    assert code == 1
    assert "its 12 pairs are not the 999 of pandalm_human by human" in err


@pytest.mark.parametrize("kind", ["dangling", "to a submission"])
def test_a_submission_that_is_a_link(board: Path, capsys: Capture, kind: str) -> None:
    target = board / "rule-longest" if kind == "to a submission" else board / "gone"
    (board / "link").symlink_to(target)
    code, _, err = told(capsys, "check", board)
    assert ("link: is a symbolic link" in err) is (kind == "to a submission")
    assert code == int(kind == "to a submission")


def test_a_device_is_not_read(board: Path, capsys: Capture) -> None:
    os.mkfifo(board / "rule-longest" / "judgments_x.jsonl")
    code, _, err = told(capsys, "check", board)
    assert code == 1
    assert "is a folder or device" in err


def test_no_board(tmp_path: Path, capsys: Capture) -> None:
    assert told(capsys, "check", tmp_path / "x")[0] == 1
    code, _, err = told(capsys, "check", tmp_path)
    assert code == 1
    assert "holds no submission" in err
    for text in ("other: 1", "title: =1", "other_folders: 1", "- 1", "\x00"):
        (tmp_path / "board.yaml").write_text(text, "utf-8")
        assert told(capsys, "check", tmp_path)[0] == 1
