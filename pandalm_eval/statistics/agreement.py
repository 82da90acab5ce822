"""Krippendorff's alpha of several raters on a nominal scale, with an interval over prompts."""

from __future__ import annotations

import math

import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.clusters import (
    DRAWS,
    SEED,
    Floats,
    Numbers,
    bootstrap_sums,
    cluster_sums,
    clustered_error,
    interval,
)
from pandalm_eval.statistics.shares import Estimate, Method


def krippendorff_alpha(
    codes: Floats, clusters: Numbers, *, draws: int = DRAWS, seed: int = SEED
) -> Estimate:
    """Agreement beyond chance of raters who need not rate everything: `1 − D_o / D_e`.

    A unit with m ≥ 2 codes, n_c of them c, adds `n_c (n_c − 1) / (m − 1)` to the agreements on c
    and n_c to the codes c; units with fewer are left out. With o the agreements in all, n_c the
    codes c, and n the codes, `alpha = 1 − (n − 1) (n − o) / (n² − Σ n_c²)`. 1 is full agreement,
    0 what chance gives, below 0 less than that. Krippendorff 2011, "Computing Krippendorff's
    alpha-reliability". The interval is by bootstrap over prompts.

    Args:
        codes: (units, raters), a number for each category, NaN where a rater gave none.
        clusters: (units,), the number of each unit's prompt.
        draws, seed: of the bootstrap.

    Returns:
        The estimate, n the units with at least two codes and clusters their prompts. The value is
        NaN where all codes are one and the same category: chance then agrees always.

    Raises:
        InputError: no unit with two codes.
    """
    rated = np.count_nonzero(~np.isnan(codes), axis=1)
    pairable = rated >= 2
    if not pairable.any():
        raise InputError("Krippendorff's alpha needs a unit that at least two raters coded.")
    codes, rated = codes[pairable], rated[pairable]
    categories = np.unique(codes[~np.isnan(codes)])
    counts = (codes[:, :, None] == categories).sum(axis=1).astype(np.float64)
    agreements = (counts * (counts - 1)).sum(axis=1) / (rated - 1)
    prompts = np.unique(clusters[pairable], return_inverse=True)[1]
    sums = cluster_sums(np.column_stack([agreements, counts]), prompts)
    value = float(_alpha(sums.sum(axis=0)))
    if len(sums) < 2 or math.isnan(value):
        return Estimate(value, math.nan, math.nan, math.nan, len(codes), len(sums), Method.NONE)
    drawn = np.concatenate([_alpha(chunk) for chunk in bootstrap_sums(sums, draws, seed)])
    low, high = interval(drawn)
    stderr = clustered_error(_alpha, sums)
    method = Method.NONE if math.isnan(low) else Method.BOOTSTRAP
    return Estimate(value, stderr, low, high, len(codes), len(sums), method)


def _alpha(sums: Floats) -> Floats:
    """From sums (..., 1 + categories) of agreements and of codes by category; NaN by chance."""
    agreements, counts = sums[..., 0], sums[..., 1:]
    n = counts.sum(axis=-1)
    by_chance = n**2 - np.square(counts).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value: Floats = np.where(by_chance > 0, 1 - (n - 1) * (n - agreements) / by_chance, np.nan)
    return value
