"""What is wrong with a submission: where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pandalm_eval.errors import listing


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        where: the file or folder, told from the board's folder.
        what: what is wrong with it, and what to do.
        lines: numbers of the lines at fault, from 1; none where it is the whole file.

    >>> print(Fault("a/judgments_x.jsonl", "is no JSON", (3, 5)))
    a/judgments_x.jsonl: line 3, 5: is no JSON
    """

    where: str
    what: str
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        told = f" line {listing(self.lines)}:" if self.lines else ""
        return f"{self.where}:{told} {self.what}"


class Lines:
    """Gathers what is wrong with lines of one file; the same words are one fault."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._found: dict[str, list[int]] = {}

    def add(self, line: int, what: str) -> None:
        """Note what is wrong with a line."""
        self._found.setdefault(what, []).append(line)

    def faults(self) -> list[Fault]:
        """A fault for each thing that is wrong, in the order found."""
        return [Fault(self._where, what, tuple(lines)) for what, lines in self._found.items()]


def report(faults: Sequence[Fault], about: str) -> str:
    """All of them in one message, a line each."""
    return "\n".join([about, *(f"  {fault}" for fault in faults)])


def sorted_out(faults: Iterable[Fault]) -> list[Fault]:
    """By file, then line; each once."""
    return sorted(set(faults), key=lambda fault: (fault.where, fault.lines, fault.what))
