"""Drawn worlds for `search_simulation`: candidates, prompts and a judge, none of them real.

An answer of candidate c to prompt p has the latent quality `k_p (s_c + e_cp)`: s is the candidate's
strength, e what it does well or badly on that prompt, whatever it is compared with, and k how far
answers to the prompt differ at all. Checkpoints of one training share a part of e. A reading of two
answers shown in an order has the latent margin

    quality of the one shown first − of the other + k_p · taste + lean + noise

where the taste is the judge's for this pair of answers, equal in both orders, and the noise is the
reading's own. The verdict is first above τ, second below −τ, else tie. The unit is the standard
deviation of a latent difference of two equally strong candidates, taste included, noise not.

τ and the noise follow from a tie share and a flip rate (`calibrate`), the lean from the excess of
the first-position rate, ties at ½, over .5. Every reading has its noise, and its chance of being
invalid, by its name: asked for twice, by whatever strategy, it is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, special

from pandalm_eval.search.strategies.asking import Asked

EPOCHS, RATES, OPTIMIZERS, SCHEDULES = 5, (2e-6, 1e-5, 2e-5, 2e-4), 2, 2
CANDIDATES, PROMPTS = 80, 170
GRID = np.array(
    [
        (epoch, np.log(rate / 2e-5), adamw, linear)
        for rate in RATES
        for adamw in range(OPTIMIZERS)
        for linear in range(SCHEDULES)
        for epoch in range(1, EPOCHS + 1)
    ]
)
"""(80, 4): epoch, log of the rate over Alpaca's, AdamW (else SGD), linear (else cosine)."""
TRAINING = np.arange(CANDIDATES) // EPOCHS
DEFAULT = int(np.flatnonzero((GRID == (3, 0, 1, 0)).all(axis=1))[0])
"""Alpaca's own configuration: AdamW, 2e-5, cosine, 3 epochs."""


@dataclass(frozen=True)
class Judge:
    """What is known of a judge, and how the latent scale divides.

    Attributes:
        ties: share of ties; PandaLM-7B's released verdicts have 107 of 999 (`tie_share`).
        flips: share of pairs whose verdict changes with the swap; .17 as reported of PandaLM-7B.
        taste: share of the variance of a latent difference that is the judge's for the pair.
        prompt_scale: standard deviation of log k over prompts.
        shared: share of the variance of e that checkpoints of one training have in common.
        tails: degrees of freedom of e, infinite for a normal distribution.
    """

    ties: float = 107 / 999
    flips: float = 0.17
    taste: float = 0.2
    prompt_scale: float = 0.4
    shared: float = 0.3
    tails: float = np.inf


@dataclass(frozen=True)
class Scale:
    """Constants of a judge on the latent scale."""

    tie_zone: float
    noise: float


def tie_share(verdicts: list[dict[str, object]]) -> float:
    """The share of ties in released verdicts, as parsed from pandalm-7b-testset-v1.json."""
    return sum(one["pandalm_result"] == 0 for one in verdicts) / len(verdicts)


def prompt_scales(judge: Judge) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of k, which is lognormal with E[k²] = 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    spread = judge.prompt_scale
    return np.exp(spread * nodes - spread**2), weights / weights.sum()


def _mean_over_differences(judge: Judge, value: Callable[[np.ndarray], np.ndarray]) -> float:
    """Mean of a function of the latent difference of two equals, over pairs and prompts."""
    scales, weights = prompt_scales(judge)
    grid = np.linspace(-6, 6, 601)
    density = np.exp(-(grid**2) / 2)
    density /= density.sum()
    return float(weights @ (value(scales[:, None] * grid) @ density))


def _chances(difference: np.ndarray, tie_zone: float, noise: float) -> np.ndarray:
    """Chances of first, second and tie, stacked, without lean."""
    first = special.ndtr((difference - tie_zone) / noise)
    second = special.ndtr((-difference - tie_zone) / noise)
    return np.stack([first, second, 1 - first - second])


