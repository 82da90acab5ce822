"""`pandalm-eval tasks`: what can be run."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    text = "list our tasks with their protocol, one a line"
    parser = subparsers.add_parser("tasks", help=text, description=text)
    parser.set_defaults(handler=main)


def main(_: argparse.Namespace) -> int:
    """Print name, protocol and file of each task; how to reach them goes to standard error."""
    import yaml

    from pandalm_eval.tasks_folder import is_linked, task_files, tasks_folder

    class Loader(yaml.SafeLoader):
        """Reads our YAMLs without importing what `!function` names."""

    Loader.add_constructor("!function", lambda loader, node: str(node.value))
    for path in task_files():
        config = yaml.load(path.read_text("utf-8"), Loader=Loader)
        if shared := config.get("include"):
            config = yaml.load((path.parent / shared).read_text("utf-8"), Loader=Loader) | config
        protocol = config.get("dataset_kwargs", {}).get("protocol", "-")
        print(f"{config.get('task') or config.get('group')}\t{protocol}\t{path}")
    how = "found by the bare lm_eval" if is_linked() else f"--include_path {tasks_folder()}"
    print(f"run them with `pandalm-eval run`, or: {how}", file=sys.stderr)
    return 0
