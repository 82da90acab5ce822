"""How often the 95% intervals of `pandalm_eval.statistics` cover the truth, by simulation.

Pairs of a prompt resemble each other: a prompt draws its own win rate from a beta distribution
around the true share, with intraclass correlation ρ, and its pairs are wins by that rate
(beta-binomial; ρ = 0 is independent pairs). In rows with ties, each outcome becomes a tie, ½, with
the probability that is told, and the true share moves towards ½ accordingly. A replicate is a new
set of prompts. Prints Markdown.

    python benchmarks/coverage.py > benchmarks/COVERAGE.md
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pandalm_eval.statistics.clusters import Floats, Numbers, bootstrap_sums, cluster_sums, interval
from pandalm_eval.statistics.correction import correct
from pandalm_eval.statistics.shares import Estimate, share, wilson

SHARES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
CORRELATIONS = (0.0, 0.1, 0.3)
BOOTSTRAP_DRAWS = 500
SEED = 7

Interval = tuple[float, float]


@dataclass(frozen=True)
class Design:
    """What a row of the tables draws: prompts, pairs of each, ties, correlation, true share."""

    sizes: tuple[int, ...]
    correlation: float
    share: float
    ties: float = 0.0

    @property
    def truth(self) -> float:
        """The true mean score, ties at ½."""
        return (1 - self.ties) * self.share + self.ties / 2

    @property
    def clusters(self) -> Numbers:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def rates(self, rng: np.random.Generator) -> Floats:
        """Each prompt's own win rate."""
        if self.correlation == 0:
            return np.full(len(self.sizes), self.share)
        prior = (1 - self.correlation) / self.correlation
        return rng.beta(self.share * prior, (1 - self.share) * prior, size=len(self.sizes))

    def draw(self, rng: np.random.Generator) -> Floats:
        """Scores of all pairs."""
        rates = self.rates(rng)[self.clusters]
        wins = (rng.random(len(rates)) < rates).astype(float)
        return np.where(rng.random(len(rates)) < self.ties, 0.5, wins)


def ends(estimate: Estimate) -> Interval:
    return estimate.low, estimate.high


def naive(values: Floats) -> Interval:
    """Wilson's interval as if all pairs were independent."""
    return wilson(float(values.mean()), len(values), math.inf)


def bootstrap(values: Floats, clusters: Numbers, seed: int) -> Interval:
    """Percentiles over draws of prompts."""
    columns = np.column_stack([values, np.ones_like(values)])
    sums = cluster_sums(columns, clusters)
    drawn = np.concatenate(list(bootstrap_sums(sums, BOOTSTRAP_DRAWS, seed)))
    return interval(drawn[:, 0] / drawn[:, 1])


def covered(intervals: Sequence[Interval], truth: float) -> str:
    """Coverage in percent ± its Monte Carlo error, and the mean width in points."""
    low, high = np.array(intervals).T
    rate = float(np.mean((low <= truth) & (truth <= high)))
    error = math.sqrt(rate * (1 - rate) / len(low))
    return f"{100 * rate:.1f} ± {100 * error:.1f} ({100 * float(np.mean(high - low)):.1f})"


def table(header: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    for row in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(row) + " |", flush=True)


def share_rows(designs: Sequence[Design], replicates: int, fewer: int) -> Iterator[list[str]]:
    """A row a design: `share`, pairs as independent, and the bootstrap, which is slow."""
    for number, design in enumerate(designs):
        rng = np.random.default_rng([SEED, number])
        samples = [design.draw(rng) for _ in range(replicates)]
        clusters = design.clusters
        ours = [ends(share(values, clusters)) for values in samples]
        drawn = [bootstrap(values, clusters, seed) for seed, values in enumerate(samples[:fewer])]
        yield [
            f"{design.correlation:g}",
            f"{design.share:g}" if not design.ties else f"{design.share:g} → {design.truth:g}",
            covered(ours, design.truth),
            covered([naive(values) for values in samples], design.truth),
            covered(drawn, design.truth),
        ]


