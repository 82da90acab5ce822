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
SMALL = (
    "The small models were never trained to judge. Under the verdict protocol they write prose, so "
    "that every reading is invalid and no accuracy can be claimed; by log-probabilities they name "
    "the response shown first in both orders, and what is left after averaging is worse than the "
    "longer response. They show that the way from pair to table works, not that such a judge does."
)
ALPACA = (
    "The answers are those that AlpacaEval released (CC BY-NC 4.0, research only): 805 prompts, "
    "one answer each, so that a prompt is one pair in every contest."
)
TRAINED = (
    "judge_training/judgments_pandalm_human_*.jsonl",
    "human/judgments_pandalm_human_*_SmolLM2-135M-Instruct.jsonl",
)
SECTIONS = (
    Section(
        "Judges against the human majority (999 pairs, 170 prompts)",
        ("human/*.jsonl",),
        JudgesTable.of,
        SMALL,
    ),
    Section("Judges against gpt-3.5-turbo as gold", ("gpt-3.5-turbo/*.jsonl",), JudgesTable.of),
    Section(
        "Five tuned models by people (Table 1 of the paper)",
        ("human/judgments_pandalm_human_single_PandaLM-7B.jsonl",),
        by_people,
        "Majority of three annotators; which run the labels are read from makes no difference. "
        "![order by people](figures/people_order.svg)",
    ),
    Section(
        "Five tuned models by released verdicts (Table 1 of the paper)",
        TEST_SET,
        ModelsTable.of,
        "One order, as released. Text without a verdict (`garbage`) is invalid here, not a tie. "
        "gpt-3.5-turbo finds the six differences that people find; PandaLM-7B, with more ties, "
        "only that of llama-7b and cerebras-gpt-6.7B.",
    ),
    Section(
        "11 systems of AlpacaEval by the longest answer",
        ("alpaca_eval/judgments_pandalm-compare_rule-longest.jsonl",),
        ModelsTable.of,
        f"{ALPACA} This says who writes at length, and no more: by this rule length decides all, "
        "so that a win rate at equal length is not identified in any contest.",
    ),
    Section(
        "10 systems of AlpacaEval against text_davinci_003 by GPT-4's released labels",
        ("alpaca_eval/judgments_pandalm-compare_GPT-4.jsonl",),
        ModelsTable.of,
        f"{ALPACA} One order, drawn by AlpacaEval for each pair. Candidates were compared with the "
        "baseline only; their ranks rest on tests of their scores against it. GPT-4's order is not "
        "that of length: gpt-3.5-turbo-0301 comes first here and fourth there. Whether GPT-4 is "
        "right, these files cannot say. ![order by GPT-4](figures/gpt-4_order.svg)",
    ),
    Section(
        "A small judge, trained",
        TRAINED,
        JudgesTable.of,
        "SmolLM2-135M-direct is SmolLM2-135M-Instruct after one pass over 2,791 of GPT-4's labels "
        "of AlpacaEval, none of them of a prompt of this set; "
        "[judge_training](judge_training/README.md) has the account. It learnt to judge: by "
        "log-probabilities from below chance to above the longer response, by .0310 [-.0029, "
        ".0665], which is less than the interval of the difference. By verdicts it is below it: "
        "the swap changes four verdicts in ten, and those pairs become ties. Most of what it "
        "learnt is length: it prefers the longer response in nine of ten decisive judgments. "
        "SmolLM2-135M-mixed learnt 1,200 of those labels and 1,200 pairs in which one response was "
        "made worse on purpose: it leans less on length (.8243), and is no better.",
    ),
    Section(
        "Variants of that training, on fewer examples",
        ("judge_variants/*.jsonl", "judge_training/judgments_*_rule-longest.jsonl"),
        JudgesTable.of,
        "What was varied stands in [judge_training](judge_training/README.md). None of them is "
        "told apart from the longer response. Qwen2.5-Coder-0.5B read the first 240 pairs only.",
    ),
    Section(
        "Hyperparameters that a small judge chose among 80, on prompts it had not chosen by",
        ("search/judgments_pandalm-compare_*.jsonl",),
        ModelsTable.of,
        "The chosen one against the default; [search](search/README.md) has the study and what it "
        "does not show.",
    ),
    Section(
        "A small judge against GPT-4's labels (a sample of 60 prompts of AlpacaEval)",
        ("alpaca_eval/judgments_pandalm-pairs_*.jsonl",),
        JudgesTable.of,
        "The small judge agrees with GPT-4 less often than the longest answer does, and not more "
        "than chance would have it (kappa). Nothing that it says of the systems should be "
        "believed; the next table is here to show what such a table looks like.",
    ),
    Section(
        "The same sample, systems by the small judge",
        ("alpaca_eval/judgments_pandalm-pairs_*.jsonl",),
        ModelsTable.of,
    ),
    Section(
        "Law and biomedicine, beside the human set",
        ("key/*.jsonl", "human/judgments_pandalm_human_logprob_*.jsonl"),
        DomainsTable.of,
        "By log-probabilities; where a row says so, over a random part of the pairs. BioASQ is "
        "12b, batch 1. The paper released no such pairs, so there is nothing to compare with. The "
        "small judges are at chance in law and biomedicine, as the rules are: kappa's interval "
        "holds 0 in every row, and position consistency is 0 or near it. So no drop of accuracy "
        "against the human set says anything of domains here; the sets differ in their shares of "
        "ties.",
    ),
    Section(
        "End to end: two small models answer 170 prompts, a third judges",
        ("end_to_end/*.jsonl",),
        ModelsTable.of,
        "SmolLM2-135M-Instruct, and a LoRA tuning of it on 320 answers of gpt-3.5-turbo-0301, "
        "judged by Qwen2.5-Coder-0.5B-Instruct. No difference is to be seen: .5 lies well inside "
        "the interval, and differences of less than about .07 could not be seen with 170 prompts. "
        "That judge is at chance on the human set, so the table could not tell a better tuning "
        "either.",
    ),
)


def part(section: Section) -> str:
    """Heading, table and text; nothing where there are no runs of the first pattern."""
    if not any(HERE.glob(section.runs[0])):
        return ""
    files = sorted(file for pattern in section.runs for file in HERE.glob(pattern))
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
