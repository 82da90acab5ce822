"""Where our task YAMLs stand, and the reversible step that lets the bare `lm_eval` find them.

The harness finds tasks below its own `lm_eval/tasks/` and below `--include_path`; it has no
discovery of installed task packages. `link` therefore writes a folder of one-line stubs there, each
of which includes a YAML of ours. The folder is ours alone and `unlink` removes it whole.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

from pandalm_eval.errors import InputError

_FOLDER = "pandalm_eval"
_MARK = "linked-by-pandalm-eval.txt"
_MARK_TEXT = (
    "This folder was written by `pandalm-eval link`; `pandalm-eval unlink` removes it.\n"
    "Tasks stand in: {source}\n"
)


def tasks_folder() -> Path:
    """Folder of our task YAMLs: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "tasks"
    return installed if installed.is_dir() else package.parent / "tasks"


def task_files() -> list[Path]:
    """Every YAML that declares a task or a group, sorted."""
    return sorted(tasks_folder().rglob("*.yaml"))


def harness_tasks_folder() -> Path:
    """`lm_eval/tasks/` of the harness in this environment.

    Raises:
        InputError: the harness is not installed here.
    """
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("lm_eval is not installed in this environment; install it first.")
    return Path(next(iter(spec.submodule_search_locations))) / "tasks"


def link_folder() -> Path:
    """The folder that `link` writes."""
    return harness_tasks_folder() / _FOLDER


def is_linked() -> bool:
    """Whether the bare `lm_eval` of this environment finds our present tasks."""
    folder = link_folder()
    stubs = {path.name: path for path in folder.glob("*.yaml")}
    return bool(stubs) and all(
        path.name in stubs and stubs[path.name].read_text("utf-8") == _stub(path)
        for path in task_files()
    )


def link() -> list[Path]:
    """Write the stubs, replacing those of an earlier link; returns them.

    Raises:
        InputError: the folder cannot be written, or is not ours.
    """
    folder = link_folder()
    unlink()
    try:
        folder.mkdir(parents=True)
        (folder / _MARK).write_text(_MARK_TEXT.format(source=tasks_folder()), encoding="utf-8")
        # An editable harness is a git checkout: keep the stubs out of its `git status`.
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        stubs = []
        for path in task_files():
            stub = folder / path.name
            stub.write_text(_stub(path), encoding="utf-8")
            stubs.append(stub)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}). Give yourself the right to write "
            f"there, or run with --include_path {tasks_folder()}."
        ) from None
    return stubs


def unlink() -> bool:
    """Remove what `link` wrote; returns whether there was anything.

    Raises:
        InputError: a folder of that name is not ours, or cannot be removed.
    """
    folder = link_folder()
    if not folder.exists():
        return False
    if not (folder / _MARK).is_file():
        raise InputError(f"{folder}: was not written by `pandalm-eval link`; it is left alone.")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be removed ({error.strerror}).") from None
    return True


def _stub(path: Path) -> str:
    # JSON strings are YAML strings, whatever the path holds.
    return f"include: {json.dumps(str(path))}\n"