def human_and_judge(
    design: Design, accuracy: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """People's scores, and a judge's that repeats them or else says that the first one won."""
    human = design.draw(rng)
    return human, np.where(rng.random(len(human)) < accuracy, human, 1.0)


def correction_rows(replicates: int) -> Iterator[list[str]]:
    """A row a judge and a number of labelled prompts, 170 prompts × 6 pairs, ρ = .1."""
    rows = [(30, 0.5, 0.6), (30, 0.5, 0.85), (60, 0.5, 0.85), (60, 0.2, 0.85), (60, 0.9, 0.85)]
    for number, (labelled, rate, accuracy) in enumerate(rows):
        design = Design((6,) * 170, 0.1, rate)
        rng = np.random.default_rng([SEED, 1000 + number])
        found: dict[str, list[Interval]] = {"judge": [], "classical": [], "corrected": []}
        for _ in range(replicates):
            human, judge = human_and_judge(design, accuracy, rng)
            chosen = rng.permutation(170) < labelled
            human[~chosen[design.clusters]] = np.nan
            result = correct(judge, human, design.clusters)
            for name, intervals in found.items():
                intervals.append(ends(getattr(result, name)))
        yield [
            str(labelled),
            f"{rate:g}",
            f"{accuracy:g}",
            *(covered(intervals, rate) for intervals in found.values()),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--replicates", type=int, default=5000)
    parser.add_argument("--bootstrap_replicates", type=int, default=2000)
    arguments = parser.parse_args()
    rows = partial(
        share_rows, replicates=arguments.replicates, fewer=arguments.bootstrap_replicates
    )
    header = ["ρ", "true share", "`share`", "pairs as independent", "bootstrap of prompts"]
    print(
        "# Coverage of the 95% intervals\n\n"
        "`python benchmarks/coverage.py > benchmarks/COVERAGE.md`, one thread, a few minutes. Each "
        "cell: percent of replicates whose interval covers the truth ± Monte Carlo standard error "
        f"(mean width in points). {arguments.replicates:,} replicates; for the bootstrap "
        f"{arguments.bootstrap_replicates:,}, with {BOOTSTRAP_DRAWS} draws each. A prompt's rate "
        "is beta-distributed around the true share with intraclass correlation ρ; its pairs are "
        "wins or losses by that rate.\n\n"
        "`share` is Wilson's interval on the effective number of pairs with a t quantile. Pairs as "
        "independent is Wilson's on all pairs, which is what a table without clusters prints.\n\n"
        "## 170 prompts × 6 pairs\n"
    )
    table(header, rows([Design((6,) * 170, c, s) for c in CORRELATIONS for s in SHARES]))
    print("\n## 40 prompts × 3 pairs\n")
    table(header, rows([Design((3,) * 40, c, s) for c in (0.0, 0.3) for s in (0.05, 0.5, 0.9)]))
    print("\n## 170 prompts × 6 pairs, 80% ties\n")
    print("A tie varies less than a win or a loss, and the interval is narrower by it.\n")
    table(header, rows([Design((6,) * 170, c, s, 0.8) for c in (0.0, 0.3) for s in (0.1, 0.5)]))
    print("\n## 100 prompts, of 1 to 12 pairs\n")
    uneven = tuple([1, 1, 2, 3, 12] * 20)
    table(header, rows([Design(uneven, c, s) for c in (0.0, 0.3) for s in (0.1, 0.5)]))
    print(
        "\n## The correction by human labels\n\n"
        "170 prompts × 6 pairs, ρ = .1, prompts labelled at random, all pairs of each. The judge "
        "repeats people's verdict in so many of the pairs and says in the others that the first "
        f"response won. {arguments.bootstrap_replicates:,} replicates.\n"
    )
    table(
        ["labelled prompts", "true share", "judge repeats", "judge", "labels alone", "corrected"],
        correction_rows(arguments.bootstrap_replicates),
    )


if __name__ == "__main__":
    main()
