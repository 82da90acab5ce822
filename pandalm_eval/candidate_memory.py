"""Freeing a candidate before its judge is loaded.

A task never sees the model object and the harness's evaluator holds it to the end, so only our
command can do this: it notes which model an evaluation was given.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

_HELD: list[Any] = []
_WEIGHTS = ("_model", "model", "_engine")
"""Attributes in which the harness's models and ours keep their weights."""


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """While open, the model of an evaluation is noted, so that `free` can let go of it."""
    from lm_eval import evaluator

    original = evaluator.evaluate

    def evaluate(lm: Any, *positional: Any, **arguments: Any) -> Any:
        _HELD.append(lm)
        try:
            return original(lm, *positional, **arguments)
        finally:
            _HELD.clear()

    evaluator.evaluate = evaluate
    try:
        yield
    finally:
        evaluator.evaluate = original


def can_free() -> bool:
    """Whether this is a run of our command, which can free the candidate."""
    return bool(_HELD)


def free() -> None:
    """Let go of the candidate's weights; what the harness asks of it afterwards is kept."""
    for lm in _HELD:
        while (inner := getattr(lm, "lm", None)) is not None:  # a store around it
            lm = inner
        if hasattr(lm, "get_model_info"):
            told = lm.get_model_info()
            lm.get_model_info = lambda told=told: told
        for name in _WEIGHTS:
            if name in vars(lm):
                setattr(lm, name, None)
    gc.collect()
    import torch

    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()
