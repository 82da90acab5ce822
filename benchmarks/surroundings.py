"""What a measurement ran on, and ways measured in turns."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

PACKAGES = ("pandalm_eval", "lm_eval", "torch", "transformers", "numpy", "pandas")
SIDE = 2048


def machine() -> dict[str, Any]:
    """The machine, its threads and the versions of what is measured."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    """The processor's name, and which of the instructions that matter here it has."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    lines = [line.partition(":") for line in text.splitlines()]
    told = {key.strip(): value.strip() for key, _, value in lines}
    has = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in told.get("flags", "").split()]
    return f"{told.get('model name', platform.machine())} ({', '.join(has) or 'no bf16 products'})"


@dataclass
class Clock:
    """Seconds of each way, one a turn; the best rate of matrix products seen meanwhile.

    Attributes:
        rate: floating-point operations a second of a bfloat16 product of 2048 x 2048 matrices.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    rate: float = 0.0

    def median(self, way: str) -> float:
        return statistics.median(self.seconds[way])

    def span(self, way: str) -> tuple[float, float]:
        return min(self.seconds[way]), max(self.seconds[way])


def in_turns(ways: Mapping[str, Callable[[], Any]], repeats: int) -> tuple[Clock, dict[str, Any]]:
    """Let the ways take turns, so that a machine whose speed drifts does not favour one.

    Every other turn goes backwards. Returns the clock, and what each way returned last.
    """
    clock, found = Clock(), dict[str, Any]()
    with tqdm(total=repeats * len(ways), desc="measuring") as bar:
        for turn in range(repeats):
            for way in list(ways)[:: 1 if turn % 2 == 0 else -1]:
                bar.set_postfix_str(way)
                clock.rate = max(clock.rate, product_rate())
                start = time.perf_counter()
                found[way] = ways[way]()
                clock.seconds.setdefault(way, []).append(time.perf_counter() - start)
                bar.update()
    return clock, found


def product_rate(repeats: int = 3) -> float:
    """Best rate of a bfloat16 product of two square matrices, in operations a second."""
    one, other = (torch.randn(SIDE, SIDE).to(torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        one @ other
        best = min(best, time.perf_counter() - start)
    return float(2 * SIDE**3 / best)
