"""How figures are printed: shares with four digits, intervals in brackets, a dash for none."""

from __future__ import annotations

import math
from typing import Any

from pandalm_eval.metrics import SUFFIXES
from pandalm_eval.statistics.shares import Estimate

NOTHING = "–"


def estimated(key: str, found: Estimate) -> dict[str, float | None]:
    """An estimate as a row's fields: value, error and interval, None where there is none."""
    told = (found.value, found.stderr, found.low, found.high)
    return {
        f"{key}{suffix}": None if math.isnan(value) else value
        for suffix, value in zip(SUFFIXES, told, strict=True)
    }


def share(value: Any) -> str:
    """A share or a difference of shares.

    >>> share(0.66766), share(-0.05), share(1.0), share(None)
    ('.6677', '-.0500', '1.0000', '–')
    """
    if not isinstance(value, int | float) or math.isnan(value):
        return NOTHING
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"


def with_interval(value: Any, low: Any, high: Any) -> str:
    """A figure and its interval, where it has one.

    >>> with_interval(0.5, 0.4, 0.6), with_interval(0.5, None, None)
    ('.5000 [.4000, .6000]', '.5000')
    """
    bounds = [share(low), share(high)]
    return share(value) if NOTHING in bounds else f"{share(value)} [{', '.join(bounds)}]"


def p_value(value: float | None) -> str:
    """A p-value: three digits, and "<" below them.

    >>> p_value(0.0421), p_value(1e-9), p_value(1.0)
    ('.042', '<.001', '1.000')
    """
    if value is None:
        return NOTHING
    if value < 0.001:
        return "<.001"
    return f"{value:.3f}".replace("0.", ".", 1)


def one_line(text: str) -> str:
    """A name that can break no table: no line break, no column mark."""
    return " ".join(text.split()).replace("|", "¦")
