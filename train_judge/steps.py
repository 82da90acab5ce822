"""What every step of the data pipeline does around its work.

An output appears whole or not at all, one process at a time writes it, and what is there already,
made from the same inputs and settings, is not made again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

from filelock import FileLock, Timeout
from tqdm import tqdm

from pandalm_eval import __version__
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.exit_codes import ended
from pandalm_eval.pairs import clean_text
from pandalm_eval.records import read_object
from train_judge.funnel import Funnel, earlier, funnel_file

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Step:
    """One step on its way to its outputs.

    Attributes:
        name: the command's.
        outputs: the files that it writes; the first one names the funnel.
        inputs: the files that it reads.
        settings: what else its outputs depend on; JSON.
    """

    name: str
    outputs: tuple[Path, ...]
    inputs: tuple[Path, ...]
    settings: Mapping[str, Any]

    def run(self, work: Callable[[Sequence[TextIO]], Funnel], *, again: bool = False) -> None:
        """Do the work and print its funnel; where it is done already, say so and print that.

        Args:
            work: writes to the outputs, and returns the funnel. A funnel whose notes have
                `unfinished` is written, but the step counts as not done.
            again: do it anyway.

        Raises:
            InputError: an input is missing, an output cannot be written, or another process is
                writing it. What stood there before is then untouched.
        """
        if same := {p.resolve() for p in self.inputs} & {p.resolve() for p in self.outputs}:
            raise UsageError(f"{same.pop()}: is input and output. Name another output.")
        with _alone(self.outputs[0]):
            fingerprint = self._fingerprint()
            if not again and (done := self._done(fingerprint)):
                print(done.table())
                print(
                    f"{self.outputs[0]}: is complete, made from the same inputs and settings; "
                    "nothing to do (--again makes it anew).",
                    file=sys.stderr,
                )
                return
            with contextlib.ExitStack() as files:
                funnel = work([files.enter_context(written(path)) for path in self.outputs])
            self._write_funnel(funnel, fingerprint)
        print(funnel.table())

    def _fingerprint(self) -> str:
        told = {
            "step": self.name,
            "version": __version__,
            "settings": dict(self.settings),
            "inputs": [checksum(path) for path in self.inputs],
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _done(self, fingerprint: str) -> Funnel | None:
        beside = funnel_file(self.outputs[0])
        try:
            record = read_object(beside)
            sizes = {path.name: path.stat().st_size for path in self.outputs}
            funnel = Funnel.from_record(record)
        except (InputError, OSError, KeyError):
            return None
        told = record.get("fingerprint"), record.get("outputs")
        return funnel if told == (fingerprint, sizes) and _is_finished(funnel) else None

    def _write_funnel(self, funnel: Funnel, fingerprint: str) -> None:
        record = funnel.record() | {
            "settings": dict(self.settings),
            "inputs": [path.name for path in self.inputs],
            "outputs": {path.name: path.stat().st_size for path in self.outputs},
            "fingerprint": fingerprint,
            "before": earlier(self.inputs),
        }
        with written(funnel_file(self.outputs[0])) as file:
            json.dump(record, file, ensure_ascii=False, indent=1)
            file.write("\n")


def _is_finished(funnel: Funnel) -> bool:
    return not funnel.notes.get("unfinished")


def checksum(path: Path) -> str:
    """SHA-256 of a file; an InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the path.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Hold the output's lock; the system lets go of it when the process ends, however it does."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{output}.lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"{output}: another process is writing it. Let it end, or name another output."
        ) from None
    except OSError as error:
        raise InputError(
            f"{error.filename or output}: cannot be written ({error.strerror or error}). Make room "
            "or name another output; what stood there is untouched."
        ) from None


@contextlib.contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """A new file that takes its place, whole and on the disk, when the block ends without error."""
    temporary = path.with_name(f".{path.name}.tmp")  # one name: the next run clears a killed one's
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write in one step: what stands there is the old or the new content, whole."""
    with written(path) as file:
        json.dump(content, file, indent=1)


def write_record(file: TextIO, record: Mapping[str, Any]) -> None:
    """One line of JSONL."""
    file.write(clean_text(json.dumps(record, ensure_ascii=False)))
    file.write("\n")


def watched(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """The items under a progress bar, which shows itself after some seconds, on a terminal only."""
    bar = tqdm(items, what, total, unit="", delay=3, leave=False, disable=None)
    yield from bar


def command(main: Callable[[Sequence[str]], None], arguments: Sequence[str] | None = None) -> int:
    """Run a step's `main`; returns the exit code: 0 done, 1 input at fault, 2 usage at fault."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    def work() -> int:
        main(sys.argv[1:] if arguments is None else arguments)
        return 0

    return ended("train_judge", work, "interrupted; the same command goes on from here")


def add_output(parser: argparse.ArgumentParser, what: str, metavar: str = "FILE") -> None:
    """The flags that every step has."""
    parser.add_argument("--output", "-o", type=Path, required=True, metavar=metavar, help=what)
    parser.add_argument("--again", action="store_true", help="make the output anew if it is there")
