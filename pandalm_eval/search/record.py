"""Optuna's record of a study: a journal in its folder, or a database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pandalm_eval.errors import InputError, PandaLMError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_storage(place: str | Path) -> BaseStorage:
    """The storage of a journal's path, or of a database's URL."""
    import optuna

    return _open_journal(place) if isinstance(place, Path) else optuna.storages.RDBStorage(place)


@contextlib.contextmanager
def explained(place: str | Path) -> Iterator[None]:
    """Tell what the storage, its disk or its database raises as an InputError."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except PandaLMError:
        raise
    except (OSError, ValueError, ImportError, SQLAlchemyError, StorageInternalError) as error:
        told = " ".join(str(error).split())[:200]
        raise InputError(
            f"{place}: the study's record cannot be read or written ({told}). Once that is mended, "
            "the same command goes on."
        ) from None


def _open_journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    class Journal(JournalFileBackend):
        """A journal whose last line may have been cut off, by a kill or a full disk.

        What follows such a line would be unreadable for ever; so it is taken off first. It was
        never acted on: whoever wrote it was told of an error, or was no more.
        """

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            with tail:
                _cut_torn_line(path)
                super().append_logs(logs)

    tail = FileLock(f"{path}.tail.lock")
    with tail:
        _cut_torn_line(path)
    lock: Any = _KernelLock(path)
    return JournalStorage(Journal(str(path), lock_obj=lock))


class _KernelLock:
    """Optuna's own locks are files that a killed holder leaves behind; this one is freed."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(f"{path}.lock")

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
