"""The files of a submission: plain files of known names, with the content they were added with."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pandalm_eval.leaderboard import metadata
from pandalm_eval.leaderboard.faults import Fault
from pandalm_eval.leaderboard.metadata import MetadataError, Submission
from pandalm_eval.results import manifest_beside

JUDGMENTS = re.compile(r"judgments_[A-Za-z0-9._-]+\.jsonl")
MANIFEST = re.compile(r"manifest_[A-Za-z0-9._-]+\.json")
_BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Folder:
    """A submission's folder.

    Attributes:
        path: where it is.
        submission: its metadata, None where they cannot be read.
        judgments: its judgments files, by name.
        faults: what is wrong with names, kinds and digests of files.
    """

    path: Path
    submission: Submission | None
    judgments: list[Path] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def open_folder(path: Path) -> Folder:
    """What stands in a folder; follows no symbolic link."""
    faults: list[Fault] = []
    plain = dict(_plain_files(path, faults))
    submission = _metadata(path, plain, faults)
    others = set(submission.other_files) if submission else set()
    judgments = [file for name, file in sorted(plain.items()) if JUDGMENTS.fullmatch(name)]
    faults += [
        Fault(
            f"{path.name}/{name}",
            "belongs to no submission (judgments_*.jsonl, manifest_*.json, "
            f"{metadata.NAME}). Take it away, or name it in other_files.",
        )
        for name in sorted(set(plain) - others - {metadata.NAME})
        if not JUDGMENTS.fullmatch(name) and not MANIFEST.fullmatch(name)
    ]
    faults += [
        Fault(f"{path.name}/{file.name}", f"its {beside} is missing; `redact` writes both.")
        for file in judgments
        if (beside := manifest_beside(file).name) not in plain
    ]
    known = {manifest_beside(file).name for file in judgments}
    faults += [
        Fault(f"{path.name}/{name}", "its judgments file is missing.")
        for name in sorted(set(plain) - known)
        if MANIFEST.fullmatch(name)
    ]
    if not judgments:
        faults.append(Fault(path.name, "holds no judgments_*.jsonl."))
    if submission is not None:
        faults += _digest_faults(path, plain, submission)
    return Folder(path, submission, judgments, faults)


def digests(path: Path) -> dict[str, str]:
    """sha256 by name of the judgments and manifests of a folder."""
    faults: list[Fault] = []
    return {
        name: digest(file)
        for name, file in sorted(_plain_files(path, faults))
        if JUDGMENTS.fullmatch(name) or MANIFEST.fullmatch(name)
    }


def digest(path: Path) -> str:
    """sha256 of a file's content, 64 hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def _plain_files(path: Path, faults: list[Fault]) -> Iterator[tuple[str, Path]]:
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            yield entry.name, Path(entry.path)
            continue
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "a folder or device"
        faults.append(
            Fault(
                f"{path.name}/{entry.name}",
                f"is {kind}; a submission holds plain files only. Put the file itself there.",
            )
        )


def _metadata(path: Path, plain: dict[str, Path], faults: list[Fault]) -> Submission | None:
    where = f"{path.name}/{metadata.NAME}"
    if metadata.NAME not in plain:
        faults.append(Fault(where, "is missing; `pandalm-eval leaderboard add` writes it."))
        return None
    try:
        with plain[metadata.NAME].open("rb") as stream:
            return metadata.parse(stream.read(metadata.LARGEST + 1))
    except MetadataError as error:
        faults += [Fault(where, f"{fault}.") for fault in error.faults]
        return None


def _digest_faults(path: Path, plain: dict[str, Path], submission: Submission) -> list[Fault]:
    faults = []
    checked = [name for name in plain if JUDGMENTS.fullmatch(name) or MANIFEST.fullmatch(name)]
    for name in sorted(set(checked) | set(submission.files)):
        where, told = f"{path.name}/{name}", submission.files.get(name)
        if name not in plain:
            faults.append(Fault(where, f"is missing, but {metadata.NAME} has its digest."))
        elif told is None:
            faults.append(
                Fault(where, f"has no digest in {metadata.NAME}: `pandalm-eval leaderboard add`.")
            )
        elif digest(plain[name]) != told:
            faults.append(
                Fault(
                    where,
                    f"was changed since it was added: its content has another digest than in "
                    f"{metadata.NAME}. Put the file back, or add the run anew with --replace.",
                )
            )
    return faults
