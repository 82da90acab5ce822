"""Write `results/README.md` from the committed judgments; `--check` fails where it is stale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pandalm_eval.results import Run, read_runs
from pandalm_eval.tables.domains import DomainsTable
from pandalm_eval.tables.judges import JudgesTable
from pandalm_eval.tables.models import ModelsTable
from pandalm_eval.tables.render import Table, render

HERE = Path(__file__).resolve().parent
HEAD = """# Results

Made by `make tables` from the `judgments_*.jsonl` below this folder; do not edit. Judgments hold
ids, hashes, verdicts and lengths, no text of any data set; the `manifest_*.json` beside each has
arguments, versions, seeds and counts of its run. [COMMANDS.md](COMMANDS.md) has the commands.
"""


@dataclass(frozen=True)
class Section:
    """A table of the page.

    Attributes:
        title: its heading.
        runs: judgments files below this folder.
        table: what is made of them.
        text: what it does and does not support.
    """

    title: str
    runs: Sequence[str]
    table: Callable[[Sequence[Run]], Table]
    text: str = ""


def by_people(runs: Sequence[Run]) -> ModelsTable:
    """Candidates as the gold labels see them."""
    return ModelsTable.of(runs, gold=True)


TEST_SET = ("human/judgments_pandalm_human_single_*.jsonl",)
ALPACA = """The answers are those that AlpacaEval released (CC BY-NC 4.0); 805 prompts, one answer
each, so that a prompt is one pair in every contest."""
SECTIONS = (
    Section(
        "Judges against the human majority (999 pairs, 170 prompts)",
        ("human/*.jsonl",),
        JudgesTable.of,
    ),
    Section("Judges against gpt-3.5-turbo as gold", ("gpt-3.5-turbo/*.jsonl",), JudgesTable.of),
    Section(
        "Five tuned models by people (Table 1 of the paper)",
        ("human/judgments_pandalm_human_single_PandaLM-7B.jsonl",),
        by_people,
        "Majority of three annotators; which run the labels are taken from makes no difference.",
    ),
    Section(
        "Five tuned models by released verdicts (Table 1 of the paper)",
        TEST_SET,
        ModelsTable.of,
        "One order, as released. Text without a verdict (`garbage`) is invalid here, not a tie. "
        "PandaLM-7B finds one significant difference fewer than people; both judges and the people "
        "agree on the direction of every difference that all three find.",
    ),
    Section(
        "11 systems of AlpacaEval by the longest answer",
        ("alpaca_eval/judgments_pandalm-compare_rule-longest.jsonl",),
        ModelsTable.of,
        ALPACA,
    ),
    Section(
        "10 systems of AlpacaEval against text_davinci_003 by GPT-4's released labels",
        ("alpaca_eval/judgments_pandalm-compare_GPT-4.jsonl",),
        ModelsTable.of,
        ALPACA,
    ),
    Section(
        "A small judge against GPT-4's labels (a sample of 60 prompts of AlpacaEval)",
        ("alpaca_eval/judgments_pandalm-pairs_*.jsonl",),
        JudgesTable.of,
    ),
    Section(
        "The same sample, candidates by the small judge",
        ("alpaca_eval/judgments_pandalm-pairs_*.jsonl",),
        ModelsTable.of,
    ),
    Section("Law and biomedicine, beside the human set", ("key/*.jsonl",), DomainsTable.of),
    Section(
        "End to end: two small models answer 170 prompts, a third judges",
        ("end_to_end/*.jsonl",),
        ModelsTable.of,
    ),
)


def part(section: Section) -> str:
    """Heading, table and text; nothing where there are no runs."""
    files = sorted(file for pattern in section.runs for file in HERE.glob(pattern))
    if not files:
        return ""
    table = render(section.table(read_runs(files)), "markdown")
    text = f"\n{section.text}\n" if section.text else ""
    return f"## {section.title}\n\n{table}\n{text}"


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    target = HERE / "README.md"
    text = "\n".join([HEAD, *filter(None, map(part, SECTIONS))])
    if "--check" not in arguments:
        target.write_text(text, encoding="utf-8")
        return 0
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return 0
    print("results/README.md is stale; run `make tables`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
