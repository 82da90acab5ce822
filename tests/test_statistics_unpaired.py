"""A metric on two samples that share no prompt."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pandalm_eval.statistics.clusters import Floats
from pandalm_eval.statistics.shares import Method
from pandalm_eval.statistics.unpaired import difference


def mean(sums: Floats) -> Floats:
    result: Floats = sums[..., 0] / sums[..., 1]
    return result


def sums(*values: float) -> Floats:
    """One value a cluster."""
    return np.array([[value, 1.0] for value in values])


def test_by_hand() -> None:
    found = difference(mean, sums(1, 1, 1, 0), sums(1, 0))
    assert found.value == pytest.approx(3 / 4 - 1 / 2)
    # Errors: sqrt(4/3 · (3 · (1/4)² + (3/4)²)) / 4 = sqrt(1) / 4, and sqrt(2 · 2 · (1/2)²) / 2.
    assert found.stderr == pytest.approx(math.hypot(1 / 4, 1 / 2), rel=1e-6)
    assert found.low <= found.value <= found.high
    assert found.method is Method.BOOTSTRAP


def test_samples_are_drawn_apart() -> None:
    """The same sample twice: the difference is 0, but it is not certain."""
    rng = np.random.default_rng(3)
    one = sums(*rng.integers(0, 2, 200).tolist())
    found = difference(mean, one, one)
    assert found.value == 0
    # Two means of 200: 1.96 · sqrt(2 · .25 / 200) = .098 to either side.
    assert found.high == pytest.approx(0.098, abs=0.015)
    assert found.low == pytest.approx(-0.098, abs=0.015)


def test_order_changes_the_sign() -> None:
    one, two = sums(1, 1, 0), sums(0, 0, 1, 0)
    assert difference(mean, one, two).value == -difference(mean, two, one).value


@pytest.mark.parametrize(
    ("one", "two", "value"),
    [
        (sums(1), sums(1, 0), 1 / 2),  # a single cluster has no error
        (np.zeros((3, 2)), sums(1, 0), math.nan),
    ],
)
def test_without_an_interval(one: Floats, two: Floats, value: float) -> None:
    with np.errstate(invalid="ignore"):
        found = difference(mean, one, two)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert math.isnan(found.stderr)
    assert math.isnan(found.low)
    assert found.method is Method.NONE
