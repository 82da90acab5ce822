"""Write `results/README.md` from the committed judgments; `--check` fails where it is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from pandalm_eval.results import Run, read_runs
from pandalm_eval.tables.domains import DomainsTable, domain_of
from pandalm_eval.tables.judges import JudgesTable
from pandalm_eval.tables.render import render

HERE = Path(__file__).resolve().parent
TABLES = {
    "human": "Judges against the human majority (999 pairs, 170 prompts)",
    "gpt-3.5-turbo": "Judges against gpt-3.5-turbo as gold",
}
HEAD = """# Results

Made by `make tables` from the `judgments_*.jsonl` below this folder; do not edit. Judgments hold
ids, hashes, verdicts and lengths, no text of any data set; the `manifest_*.json` beside each has
arguments, versions, seeds and counts of its run. [COMMANDS.md](COMMANDS.md) has the commands.
"""


def page(runs: list[Run]) -> str:
    """The whole page."""
    parts = [HEAD]
    for gold, title in TABLES.items():
        chosen = [run for run in runs if run.name.gold_source == gold]
        if chosen:
            parts.append(f"## {title}\n\n{render(JudgesTable.of(chosen), 'markdown')}\n")
    if any(domain_of(run) for run in runs):
        table = render(DomainsTable.of(runs), "markdown")
        parts.append(f"## Law and biomedicine, beside the human set\n\n{table}\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    target = HERE / "README.md"
    text = page(read_runs(sorted(HERE.rglob("judgments_*.jsonl"))))
    if "--check" not in arguments:
        target.write_text(text, encoding="utf-8")
        return 0
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return 0
    print("results/README.md is stale; run `make tables`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