@cache
def calibrate(judge: Judge) -> Scale:
    """τ and the noise at which equals have the judge's tie share and flip rate.

    A pair with chances p of the three verdicts keeps its verdict with probability Σ p².
    """

    def misses(logs: np.ndarray) -> list[float]:
        tie_zone, noise = np.exp(logs)
        tied = _mean_over_differences(judge, lambda d: _chances(d, tie_zone, noise)[2])
        kept = _mean_over_differences(
            judge, lambda d: np.square(_chances(d, tie_zone, noise)).sum(axis=0)
        )
        return [tied - judge.ties, 1 - kept - judge.flips]

    found = optimize.root(misses, np.log([0.13, 0.15]))
    if not found.success:
        raise RuntimeError(f"No tie zone and noise fit {judge}: {found.message}")
    return Scale(*np.exp(found.x).tolist())


@cache
def latent_lean(judge: Judge, excess: float) -> float:
    """The lean at which equals have a first-position rate, ties at ½, of .5 + excess."""
    scale = calibrate(judge)

    def miss(lean: float) -> float:
        def score(difference: np.ndarray) -> np.ndarray:
            first, second, _ = _chances(difference + lean, scale.tie_zone, scale.noise)
            return (first - second) / 2

        return _mean_over_differences(judge, score) - excess

    return float(optimize.brentq(miss, -5, 5)) if excess else 0.0


def win_rates(judge: Judge, strengths: np.ndarray, against: float) -> np.ndarray:
    """Expected score, ties at ½, against a candidate of that strength over all possible prompts.

    The opponent has prompt effects of its own, so this is increasing in the strength.
    """
    scales, weights = prompt_scales(judge)
    scale = calibrate(judge)
    deviation = np.sqrt(scales**2 + scale.noise**2)[:, None]
    difference = scales[:, None] * (strengths - against)
    first = special.ndtr((difference - scale.tie_zone) / deviation)
    second = special.ndtr((-difference - scale.tie_zone) / deviation)
    rates: np.ndarray = weights @ (0.5 + (first - second) / 2)
    return rates


def _mix(value: np.ndarray) -> np.ndarray:
    """splitmix64 of whole numbers."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _named_uniforms(seed: int, stream: int, name: np.ndarray) -> np.ndarray:
    """Numbers in (0, 1) that depend on the name alone."""
    key = _mix(np.array([seed * 8 + stream], dtype=np.uint64))
    bits = _mix(_mix(name.astype(np.uint64)) ^ key) >> np.uint64(12)
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


class World:
    """One study: true strengths, answers to 170 prompts, and the judge that reads them."""

    def __init__(
        self,
        strengths: np.ndarray,
        judge: Judge,
        seed: int,
        *,
        lean: float,
        invalid: float,
        rng: np.random.Generator,
    ) -> None:
        self.qualities = win_rates(judge, strengths, float(strengths[DEFAULT]))
        self._strengths = strengths
        self._judge, self._seed, self._invalid = judge, seed, invalid
        self._scale, self._lean = calibrate(judge), latent_lean(judge, lean)
        spread = judge.prompt_scale
        self._k = np.exp(spread * rng.standard_normal(PROMPTS) - spread**2)
        own = _effects(judge, rng, CANDIDATES)
        common = _effects(judge, rng, CANDIDATES // EPOCHS)[TRAINING]
        effects = np.sqrt(1 - judge.shared) * own + np.sqrt(judge.shared) * common
        deviation = np.sqrt((1 - judge.taste) / 2)
        self._latent = self._k * (strengths[:, None] + deviation * effects)

    def regret(self, chosen: int) -> float:
        """Quality of the best less that of the chosen one."""
        return float(self.qualities.max() - self.qualities[chosen])

    def lead(self, chosen: int) -> float:
        """Expected score of the best against the chosen one, less ½."""
        strongest = self._strengths.max(keepdims=True)
        return float(win_rates(self._judge, strongest, self._strengths[chosen])[0] - 0.5)

    def answers(self, asked: Asked) -> np.ndarray:
        """What the judge says, (n, 3)."""
        pair = (asked.first * CANDIDATES + asked.second) * PROMPTS + asked.prompt
        name = pair * 2 + asked.swapped
        taste = special.ndtri(_named_uniforms(self._seed, 0, pair))
        noise = special.ndtri(_named_uniforms(self._seed, 1, name))
        margin = (
            self._latent[asked.first, asked.prompt]
            - self._latent[asked.second, asked.prompt]
            + self._k[asked.prompt] * np.sqrt(self._judge.taste) * taste
            + self._scale.noise * noise
            + np.where(asked.swapped, -self._lean, self._lean)
        )
        first, second = margin > self._scale.tie_zone, margin < -self._scale.tie_zone
        told = np.stack([first, second, ~first & ~second], axis=1).astype(np.float64)
        if self._invalid:
            told[_named_uniforms(self._seed, 2, name) < self._invalid] = np.nan
        return told


def _effects(judge: Judge, rng: np.random.Generator, rows: int) -> np.ndarray:
    """Prompt effects (rows, prompts) with variance 1."""
    if np.isinf(judge.tails):
        return rng.standard_normal((rows, PROMPTS))
    drawn = rng.standard_t(judge.tails, (rows, PROMPTS))
    return drawn / np.sqrt(judge.tails / (judge.tails - 2))


# Landscapes: true strengths of the 80 candidates, in the latent unit.


def _progress(rng: np.random.Generator) -> np.ndarray:
    """How far a tuning has gone, 0 at Alpaca's own: log of rate and epochs, SGD far behind."""
    epoch, log_rate, adamw, linear = GRID.T
    behind = rng.normal(2.5, 0.7)
    exponent = rng.uniform(0.6, 1.2)
    along = log_rate + exponent * np.log(epoch / 3) - behind * (1 - adamw)
    return along + rng.normal(0, 0.2) * linear


