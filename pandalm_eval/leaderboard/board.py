"""A leaderboard's folder: which of its folders are submissions.

Every folder below it that holds a `submission.yaml` or judgments is one, unless `board.yaml` names
it among `other_folders`. Names that begin with a dot are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pandalm_eval.errors import InputError, listing
from pandalm_eval.leaderboard import metadata
from pandalm_eval.leaderboard.faults import Fault
from pandalm_eval.leaderboard.folder import JUDGMENTS
from pandalm_eval.leaderboard.plain_text import fault_of_text

BOARD = "board.yaml"
BUILT = "leaderboard"
"""The folder in which `build` writes by default; no submission is called so."""


@dataclass(frozen=True, slots=True)
class Board:
    """What `board.yaml` may say.

    Attributes:
        title: of the built pages.
        other_folders: folders with judgments that are no submissions.
    """

    title: str = "Leaderboard"
    other_folders: tuple[str, ...] = ()


def read_board(path: Path) -> Board:
    """The settings of a leaderboard's folder; those by default where it has no `board.yaml`.

    Raises:
        InputError: no such folder, or what is wrong with the file.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such folder. Name the folder of a leaderboard.")
    file = path / BOARD
    if not file.exists() and not file.is_symlink():
        return Board()
    if file.is_symlink() or not file.is_file():
        raise InputError(f"{file}: is no plain file.")
    try:
        told = metadata.mapping(file.read_bytes())
    except metadata.MetadataError as error:
        raise InputError(f"{file}: {error}.") from None
    if not isinstance(told, Mapping) or (unknown := sorted(set(told) - {"title", "other_folders"})):
        found = f"unknown key {listing(unknown)}" if isinstance(told, Mapping) else "no mapping"
        raise InputError(f"{file}: {found}; known are title and other_folders.")
    title, others = told.get("title", Board().title), told.get("other_folders") or []
    if wrong := fault_of_text(title):
        raise InputError(f"{file}: title {wrong}.")
    if not isinstance(others, list) or not all(isinstance(name, str) for name in others):
        raise InputError(f"{file}: other_folders: a list of folder names is needed.")
    return Board(title, tuple(others))


def folders_of(path: Path) -> tuple[list[Path], list[Fault]]:
    """The submissions below a leaderboard's folder by name, and what cannot be one.

    Raises:
        InputError: as `read_board`, or there is none.
    """
    board, found, faults = read_board(path), [], []
    for folder in sorted(path.iterdir()):
        if folder.name.startswith(".") or folder.name in board.other_folders:
            continue
        if folder.is_symlink() and folder.is_dir():
            faults.append(
                Fault(folder.name, "is a symbolic link; a submission is a folder of its own.")
            )
        elif folder.is_dir() and _is_submission(folder):
            found.append(folder)
    if not found and not faults:
        raise InputError(
            f"{path}: holds no submission. `pandalm-eval leaderboard add` puts the first one there."
        )
    return found, faults


def _is_submission(folder: Path) -> bool:
    return any(
        entry.name == metadata.NAME or JUDGMENTS.fullmatch(entry.name) for entry in folder.iterdir()
    )
