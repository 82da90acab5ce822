"""How well the search strategies choose, and with how many readings, in drawn worlds.

`search_worlds` says what a study is. Every strategy meets the same studies, and a reading has the
same answer whoever asks for it, so all comparisons are paired. `run` appends to a JSONL file and
skips what stands there, so it may be stopped and called again; `tables` writes the tables into
SEARCH.md and draws search_regret.svg.

    OMP_NUM_THREADS=1 python benchmarks/search_simulation.py run results.jsonl main sweep
    python benchmarks/search_simulation.py tables results.jsonl
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from search_worlds import (
    CANDIDATES,
    PROMPTS,
    Judge,
    World,
    flat,
    peaked,
    stepped,
    unstructured,
)

from pandalm_eval.search.strategies.adaptive import adaptive
from pandalm_eval.search.strategies.asking import Choice, Strategy
from pandalm_eval.search.strategies.halving import halving
from pandalm_eval.search.strategies.round_robin import round_robin
from pandalm_eval.search.strategies.sequential import sequential
from pandalm_eval.search.strategies.uniform import uniform

SEQUENTIAL = (CANDIDATES - 1) * PROMPTS * 2
FRACTIONS = (32, 16, 8, 4)
"""Budgets are the paper's 26,860 readings over these."""
RATES = (0.0, 0.02, 0.05)
MARGIN = 0.02
"""Of an error, as `adaptive` states it by default."""
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Cell:
    """A setting in which studies are drawn. The first so many of them go to each strategy."""

    part: str
    landscape: Callable[[np.random.Generator], np.ndarray]
    judge: Judge
    seed: int
    lean: float
    invalid: float
    studies: int

    @property
    def name(self) -> str:
        return f"{self.part} {self.landscape.__name__} {self.lean:g} {self.invalid:g}"

    def world(self, study: int) -> World:
        strengths = self.landscape(np.random.default_rng([self.seed, study, 0]))
        rng = np.random.default_rng([self.seed, study, 1])
        name = self.seed * 1_000_000 + study
        return World(strengths, self.judge, name, lean=self.lean, invalid=self.invalid, rng=rng)


OTHER = Judge(ties=0.2, flips=0.25, taste=0.1, prompt_scale=0.6, shared=0.0, tails=4)
"""The judge of the confirmation: more ties and flips, heavier tails of prompt effects."""


def cells() -> list[Cell]:
    """Main setting, sweep of lean and invalid rate, the confirmation, and studies to tune on."""
    main = [
        Cell("main", landscape, Judge(), seed, 0.02, 0.02, 2000)
        for landscape, seed in ((flat, 11), (peaked, 12))
    ]
    sweep = [
        Cell("sweep", landscape, Judge(), seed, lean, invalid, 40)
        for landscape, seed in ((flat, 21), (peaked, 22))
        for lean in RATES
        for invalid in RATES
    ]
    confirm = [
        Cell("confirm", landscape, OTHER, seed, 0.03, 0.03, 1000)
        for landscape, seed in ((unstructured, 33), (stepped, 34))
    ]
    tune = [
        Cell("tune", landscape, Judge(), seed, 0.02, 0.02, 500)
        for landscape, seed in ((flat, 41), (peaked, 42))
    ]
    return main + sweep + confirm + tune


@dataclass(frozen=True)
class Entry:
    """A strategy at a budget, as a row of the tables; `studies`: at most so many, if it is slow."""

    name: str
    fraction: int | None
    strategy: Strategy
    studies: int = 10**9

    @property
    def label(self) -> str:
        return f"{self.name} 1/{self.fraction}" if self.fraction else self.name