def _rest(rng: np.random.Generator, deviation: float) -> np.ndarray:
    """What no smooth function of the configuration tells: of a training, and of a checkpoint."""
    training = rng.normal(0, deviation, CANDIDATES // EPOCHS)[TRAINING]
    schedule = rng.normal(0, deviation) * GRID[:, 3]
    return training + schedule + rng.normal(0, deviation, CANDIDATES)


def flat(rng: np.random.Generator) -> np.ndarray:
    """Too low a rate learns nothing, too long at a high one overfits slowly; a wide plateau."""
    along = _progress(rng)
    learned = special.expit((along - rng.normal(-2.2, 0.5)) / rng.uniform(0.4, 0.8))
    overfitted = np.logaddexp(0, along - rng.normal(2.0, 0.5))
    height, slope = rng.uniform(1.0, 1.6), rng.uniform(0.05, 0.3)
    return height * learned - slope * overfitted + _rest(rng, 0.025)


def peaked(rng: np.random.Generator) -> np.ndarray:
    """Strength falls quickly on both sides of the right rate and number of epochs."""
    along = _progress(rng) - rng.normal(0.6, 0.7)
    fall = 1 - np.exp(-np.square(along / rng.uniform(0.5, 0.9)) / 2)
    return -rng.uniform(1.0, 1.6) * fall + _rest(rng, 0.05)


def unstructured(rng: np.random.Generator) -> np.ndarray:
    """For the confirmation: no grid, a few failures far below, a gamma-shaped field."""
    strengths = -rng.gamma(rng.uniform(0.8, 3.0), rng.uniform(0.15, 0.4), CANDIDATES)
    failed = rng.random(CANDIDATES) < rng.uniform(0, 0.3)
    return np.where(failed, strengths - rng.uniform(0.5, 2.0, CANDIDATES), strengths)


def stepped(rng: np.random.Generator) -> np.ndarray:
    """For the confirmation: effects of trainings alone and ups and downs from epoch to epoch."""
    training = rng.standard_t(4, CANDIDATES // EPOCHS)[TRAINING] * rng.uniform(0.1, 0.5)
    return training + rng.standard_t(4, CANDIDATES) * rng.uniform(0.03, 0.15)
