"""`pandalm-eval data list|fetch|verify`: answers on standard output, all else on standard error."""

from __future__ import annotations

import argparse  # alone up here: every command pays for what stands at the top of this file
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Add `data` and its three commands; each sets `handler`, which returns an exit code."""
    parser = subparsers.add_parser("data", help="list, fetch and verify the data sets")
    commands = parser.add_subparsers(
        dest="data_command", required=True, metavar="list|fetch|verify"
    )
    for name, handler, what in (
        ("list", show, "what belongs into the data folder, and what is there"),
        ("fetch", fetch, "download what is missing, from pinned commits"),
        ("verify", verify, "compare what is there with its checksums"),
    ):
        command = commands.add_parser(name, help=what, description=f"{what.capitalize()}.")
        command.add_argument("names", nargs="*", metavar="NAME", help="set or file; default: all")
        command.add_argument(
            "--data_dir", metavar="DIR", help="data folder; default: PANDALM_DATA, else a cache"
        )
        if name == "fetch":
            command.add_argument(
                "--force", action="store_true", help="replace files whose content differs"
            )
        command.set_defaults(handler=handler)


def show(args: argparse.Namespace) -> int:
    """`data list`: one line a file.

    Raises:
        PandaLMError: unknown names (UsageError), unreadable files or no folder (InputError).
    """
    from tabulate import tabulate

    from pandalm_eval import data

    rows = [
        {
            "file": file.path,
            "status": status,
            "records": file.records or "-",
            "bytes": file.bytes or "-",
            "licence": file.licence,
            "from": f"{file.repository} @ {file.commit}" if file.repository else "its owner",
        }
        for file, status in data.listing(args.names, args.data_dir)
    ]
    _say(f"data folder: {data.data_folder(args.data_dir)}")
    print(tabulate(rows, headers="keys", tablefmt="plain"))
    return 0


def fetch(args: argparse.Namespace) -> int:
    """`data fetch`: one line a file, `fetched` or `present`.

    Raises:
        PandaLMError: as `pandalm_eval.data.fetch`.
    """
    from pandalm_eval import data

    fetched = data.fetch(args.names, args.data_dir, force=args.force)
    _say(f"data folder: {data.data_folder(args.data_dir)}")
    for file in data.choose(args.names):
        if file.repository:
            print("fetched" if file.path in fetched else "present", file.path, sep="  ")
        else:
            _say(f"not fetched: {file.path}: {file.note}")
    return 0


def verify(args: argparse.Namespace) -> int:
    """`data verify`: one line a file; exit code 1 where one is missing or changed.

    Raises:
        PandaLMError: unknown names (UsageError), unreadable files or no folder (InputError).
    """
    from pandalm_eval import data

    states = data.verify(args.names, args.data_dir)
    for state in states:
        found = f"  expected {state.expected}, found {state.found}" * (state.status == "changed")
        print(f"{state.status:<7}  {state.path}{found}")
    if faulty := sum(state.status != "ok" for state in states):
        _say(f"{faulty} of {len(states)} files missing or changed: `pandalm-eval data fetch`")
    return int(faulty > 0)


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr)
