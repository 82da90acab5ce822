"""What readings say of the strengths of candidates: a normal posterior.

The margin of a reading of i against j on prompt p, halved so that its mean is a win rate less ½, is

    ½ margin = θ_i − θ_j + φ_ip − φ_jp ± lean + noise,

with strengths θ, what a candidate does well or badly on a prompt φ ~ N(0, ω²), which stays the same
whatever it is compared with, and noise of variance σ². Prompts are thereby the sampling units: more
readings of the same answers cannot tell more of θ than ω² divided by the number of prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pandalm_eval.search.strategies.asking import Asked, margins
from pandalm_eval.statistics.clusters import Floats, Numbers, Truths

_DEVIATIONS = np.geomspace(0.02, 0.5, 6)
"""Prior standard deviations of strengths that are weighed against each other."""
_CELLS = 4_000_000
"""Entries of matrices held at once."""
_PERSISTENT = 0.2
"""Share of ω² in the variance of a reading, before readings that share an answer tell it."""
_FEW = 100.0
"""So many pairs of such readings tell as much of it as the share above."""


@dataclass(frozen=True, slots=True)
class Belief:
    """Normal posterior of strengths on the scale of a win rate, mean (k,), covariance (k, k).

    A difference θ_i − θ_j is the expected win rate of i against j, ties at ½, less ½.
    """

    mean: Floats
    covariance: Floats

    @property
    def best(self) -> int:
        """The highest mean, which is least regret by the posterior."""
        return int(self.mean.argmax())

    def behind_best(self) -> tuple[Floats, Floats]:
        """By how much each is below the best, and the standard deviation of it, (k,); 0 for it."""
        best, own = self.best, np.diagonal(self.covariance)
        lead = self.mean[best] - self.mean
        variance = own + own[best] - 2 * self.covariance[best]
        variance[best] = 0.0
        return lead, np.sqrt(np.maximum(variance, 0.0))

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Strengths drawn from the posterior, (count, k)."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        drawn: Floats = self.mean + rng.standard_normal((count, len(root))) @ root.T
        return drawn


def priors(candidates: int) -> Floats:
    """Prior covariances (m, k, k) that `believe` averages over by how well they explain the data.

    Independent strengths, with several variances.
    """
    return np.multiply.outer(_DEVIATIONS**2, np.eye(candidates))


@dataclass(frozen=True, slots=True)
class Variances:
    """Of a halved margin: σ² of the noise, ω² of the prompt effect of each of the two answers."""

    noise: float
    persistent: float


START = Variances(noise=0.12, persistent=0.04)
"""Before any reading: the variance of halved margins with few ties, a fifth of it ω²."""


def believe(
    asked: Asked, answers: Floats, prior: Floats, variances: Variances
) -> tuple[Belief, Variances]:
    """The posterior after these readings, and the variances that they show, for the next time.

    Invalid readings are left out. The prior is averaged over `prior` by evidence, the variances
    are estimated by moments of what the strengths leave.
    """
    candidates = prior.shape[1]
    margin = margins(answers) / 2
    valid = np.isfinite(margin)
    asked, margin = asked.where(valid), margin[valid]
    if len(margin) == 0:
        return Belief(np.zeros(candidates), prior.mean(axis=0)), variances
    order = np.where(asked.swapped, -1.0, 1.0)
    margin = margin - order * np.mean(order * margin)
    information, right = np.zeros((candidates, candidates)), np.zeros(candidates)
    for part in _parts(asked.prompt, candidates):
        more = _evidence(asked.where(part), margin[part], candidates, variances)
        information, right = information + more[0], right + more[1]
    belief = _posterior(information, right, prior)
    rest = margin - (belief.mean[asked.first] - belief.mean[asked.second])
    return belief, _variances(asked, rest, candidates)


def _variances(asked: Asked, rest: Floats, candidates: int) -> Variances:
    """From what the strengths leave: two readings of an answer have covariance ω²."""
    variance = max(float(np.mean(np.square(rest))), 1e-4)
    answer = np.concatenate([asked.first, asked.second]) + candidates * np.tile(asked.prompt, 2)
    _, cell = np.unique(answer, return_inverse=True)
    signed = np.concatenate([rest, -rest])
    counts = np.bincount(cell)
    twice = np.square(np.bincount(cell, signed)) - np.bincount(cell, np.square(signed))
    pairs = float((counts * (counts - 1)).sum())
    share = (float(twice.sum()) / variance + _FEW * _PERSISTENT) / (pairs + _FEW)
    persistent = variance * float(np.clip(share, 0.02, 0.45))
    return Variances(variance - 2 * persistent, persistent)


def _parts(prompt: Numbers, candidates: int) -> Iterator[Truths]:
    """Readings by prompts, as many prompts at once as memory should hold."""
    prompts, number = np.unique(prompt, return_inverse=True)
    width = min(candidates, 2 * int(np.bincount(number).max()))
    many = max(1, _CELLS // width**2)
    for start in range(0, len(prompts), many):
        yield (number >= start) & (number < start + many)


def _evidence(
    asked: Asked, margin: Floats, candidates: int, variances: Variances
) -> tuple[Floats, Floats]:
    """Information (k, k) on the strengths and its right-hand side (k,), prompt effects integrated.

    On one prompt, let L be the Laplacian of the graph whose edges are readings, and b the sums of
    margins by candidate. With λ = σ²/ω² the effects leave `λ L (L + λ)⁻¹ / σ²`, that is
    `λ (1 − λ (L + λ)⁻¹) / σ²`, and `λ (L + λ)⁻¹ b / σ²`.
    """
    noise = variances.noise
    ratio = noise / variances.persistent
    sides = np.concatenate([asked.first, asked.second])
    prompts = np.tile(asked.prompt, 2)
    cells, cell = np.unique(prompts * candidates + sides, return_inverse=True)
    _, start, block, sizes = np.unique(
        cells // candidates, return_index=True, return_inverse=True, return_counts=True
    )
    place = np.arange(len(cells)) - start[block]  # among the candidates of its prompt
    width, blocks = int(sizes.max()), len(sizes)
    one, other = np.split(cell, 2)
    rows = np.concatenate([one, other, one, other])
    columns = np.concatenate([one, other, other, one])
    flat = (block[rows] * width + place[rows]) * width + place[columns]
    signs = np.repeat([1.0, -1.0], 2 * len(margin))
    laplacian = np.bincount(flat, signs, blocks * width**2).reshape(blocks, width, width)
    sums = np.bincount(cell, np.concatenate([margin, -margin]))
    right = np.zeros((blocks, width))
    right[block, place] = sums
    inverse = np.linalg.inv(laplacian + ratio * np.eye(width))
    kept = ratio * (np.eye(width) - ratio * inverse) / noise
    who = np.zeros((blocks, width), dtype=np.intp)  # unused places hold zeros, for candidate 0
    who[block, place] = cells % candidates
    pairs = who[:, :, None] * candidates + who[:, None, :]
    pulled = ratio * (inverse @ right[:, :, None])[:, :, 0] / noise
    information: Floats = np.bincount(pairs.ravel(), kept.ravel(), candidates**2).astype(np.float64)
    side: Floats = np.bincount(who.ravel(), pulled.ravel(), candidates).astype(np.float64)
    return information.reshape(candidates, candidates), side


def _posterior(information: Floats, right: Floats, prior: Floats) -> Belief:
    """The mixture over priors, weighed by their evidence, as one normal distribution."""
    inner = np.eye(len(right)) + prior @ information
    covariances = np.linalg.solve(inner, prior)
    means = covariances @ right
    log_evidence = (means @ right - np.linalg.slogdet(inner)[1]) / 2
    weights = np.exp(log_evidence - log_evidence.max())
    weights /= weights.sum()
    mean = weights @ means
    between = means - mean
    covariance = np.tensordot(weights, covariances, 1) + (weights[:, None] * between).T @ between
    return Belief(mean, (covariance + covariance.T) / 2)
