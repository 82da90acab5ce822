"""The data card that stands beside exported examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tabulate import tabulate

from pandalm_eval import __version__
from pandalm_eval.verdicts import LABELS, Verdict
from train_judge.examples import Example
from train_judge.funnel import Funnel
from train_judge.released import ALPACA_EVAL

KNOWN_LICENCES = {ALPACA_EVAL: "CC BY-NC 4.0 (research only)"}

_MEASURED = ("instruction and input", "response", "reason", "reference", "output_sequence")


@dataclass
class Lengths:
    """Mean and largest length of a field, in characters."""

    count: int = 0
    total: int = 0
    longest: int = 0

    def add(self, text: str) -> None:
        """Measure one more text."""
        self.count += 1
        self.total += len(text)
        self.longest = max(self.longest, len(text))

    @property
    def mean(self) -> float:
        """0 where nothing was measured."""
        return self.total / self.count if self.count else 0.0


@dataclass
class Part:
    """What is counted of one of the exported files."""

    examples: int = 0
    prompts: set[int] = field(default_factory=set)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    with_reason: int = 0
    with_reference: int = 0
    lengths: dict[str, Lengths] = field(
        default_factory=lambda: {name: Lengths() for name in _MEASURED}
    )

    def add(self, example: Example, prompt: int, source: str, output_sequence: str) -> None:
        """Count one example."""
        self.examples += 1
        self.prompts.add(prompt)
        self.verdicts[example.verdict] += 1
        self.sources[source] += 1
        self.with_reason += bool(example.reason)
        self.with_reference += bool(example.reference)
        self.lengths["instruction and input"].add(example.instruction + example.input)
        self.lengths["response"].add(example.response1)
        self.lengths["response"].add(example.response2)
        self.lengths["reason"].add(example.reason)
        self.lengths["reference"].add(example.reference)
        self.lengths["output_sequence"].add(output_sequence)


def data_card(
    parts: Mapping[str, Part], funnels: Iterable[Funnel], licences: Mapping[str, str]
) -> str:
    """The card as Markdown.

    Args:
        parts: by the name of their file.
        funnels: of the steps that made the examples, the first step first.
        licences: by source.
    """
    sources: Counter[str] = sum((part.sources for part in parts.values()), Counter())
    known = KNOWN_LICENCES | dict(licences)
    return (
        "\n\n".join(
            [
                "# Training examples of a pairwise judge",
                f"Made by `train_judge` {__version__}. A record has `instruction`, `input`, "
                "`response1`, `response2`, `verdict` (first, second, tie), `reason`, `reference`, "
                "and `input_sequence` and `output_sequence`: the prompt as the judge reads it, and "
                "what it learns to write. Prompts are split whole: none stands in both files.",
                "## Sources",
                tabulate(
                    [(name, n, known.get(name, "not told")) for name, n in sorted(sources.items())],
                    ("source", "examples", "licence"),
                    tablefmt="github",
                ),
                "The licences of the responses' own models and prompts may ask for more.",
                "## Examples",
                tabulate([_row(*part) for part in parts.items()], _COLUMNS, tablefmt="github"),
                "## Lengths in characters: mean (longest)",
                tabulate(
                    [
                        (name, *(f"{le.mean:.0f} ({le.longest})" for le in part.lengths.values()))
                        for name, part in parts.items()
                    ],
                    ("file", *_MEASURED),
                    tablefmt="github",
                ),
                "## How they were chosen",
                *(_funnel(funnel) for funnel in funnels),
            ]
        )
        + "\n"
    )


_COLUMNS = (
    *("file", "examples", "prompts", "first", "second", "tie"),
    *("with a reason", "with a reference"),
)


def _row(name: str, part: Part) -> tuple[str, ...]:
    shares = [f"{part.verdicts[v] / max(part.examples, 1):.1%}" for v in LABELS]
    counts = part.examples, len(part.prompts)
    told = part.with_reason, part.with_reference
    return (name, *map(str, counts), *shares, *map(str, told))


def _funnel(funnel: Funnel) -> str:
    rows = tabulate(funnel.rows(), (funnel.step, "examples", "left"), tablefmt="github")
    notes = [f"- {line}" for line in funnel.told_notes()]
    return "\n\n".join([rows, "\n".join(notes)] if notes else [rows])
