"""Puts a run into a leaderboard: redacted, checked, whole or not at all."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.leaderboard import folder as files
from pandalm_eval.leaderboard import stated
from pandalm_eval.leaderboard.board import BUILT, folders_of, read_board
from pandalm_eval.leaderboard.check import check_submission
from pandalm_eval.leaderboard.faults import Fault, report
from pandalm_eval.leaderboard.metadata import NAME, MetadataError, Submission, dump, parse
from pandalm_eval.leaderboard.plain_text import same_name
from pandalm_eval.redaction import redact
from pandalm_eval.results import manifest_beside

_FOLDER = re.compile(r"\w[\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Added:
    """What `add` did: the submission's folder, and whether it was there before, to the byte."""

    folder: Path
    unchanged: bool
    remarks: list[str]


def add(
    results: Sequence[Path],
    board: Path,
    submission: Submission,
    *,
    name: str | None = None,
    replace_old: bool = False,
    restate: bool = False,
    data_dir: str | None = None,
) -> Added:
    """Put runs into a leaderboard as one submission.

    Args:
        results: what `read_runs` takes; texts are left out. A single folder that stands in the
            leaderboard already is sealed where it is: only its `submission.yaml` is written.
        board: made where there is none.
        submission: its metadata; digests of files are computed here.
        name: of the submission's folder; by default the judge's.
        replace_old: take the place of another submission of this name.
        restate: compute errors and intervals anew that another version of this software stated.
        data_dir: the data folder, to compare pairs with.

    Raises:
        InputError: what is wrong with the run or its metadata, all of it; nothing is changed then.
        UsageError: the name cannot be a folder's.
    """
    inside = len(results) == 1 and results[0].resolve().parent == board.resolve()
    name = results[0].name if inside else name or _default_name(submission)
    if not _FOLDER.fullmatch(name) or name in (BUILT, NAME):
        raise UsageError(
            f"--name {name!r}: a submission's folder is called by letters, digits, '.', '_' and "
            f"'-', and not {BUILT!r}."
        )
    try:
        board.mkdir(parents=True, exist_ok=True)
        read_board(board)
        staging = board / f".adding-{secrets.token_hex(8)}"
        staging.mkdir()
    except OSError as error:
        raise InputError(f"{board}: cannot be written ({error.strerror}).") from None
    try:
        built = staging / name
        if inside:
            _copy_plain(results[0], built)
        else:
            redact(results, built)
        if restate:
            _restate(built)
        submission = replace(submission, files=files.digests(built))
        (built / NAME).write_text(dump(submission), "utf-8")
        checked = check_submission(built, data_dir)
        if faults := [*checked.faults, *_collisions(board, name, submission)]:
            raise InputError(report(faults, f"{name} was not added to {board}:"))
        unchanged = _place(built, board / name, submission, replace_old=replace_old or inside)
        return Added(board / name, unchanged, list(dict.fromkeys(checked.remarks)))
    except OSError as error:
        told = f"{error.filename or board}: cannot be read or written"
        raise InputError(f"{told} ({error.strerror or error}).") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _default_name(submission: Submission) -> str:
    if len(submission.judges) != 1:
        raise UsageError("a submission of several judges needs --name FOLDER.")
    (judge,) = submission.judges
    return re.sub(r"[^A-Za-z0-9._-]+", "-", judge).strip("-.") or "judge"


def _copy_plain(source: Path, target: Path) -> None:
    """A copy whose symbolic links stay links, so that the check finds them."""
    shutil.copytree(source, target, symlinks=True)
    (target / NAME).unlink(missing_ok=True)


def _restate(built: Path) -> None:
    """Write errors and intervals of this version into the manifests."""
    from pandalm_eval.leaderboard.lines import read_lines
    from pandalm_eval.metrics import summarise

    for file in sorted(built.glob("judgments_*.jsonl")):
        manifest = manifest_beside(file)
        read = read_lines(file, file.name)
        if read.name is None or read.faults or not manifest.is_file() or manifest.is_symlink():
            continue
        told, faults = stated.read_manifest(manifest, manifest.name)
        if faults:
            continue
        figures = summarise(read.judgments, read.name.protocol)
        if (new := stated.restated(told, read.name.task, figures)) != told:
            manifest.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n", "utf-8")


def _collisions(board: Path, name: str, submission: Submission) -> list[Fault]:
    """Folders and judges of the board that people could not tell from the new ones."""
    faults = []
    try:
        folders, _ = folders_of(board)
    except InputError:  # the first submission
        return []
    ours = {same_name(judge): judge for judge in submission.judges}
    for other in folders:
        if other.name == name:
            continue
        if same_name(other.name) == same_name(name):
            faults.append(Fault(name, f"collides with the submission {other.name}; give --name."))
        try:
            theirs = parse((other / NAME).read_bytes())
        except (OSError, MetadataError):
            continue  # `check` tells what is wrong with it
        faults += [
            Fault(
                name,
                f"the judge {ours[same_name(judge)]!r} collides with {judge!r} of "
                f"{other.name}; give it another name (--model_args name=…)",
            )
            for judge in theirs.judges
            if same_name(judge) in ours
        ]
    return faults


def _place(built: Path, target: Path, submission: Submission, *, replace_old: bool) -> bool:
    """Rename the folder into its place; returns whether the same stood there already."""
    if not target.exists() and not target.is_symlink():
        os.rename(built, target)  # noqa: PTH104 - Path.rename is the same call, hidden
        return False
    if _is_same(target, submission):
        return True
    if not replace_old:
        raise InputError(
            f"{target}: another submission of this name is there. Choose another --name, or take "
            "its place with --replace."
        )
    old = built.with_name(f"{built.name}.old")
    os.rename(target, old)  # noqa: PTH104
    try:
        os.rename(built, target)  # noqa: PTH104
    except OSError:
        os.rename(old, target)  # noqa: PTH104
        raise
    return False


def _is_same(target: Path, submission: Submission) -> bool:
    """Whether the metadata and the content of all files are the same."""
    if target.is_symlink() or not target.is_dir():
        return False
    try:
        same = parse((target / NAME).read_bytes()) == submission
    except (OSError, MetadataError):
        return False
    return same and files.digests(target) == dict(submission.files)
