"""`pandalm-eval leaderboard add|check|build`: a folder of submissions that anyone can check."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pandalm_eval.errors import InputError, UsageError

if TYPE_CHECKING:
    from pandalm_eval.leaderboard.check import CheckedBoard
    from pandalm_eval.leaderboard.metadata import Submission

_FLAGS = {
    "submitter": "a person or group",
    "date": "YYYY-MM-DD; default: today",
    "contact": "how to reach the submitter",
    "note": "anything else a reader must know",
    "link": "where the judge can be had: a link, or none",
    "licence": "of its weights or terms, or unknown",
    "training_data": "what it was trained on, or unknown",
}
_OF_THE_JUDGE = ("link", "licence", "training_data")


def add_parser(subparsers: Any) -> None:
    """Add `leaderboard` and its three commands."""
    text = "keep a leaderboard of judges: add runs, check them, build its tables"
    parser = subparsers.add_parser("leaderboard", help=text, description=text)
    commands = parser.add_subparsers(
        dest="leaderboard_command", required=True, metavar="add|check|build"
    )
    for name, handler, what in (
        ("add", add, "put runs into a leaderboard, without text, checked, whole or not at all"),
        ("check", check, "check every submission by computing its figures anew"),
        ("build", build, "check, and write the tables: Markdown, CSV, LaTeX, JSON and a page"),
    ):
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        if name == "add":
            _add_flags(command)
        else:
            command.add_argument("board", metavar="BOARD", type=Path, help="its folder")
        command.add_argument(
            "--data_dir", metavar="DIR", help="data folder; default: PANDALM_DATA, else a cache"
        )
        if name == "build":
            command.add_argument(
                *("-o", "--output"),
                type=Path,
                metavar="DIR",
                help="where to write; default: BOARD/leaderboard",
            )
            command.add_argument(
                "--check",
                action="store_true",
                help="write nothing; exit code 1 and their names if files are stale",
            )
        command.set_defaults(handler=handler)


def _add_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        *("results",),
        nargs="+",
        metavar="RESULT",
        type=Path,
        help="folders or files of runs, with or without text; or a folder inside the board",
    )
    command.add_argument("--board", required=True, metavar="DIR", type=Path)
    command.add_argument(
        "--metadata", metavar="FILE", type=Path, help="YAML, see docs/leaderboard.md; or flags:"
    )
    for flag, what in _FLAGS.items():
        command.add_argument(f"--{flag}", metavar="TEXT", help=what)
    command.add_argument(
        "--name", metavar="FOLDER", help="the submission's folder; default: the judge's name"
    )
    command.add_argument(
        "--replace", action="store_true", help="take the place of the submission of this name"
    )
    command.add_argument(
        "--restate",
        action="store_true",
        help="compute errors and intervals anew that another version stated",
    )


def add(arguments: argparse.Namespace) -> int:
    """`leaderboard add`: the answer is the submission's folder."""
    from pandalm_eval.leaderboard.add import add

    added = add(
        arguments.results,
        arguments.board,
        _submission(arguments),
        name=arguments.name,
        replace_old=arguments.replace,
        restate=arguments.restate,
        data_dir=arguments.data_dir,
    )
    for remark in added.remarks:
        _say(f"note: {remark}")
    if added.unchanged:
        _say("nothing to do: the same submission is there already")
    print(added.folder)
    return 0


def _submission(arguments: argparse.Namespace) -> Submission:
    """What file or flags tell."""
    from pandalm_eval.leaderboard.metadata import MetadataError, parse, read

    flags = {flag: told for flag in _FLAGS if (told := getattr(arguments, flag)) is not None}
    if arguments.metadata is not None:
        if flags:
            raise UsageError(f"--metadata and --{next(iter(flags))} exclude each other.")
        try:
            return parse(arguments.metadata.read_bytes())
        except OSError as error:
            raise InputError(f"{arguments.metadata}: cannot be read ({error.strerror}).") from None
        except MetadataError as error:
            raise InputError(f"{arguments.metadata}: {error}.") from None
    import datetime

    from pandalm_eval.results import read_runs

    card = {name: flags.pop(name) for name in _OF_THE_JUDGE if name in flags}
    judges = {run.name.judge for run in read_runs(arguments.results)}
    if len(judges) > 1:
        raise UsageError(
            f"the results are of {len(judges)} judges ({', '.join(sorted(judges))}), and flags "
            "tell of one. Write --metadata FILE."
        )
    flags.setdefault("date", datetime.datetime.now(datetime.UTC).date().isoformat())
    try:
        return read(flags | {"judges": dict.fromkeys(judges, card)})
    except MetadataError as error:
        raise UsageError(f"{error}. Tell it by flags, or by --metadata FILE.") from None


def check(arguments: argparse.Namespace) -> int:
    """`leaderboard check`: one line a submission; exit code 1 where one is at fault."""
    checked = _checked(arguments)
    for one in checked.submissions:
        faulty = any(fault.where.split("/")[0] == one.name for fault in checked.faults)
        print(f"{'faulty' if faulty else 'ok':<7} {one.name}  ({len(one.runs)} runs)")
    return int(bool(checked.faults))


def build(arguments: argparse.Namespace) -> int:
    """`leaderboard build`: the files' names; nothing is written of a board at fault."""
    from pandalm_eval.leaderboard import build

    checked = _checked(arguments)
    if checked.faults:
        return 1
    made = build.pages(checked, build.title_of(arguments.board))
    folder = arguments.output or build.default_folder(arguments.board)
    stale = build.stale(made, folder)
    if arguments.check:
        for name in stale:
            print(folder / name)
        if stale:
            _say(f"{len(stale)} files are stale: `pandalm-eval leaderboard build`")
        return int(bool(stale))
    build.write(made, folder)
    for name in made:
        print(folder / name)
    return 0


def _checked(arguments: argparse.Namespace) -> CheckedBoard:
    from pandalm_eval.leaderboard.check import check_board

    checked = check_board(arguments.board, arguments.data_dir)
    for remark in checked.remarks:
        _say(f"note: {remark}")
    for fault in checked.faults:
        _say(str(fault))
    return checked


def _say(text: str) -> None:
    print(text, file=sys.stderr)
