"""Krippendorff's alpha against the krippendorff package and a published example."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.errors import InputError
from pandalm_eval.statistics.agreement import krippendorff_alpha
from pandalm_eval.statistics.shares import Method

NAN = math.nan


def test_published_example() -> None:
    # Krippendorff 2011, section C: four observers, twelve units, nominal alpha .743.
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
    found = krippendorff_alpha(np.array(observers).T, np.arange(12))
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert (found.n, found.clusters) == (11, 11)  # the last unit has one code
    assert found.low < found.value < found.high


@given(
    codes=st.lists(
        st.lists(st.sampled_from([0.0, 1.0, 2.0, NAN]), min_size=3, max_size=3),
        min_size=2,
        max_size=20,
    )
)
def test_is_the_packages(codes: list[list[float]]) -> None:
    array = np.array(codes)
    pairable = array[(~np.isnan(array)).sum(axis=1) >= 2]
    if len(pairable) == 0:
        with pytest.raises(InputError, match="two raters"):
            krippendorff_alpha(array, np.arange(len(array)))
        return
    found = krippendorff_alpha(array, np.arange(len(array)), draws=20).value
    if len(np.unique(pairable[~np.isnan(pairable)])) == 1:
        assert math.isnan(found)
        return
    theirs = krippendorff.alpha(reliability_data=pairable.T, level_of_measurement="nominal")
    assert found == pytest.approx(theirs, abs=1e-9)


def test_interval_is_of_prompts() -> None:
    # Every unit three times in its prompt: alpha's finite-sample term moves a little, its error
    # hardly, whereas three times as many prompts would shrink it by sqrt(3).
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, size=(80, 1))
    codes = np.where(rng.random((80, 3)) < 0.7, truth, rng.integers(0, 3, size=(80, 3))).astype(
        float
    )
    once = krippendorff_alpha(codes, np.arange(80))
    thrice = krippendorff_alpha(np.repeat(codes, 3, axis=0), np.repeat(np.arange(80), 3))
    independent = krippendorff_alpha(np.repeat(codes, 3, axis=0), np.arange(240))
    assert once.method is Method.BOOTSTRAP
    assert thrice.stderr == pytest.approx(once.stderr, rel=0.01)
    assert independent.stderr == pytest.approx(once.stderr / math.sqrt(3), rel=0.02)
    assert once.high - once.low == pytest.approx(2 * 1.96 * once.stderr, rel=0.1)


def test_one_prompt_has_no_interval() -> None:
    found = krippendorff_alpha(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([7, 7]))
    assert (found.value, found.method) == (1.0, Method.NONE)
    assert math.isnan(found.low)
