"""`pandalm-eval link` and `unlink`: let the bare `lm_eval` find our tasks, or no longer."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add both verbs."""
    text = "let the bare lm_eval of this environment find our tasks (stubs in its task folder)"
    parser = subparsers.add_parser("link", help=text, description=text)
    parser.set_defaults(handler=link)
    text = "remove what link wrote"
    parser = subparsers.add_parser("unlink", help=text, description=text)
    parser.set_defaults(handler=unlink)


def link(_: argparse.Namespace) -> int:
    """Write the stubs and name them."""
    from pandalm_eval import tasks_folder

    for stub in tasks_folder.link():
        print(stub)
    print("linked; `lm_eval --tasks 'pandalm_*'` finds the tasks now", file=sys.stderr)
    return 0


def unlink(_: argparse.Namespace) -> int:
    """Remove the stubs."""
    from pandalm_eval import tasks_folder

    removed = tasks_folder.unlink()
    print("unlinked" if removed else "nothing was linked", file=sys.stderr)
    return 0
