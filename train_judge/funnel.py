"""How many examples a step was given, left out and why, and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabulate import tabulate

from pandalm_eval.errors import InputError
from pandalm_eval.records import read_object


@dataclass
class Funnel:
    """Counts of one step.

    Attributes:
        step: its name.
        read: what it was given.
        dropped: by reason, in the order in which the reasons are looked at; zero counts stay.
        kept: what it wrote.
        notes: further figures, by name: texts, numbers, or mappings of them.
    """

    step: str
    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    kept: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, step: str, reasons: Iterable[str]) -> Funnel:
        """An empty one whose table will have a row for every reason."""
        return cls(step, dropped=dict.fromkeys(reasons, 0))

    def drop(self, reason: str, count: int = 1) -> None:
        """Count what is left out."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count

    def rows(self) -> list[tuple[str, int, int]]:
        """(what, how many, how many are left after it), from what was read to what was kept."""
        rows, left = [("read", self.read, self.read)], self.read
        for reason, count in self.dropped.items():
            left -= count
            rows.append((f"- {reason}", count, left))
        return [*rows, ("kept", self.kept, self.kept)]

    def table(self) -> str:
        """The funnel as a table of text, with the notes under it."""
        told = tabulate(self.rows(), headers=(self.step, "examples", "left"))
        return "\n".join([told, *self.told_notes()])

    def told_notes(self) -> list[str]:
        """The notes, one a line."""
        return [f"{name}: {_told(note)}" for name, note in self.notes.items()]

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "step": self.step,
            "read": self.read,
            "dropped": self.dropped,
            "kept": self.kept,
            "notes": self.notes,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Funnel:
        """What `record` gave; a KeyError where it is something else."""
        return cls(**{name: record[name] for name in ("step", "read", "dropped", "kept", "notes")})


def _told(note: Any) -> str:
    if not isinstance(note, Mapping):
        return str(note)
    return ", ".join(f"{name} {value}" for name, value in note.items()) or "none"


def funnel_file(output: Path) -> Path:
    """Where the funnel of an output stands: beside it."""
    return output.with_name(f"{output.name}.funnel.json")


def earlier(inputs: Iterable[Path]) -> list[dict[str, Any]]:
    """Funnels of the steps that made the inputs, the first step first; none where none is known."""
    found: dict[str, dict[str, Any]] = {}
    for path in inputs:
        beside = funnel_file(path)
        if not beside.is_file():
            continue
        record = read_object(beside)
        try:
            told = [*record["before"], Funnel.from_record(record).record()]
        except KeyError as error:
            raise InputError(
                f"{beside}: is no funnel of ours (it has no {error}). Put it aside."
            ) from None
        for one in told:
            found[json.dumps(one, sort_keys=True)] = one
    return list(found.values())
