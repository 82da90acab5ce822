"""Checks submissions: by their form, and by computing every figure anew from the judgments.

What this proves: that the files are those that were added, that they are of the pairs they claim,
and that every figure follows from the readings. What it cannot: that the judge gave these readings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pandalm_eval.judgments import RunName
from pandalm_eval.leaderboard import pair_sets, stated
from pandalm_eval.leaderboard.board import folders_of
from pandalm_eval.leaderboard.faults import Fault, sorted_out
from pandalm_eval.leaderboard.folder import open_folder
from pandalm_eval.leaderboard.lines import Read, read_lines
from pandalm_eval.leaderboard.metadata import NAME, Submission
from pandalm_eval.leaderboard.plain_text import same_name
from pandalm_eval.metrics import summarise
from pandalm_eval.results import Run, manifest_beside

SHOWN = "known by their fingerprint only, as the data folder does not have them"


@dataclass(frozen=True, slots=True)
class Checked:
    """A submission after its check.

    Attributes:
        name: of its folder.
        submission: its metadata; None where they cannot be read.
        runs: with figures computed anew.
        faults: all that is wrong with it.
        remarks: what could not be checked.
    """

    name: str
    submission: Submission | None
    runs: list[Run] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CheckedBoard:
    """All submissions of a leaderboard, and what is wrong with any of them."""

    submissions: list[Checked]
    faults: list[Fault]
    remarks: list[str]


def check_board(board: Path, data_dir: str | None = None) -> CheckedBoard:
    """Every submission below a folder, and what they make of each other.

    Raises:
        InputError: the folder is no leaderboard.
    """
    folders, faults = folders_of(board)
    checked = [check_submission(folder, data_dir) for folder in folders]
    faults += [fault for one in checked for fault in one.faults]
    faults += _collisions(checked) + _other_pairs(checked)
    remarks = dict.fromkeys(remark for one in checked for remark in one.remarks)
    return CheckedBoard(checked, sorted_out(faults), list(remarks))


def check_submission(path: Path, data_dir: str | None = None) -> Checked:
    """One submission: its files, metadata, judgments and stated figures."""
    folder = open_folder(path)
    faults, remarks, runs = list(folder.faults), [], []
    for file in folder.judgments:
        where = f"{path.name}/{file.name}"
        read = read_lines(file, where)
        faults += read.faults
        if read.name is None or not read.judgments:
            continue
        found, remark = _pair_faults(where, read, data_dir)
        faults += found
        remarks += remark
        run = Run(read.name, summarise(read.judgments, read.name.protocol), read.judgments, file)
        manifest = manifest_beside(file)
        if manifest.is_file() and not manifest.is_symlink():
            told_at = f"{path.name}/{manifest.name}"
            told, unreadable = stated.read_manifest(manifest, told_at)
            faults += unreadable or stated.compare(told, told_at, run.name, run.figures)
        runs.append(run)
    faults += _repeated_runs(path, runs)
    if folder.submission is not None:
        faults += _cards(path, folder.submission, runs)
    return Checked(path.name, folder.submission, runs, sorted_out(faults), remarks)


def _pair_faults(where: str, read: Read, data_dir: str | None) -> tuple[list[Fault], list[str]]:
    """Whether the judgments are of the pairs of their task."""
    assert read.name is not None  # the caller's choice
    if not read.judgments.is_labelled.any():
        what = "its pairs have no gold label; a leaderboard compares judges with one."
        return [Fault(where, what)], []
    of = pair_sets.set_name(read.name)
    if of is None:
        return [], [
            f"{read.name.task} by {read.name.gold_source}: no pair set of ours; that all "
            "submissions judged the same pairs is checked, where the pairs are from is not."
        ]
    if (expected := pair_sets.known_pairs(of, data_dir)) is not None:
        return pair_sets.differences(where, read.judgments, read.lines, expected, of), []
    known = pair_sets.shipped().get(of)
    if known is None:
        return [], [f"{of}: the data folder does not have its pairs, so they were not compared."]
    count = len(read.judgments)
    if count == known["pairs"] and pair_sets.told_by(read.judgments) == known["fingerprint"]:
        return [], [f"{of}: its pairs are {SHOWN}."]
    what = (
        f"its {count} pairs are not the {known['pairs']} of {of} (ids, hashes, lengths, gold). "
        "Fetch the data (`pandalm-eval data fetch`), and the check names the lines."
    )
    return [Fault(where, what)], []


def _repeated_runs(path: Path, runs: Iterable[Run]) -> list[Fault]:
    faults: list[Fault] = []
    seen: dict[RunName, Run] = {}
    for run in runs:
        if run.name in seen:
            told = f"is the same run as {seen[run.name].path.name}: one judge, task, protocol, "
            told += "prompt, decoding and gold. Keep one of them."
            faults.append(Fault(f"{path.name}/{run.path.name}", told))
        seen.setdefault(run.name, run)
    return faults


def _cards(path: Path, submission: Submission, runs: Iterable[Run]) -> list[Fault]:
    """Judges without a card, and cards without a judge."""
    where, judges = f"{path.name}/{NAME}", {run.name.judge for run in runs}
    faults = [
        Fault(where, f"judges: {name!r} has judgments here, but no card.")
        for name in sorted(judges - set(submission.judges))
    ]
    return faults + [
        Fault(where, f"judges: {name!r} has a card, but no judgments here.")
        for name in sorted(set(submission.judges) - judges)
    ]


def _collisions(checked: Iterable[Checked]) -> list[Fault]:
    """Judges that people could not tell apart, in different submissions or in one."""
    faults: list[Fault] = []
    seen: dict[str, tuple[str, str]] = {}
    for one in checked:
        for judge in one.submission.judges if one.submission else ():
            if (key := same_name(judge)) in seen:
                other, folder = seen[key]
                what = f"judges: the name {judge!r} collides with {other!r} of {folder}; rename one"
                faults.append(Fault(f"{one.name}/{NAME}", f"{what}."))
            seen.setdefault(key, (judge, one.name))
    return faults


def _other_pairs(checked: Iterable[Checked]) -> list[Fault]:
    """Runs of a task without a known pair set that judged other pairs than the first such run."""
    faults: list[Fault] = []
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for one in checked:
        for run in one.runs:
            if pair_sets.set_name(run.name) is not None or not run.judgments:
                continue
            told = pair_sets.told_by(run.judgments)
            key, where = (run.name.task, run.name.gold_source), f"{one.name}/{run.path.name}"
            other, found = first.setdefault(key, (where, told))
            if found != told:
                faults.append(Fault(where, f"judged other pairs than {other}."))
    return faults