def entries() -> list[Entry]:
    def at(name: str, strategy: Strategy, fraction: int, studies: int) -> Entry:
        limited = partial(strategy, budget=SEQUENTIAL // fraction)
        return Entry(name, fraction, limited, studies)

    spend = partial(adaptive, error=0.0)
    return [
        Entry("sequential", None, sequential),
        Entry("round_robin", None, round_robin, 100),
        *(at("uniform", uniform, fraction, 300) for fraction in FRACTIONS),
        *(at("halving", halving, fraction, 10**9) for fraction in FRACTIONS),
        *(
            at("adaptive", spend, fraction, 10**9 if fraction == 8 else 150)
            for fraction in FRACTIONS
        ),
        at("adaptive, error .1", partial(adaptive, error=0.1), 4, 150),
    ]


@dataclass(frozen=True)
class Result:
    """What came of a strategy in a study: a line of the results."""

    cell: str
    study: int
    entry: str
    readings: int
    regret: float
    lead: float
    error: float | None


def search(strategy: Strategy, world: World, seed: int) -> tuple[Choice, int]:
    """The choice, and the readings it took."""
    asking = strategy(CANDIDATES, PROMPTS, np.random.default_rng(seed))
    readings = 0
    try:
        asked = next(asking)
        while True:
            readings += len(asked)
            asked = asking.send(world.answers(asked))
    except StopIteration as end:
        return end.value, readings


def read(path: Path) -> list[Result]:
    """The results so far; what follows the last line end was torn by a kill and is cut off."""
    if not path.exists():
        return []
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        text = text[: text.rfind(b"\n") + 1]
        path.write_bytes(text)
    return [Result(**json.loads(line)) for line in text.splitlines()]


def run(path: Path, parts: Sequence[str], only: Sequence[str], most: int) -> None:
    """Run what is missing of these parts; `only`: names or labels of strategies, all if empty."""
    done = {(result.cell, result.study, result.entry) for result in read(path)}
    chosen = [entry for entry in entries() if not only or {entry.name, entry.label} & {*only}]
    with path.open("a", encoding="utf-8") as file:
        for cell in cells():
            if cell.part not in parts:
                continue
            start, studies = time.perf_counter(), min(cell.studies, most)
            for study in range(studies):
                missing = [
                    entry
                    for entry in chosen
                    if study < entry.studies and (cell.name, study, entry.label) not in done
                ]
                if missing:
                    for result in results(cell, study, missing):
                        file.write(json.dumps(asdict(result)) + "\n")
                    file.flush()
                if study % 50 == 49 or study == studies - 1:
                    seconds = time.perf_counter() - start
                    print(f"{cell.name}: {study + 1}/{studies}, {seconds:.0f} s", file=sys.stderr)


def results(cell: Cell, study: int, chosen: Sequence[Entry]) -> Iterator[Result]:
    world = cell.world(study)
    for entry in chosen:
        choice, readings = search(entry.strategy, world, study)
        yield Result(
            cell.name,
            study,
            entry.label,
            readings,
            round(world.regret(choice.best), 6),
            round(world.lead(choice.best), 6),
            None if choice.error is None else round(choice.error, 6),
        )


Table = dict[str, dict[str, dict[int, Result]]]
"""Cell, entry, study."""


def by_cell(found: Sequence[Result]) -> Table:
    studies = {cell.name: cell.studies for cell in cells()}
    most = {entry.label: entry.studies for entry in entries()}
    table: Table = defaultdict(lambda: defaultdict(dict))
    for result in found:
        if result.study < min(studies.get(result.cell, 0), most.get(result.entry, 0)):
            table[result.cell][result.entry][result.study] = result
    return table


def mean(values: np.ndarray, digits: int = 4) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def regret_table(rows: dict[str, dict[int, Result]]) -> Iterator[str]:
    yield "| strategy | readings | n | regret | within .01 | within .02 |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for entry in entries():
        studies = list(rows.get(entry.label, {}).values())
        if studies:
            regret = np.array([result.regret for result in studies])
            readings = np.mean([result.readings for result in studies])
            near = [f"{np.mean(regret <= within):.3f}" for within in (0.01, 0.02)]
            cells = [entry.label, f"{readings:,.0f}", f"{len(studies):,}", mean(regret), *near]
            yield "| " + " | ".join(cells) + " |"


def sweep_table(table: Table, landscape: str, labels: Sequence[str]) -> Iterator[str]:
    yield "| lean | invalid | n | " + " | ".join(labels) + " |"
    yield "| --- | --- | --- |" + " --- |" * len(labels)
    for cell in cells():
        rows = table.get(cell.name)
        if cell.part == "sweep" and cell.landscape.__name__ == landscape and rows:
            regrets = [
                np.array([result.regret for result in rows.get(label, {}).values()])
                for label in labels
            ]
            told = [mean(regret) if len(regret) else "–" for regret in regrets]
            start = [f"{cell.lean:g}", f"{cell.invalid:g}", str(len(regrets[0]))]
            yield "| " + " | ".join(start + told) + " |"


def paired(rows: dict[str, dict[int, Result]], one: str, other: str) -> tuple[np.ndarray, ...]:
    """Regrets of two entries on the studies that both met."""
    studies = sorted(rows.get(one, {}).keys() & rows.get(other, {}).keys())
    return tuple(
        np.array([rows[label][study].regret for study in studies]) for label in (one, other)
    )


def tests_table(table: Table, part: str) -> Iterator[str]:
    """Adaptive at an eighth: not worse than 1.1 × sequential, better than halving."""
    yield "| landscape | against | n | mean difference | tested | 95% bound | holds |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    tested = [cell for cell in cells() if cell.part == part and cell.name in table]
    for other, factor in (("sequential", 1.1), ("halving 1/8", 1.0)):
        found = {
            cell.landscape.__name__: paired(table[cell.name], "adaptive 1/8", other)
            for cell in tested
        }
        found["all"] = tuple(np.concatenate(sides) for sides in zip(*found.values(), strict=True))
        for name, (ours, theirs) in found.items():
            if len(ours) > 1:
                tell = ours - factor * theirs
                bound = tell.mean() + 1.645 * tell.std(ddof=1) / np.sqrt(len(tell))
                what = f"regret − {factor:g} × regret < 0" if factor != 1 else "regret < regret"
                row = [name, other, f"{len(ours):,}", mean(ours - theirs, 5), what, f"{bound:+.5f}"]
                yield "| " + " | ".join([*row, "yes" if bound < 0 else "no"]) + " |"


def calibration_table(table: Table, parts: Sequence[str]) -> Iterator[str]:
    """Stated errors, in classes, against the share of choices that were errors."""
    yield "| entry | stated | n | mean stated | share of errors |"
    yield "| --- | --- | --- | --- | --- |"
    names = [cell.name for cell in cells() if cell.part in parts and cell.name in table]
    for entry in entries():
        every = [result for name in names for result in table[name].get(entry.label, {}).values()]
        for low, high in itertools.pairwise((0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 1.001)):
            within = [one for one in every if one.error is not None and low <= one.error < high]
            if within:
                stated = float(np.mean([one.error for one in within if one.error is not None]))
                wrong = np.array([float(one.lead > MARGIN) for one in within])
                row = [entry.label, f"{low:g} to {min(high, 1):g}", f"{len(within):,}"]
                yield "| " + " | ".join([*row, f"{stated:.3f}", mean(wrong, 3)]) + " |"


def report(found: Sequence[Result]) -> Iterator[str]:
    table = by_cell(found)
    for part, title in (("main", "Main setting"), ("confirm", "Confirmation")):
        if not any(name.startswith(part) for name in table):
            continue
        yield f"### {title}"
        for cell in cells():
            if cell.part == part and cell.name in table:
                told = f"lean {cell.lean:g}, invalid rate {cell.invalid:g}."
                yield f"`{cell.landscape.__name__}`, {told}"
                yield "\n".join(regret_table(table[cell.name]))
        yield "Paired tests of `adaptive` at 3,357 readings, one-sided, no correction for several:"
        yield "\n".join(tests_table(table, part))
        yield "Stated error: some candidate has a win rate above .52 against the chosen one."
        yield "\n".join(calibration_table(table, [part]))
    labels = ["sequential", "halving 1/8", "adaptive 1/8"]
    for landscape in ("flat", "peaked"):
        if any(name.startswith(f"sweep {landscape} ") for name in table):
            yield f"### Sweep of lean and invalid rate: `{landscape}`, mean regret"
            yield "\n".join(sweep_table(table, landscape, labels))


def draw(found: Sequence[Result], target: Path) -> None:
    """Regret against readings, in the main setting."""
    table = by_cell(found)
    shown = [cell for cell in cells() if cell.part == "main" and cell.name in table]
    plt.rcParams.update({"svg.hashsalt": "search", "svg.fonttype": "none"})
    figure, axes = plt.subplots(1, len(shown), figsize=(9, 3.6), squeeze=False)
    for axis, cell in zip(axes[0], shown, strict=True):
        lines: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        for entry in entries():
            studies = list(table[cell.name].get(entry.label, {}).values())
            if studies:
                regret = np.array([one.regret for one in studies])
                error = regret.std(ddof=1) / np.sqrt(len(regret))
                readings = float(np.mean([one.readings for one in studies]))
                lines[entry.name].append((readings, float(regret.mean()), float(error)))
        for name, points in lines.items():
            readings, regrets, errors = np.array(sorted(points)).T
            axis.errorbar(readings, regrets, errors, marker="o", markersize=3, label=name)
        axis.set(xscale="log", xlabel="readings", title=cell.landscape.__name__, ylim=(0, None))
    axes[0, 0].set_ylabel("mean regret ± standard error")
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def write_tables(path: Path) -> None:
    """Put the tables between the two marks of SEARCH.md, and draw the plot."""
    target = HERE / "SEARCH.md"
    before, rest = target.read_text("utf-8").split("<!-- tables -->")
    after = rest.split("<!-- end of tables -->")[1]
    found = read(path)
    tables = "\n\n".join(report(found))
    draw(found, HERE / "search_regret.svg")
    target.write_text(
        f"{before}<!-- tables -->\n\n{tables}\n\n<!-- end of tables -->{after}", "utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    running = verbs.add_parser("run", help="run what is missing")
    running.add_argument("results", type=Path)
    running.add_argument("parts", nargs="+", choices=("main", "sweep", "confirm", "tune"))
    running.add_argument("--only", nargs="*", default=[], help="names or labels of strategies")
    running.add_argument("--studies", type=int, default=10**9, help="a cell, at most")
    tables = verbs.add_parser("tables", help="write SEARCH.md and the plot")
    tables.add_argument("results", type=Path)
    arguments = parser.parse_args()
    if arguments.verb == "run":
        run(arguments.results, arguments.parts, arguments.only, arguments.studies)
    else:
        write_tables(arguments.results)


if __name__ == "__main__":
    main()
