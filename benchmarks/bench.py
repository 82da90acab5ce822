"""`make bench`: what judging, tables, training and searching cost, in one run on one machine.

Writes BENCH.md and BENCH.json. Without options everything is read from what is installed: the
demo's judge and the demo's pairs.

    python benchmarks/bench.py --file testset-v1.json --output bench-output
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import judging
import search_simulation
import train_speed
import without_model
from lm_eval.utils import simple_parse_args_string
from surroundings import machine
from tqdm import tqdm

from pandalm_eval.demo.__main__ import small_judge
from pandalm_eval.pairs import Pair

VERDICT = "`pandalm_human_verdict`"
SEARCHES = ("sequential", "halving 1/8", "adaptive 1/8")
SET = 999  # pairs of the PandaLM test set


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    prompts: int = 3
    repeats: int = 3
    counts: tuple[int, ...] = without_model.COUNTS
    runs: tuple[int, ...] = without_model.RUNS
    examples: int = 48
    studies: int = 40


QUICK = Size(prompts=1, repeats=1, counts=(1_000, 10_000), runs=(999,), examples=16, studies=5)


def example(pair: Pair) -> str:
    """A pair with its label as a line that `train_judge` reads."""
    told = {
        name: getattr(pair, name) for name in ("instruction", "input", "response1", "response2")
    }
    return json.dumps(told | {"verdict": str(pair.gold)})


def searches(studies: int) -> list[dict[str, Any]]:
    """Readings and regret of three strategies, in the first so many studies of the simulation."""
    chosen = [entry for entry in search_simulation.entries() if entry.label in SEARCHES]
    cells = [cell for cell in search_simulation.cells() if cell.part == "main"]
    found = [
        result
        for cell in cells
        for study in tqdm(range(studies), f"searching, {cell.landscape.__name__}")
        for result in search_simulation.results(cell, study, chosen)
    ]
    return [
        {
            "strategy": label,
            "studies": len(own),
            "readings": sum(result.readings for result in own) / len(own),
            "regret": sum(result.regret for result in own) / len(own),
        }
        for label in SEARCHES
        if (own := [result for result in found if result.entry == label])
    ]


def targets(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is aimed at, how much, and what was measured."""
    ways = {way: one["s_a_pair"] for way, one in found["judging"]["ways"].items()}
    ours = ways[VERDICT]
    stock = {
        kind: min(ways[way] for way in ways if way.startswith(kind)) / ours
        for kind in judging.STOCK
    }
    short, options = stock.values()
    yield (
        "verdict protocol, by upstream's way",
        "28, better 40",
        f"{ways[judging.UPSTREAM] / ours:.1f}",
    )
    yield "by stock short generation", "1", f"{short:.2f}"
    yield "by stock multiple choice", "1.8", f"{options:.2f}"
    yield "of the limit", "0.5", f"{found['judging']['ways'][VERDICT]['share_of_limit']:.2f}"
    records = {(one["what"], one["count"]): one for one in found["without_model"]}
    rule = records["run: pandalm-pairs, rule", SET]["wall"]
    own = records["harness: stock task, dummy", SET]["wall"]
    whole = rule + ours * SET
    yield f"not the model, of a run over {SET} pairs", "5%", f"{100 * rule / whole:.1f}%"
    yield "our part of it beyond a stock task's run", "1 s", f"{rule - own:.1f} s"
    if large := [one for (_, count), one in records.items() if count == 100_000]:
        slowest = max(one["wall"] for one in large)
        yield "100,000 pairs, slowest command", "60 s", f"{slowest:.0f} s"
        yield "its memory", "2,000 MB", f"{max(one['peak'] for one in large):,.0f} MB"
    yield "`table --help`", "0.5 s", f"{records['table --help', 0]['wall']:.2f} s"
    yield "training, by upstream's way", "1.5", f"{found['training']['ratio']:.2f}"
    paper, _, adaptive = found["searching"]
    share = adaptive["readings"] / paper["readings"]
    yield "readings of `adaptive`, by the paper's strategy", "1/8", f"1/{1 / share:.1f}"


def markdown(found: dict[str, Any]) -> str:
    """The report."""
    on = found["machine"]
    versions = ", ".join(f"{package} {told}" for package, told in on["versions"].items())
    rows = "\n".join(f"| {what} | {asked} | {told} |" for what, asked, told in targets(found))
    strategies = "\n".join(
        f"| {one['strategy']} | {one['studies']} | {one['readings']:,.0f} | {one['regret']:.4f} |"
        for one in found["searching"]
    )
    return f"""# Benchmark

{found["date"]}; {on["processor"]}, {on["cores"]} cores, {on["threads"]} of them used; Python \
{on["python"]}, {versions}. Made by `{found["command"]}`.

| what | asked | measured |
| --- | --- | --- |
{rows}

## Judging

{judging.markdown(found["judging"])}

## Not the model

{without_model.markdown(found["without_model"])}

Each command is a process of its own, with its start, on made-up judgments of six pairs a prompt
between four models. Growth: of the peak, from the second largest count to the largest.

## Training

{train_speed.markdown(found["training"])}

## Searching

| strategy | studies | readings | mean regret |
| --- | --- | --- | --- |
{strategies}

Drawn studies of 80 candidates, a small part of [SEARCH.md](SEARCH.md), too few to tell the regrets
apart.
"""


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--file", type=Path, help="testset-v1.json; by default the demo's pairs")
    parser.add_argument("--model_args", help="of hf-judge; by default the demo's judge in bf16")
    parser.add_argument("--output", type=Path, default=Path("bench-output"), help="a folder")
    parser.add_argument("--quick", action="store_true", help="minutes, not half an hour")
    options = parser.parse_args()
    size = QUICK if options.quick else Size()
    gguf = small_judge()
    model_args = options.model_args or (
        f"pretrained={gguf.parent},gguf_file={gguf.name},dtype=bfloat16,name={gguf.stem}"
    )
    model = simple_parse_args_string(model_args)
    pairs = judging.chosen(options.file, prompts=size.examples)
    examples = [example(pair) for pair in pairs if pair.gold][: size.examples]
    found: dict[str, Any] = {
        "date": date.today().isoformat(),
        "command": "python benchmarks/bench.py"
        + (f" --file {options.file.name}" if options.file else "")
        + (" --quick" if options.quick else ""),
        "machine": machine(),
        "judging": judging.measure(
            model_args, file=options.file, prompts=size.prompts, repeats=size.repeats
        ),
        "without_model": without_model.measure(size.counts, size.runs),
        "training": train_speed.measure(
            str(model["pretrained"]),
            examples,
            max_length=512,
            repeats=size.repeats,
            gguf_file=model.get("gguf_file"),
        ),
        "searching": searches(size.studies),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "BENCH.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    (options.output / "BENCH.md").write_text(markdown(found), "utf-8")
    print(markdown(found))
    print(f"Written: {options.output / 'BENCH.md'}, BENCH.json", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
