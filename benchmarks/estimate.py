"""What PandaLM-7B would take on one A100-class GPU: an estimate from arithmetic, nothing measured.

Prompts cost operations: 2 x parameters and attention for each token, as in `judging.py`. New tokens
cost memory: each step of a batch reads all weights, and the keys and values of its rows. Both are
divided by the data sheet's rate times the share of it that we assume. Tokens are counted on the
PandaLM test set and on PandaLM-7B's released texts, by the tokenizer given; LLaMA's, with fewer
words, makes more of them.

    python benchmarks/estimate.py testset-v1.json pandalm-7b-testset-v1.json --tokenizer FOLDER
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judging import own_depths, requests
from tabulate import tabulate
from transformers import AutoTokenizer

from pandalm_eval.human import read_test_set
from pandalm_eval.judgments import Protocol
from pandalm_eval.settings import Decoding

MORE_TOKENS = 1.2  # LLaMA's vocabulary has 32,000 entries; an assumption
SHARE = 0.4  # of the data sheet's rates; an assumption: .5 of the limit was measured on a CPU
SIZES = (1_000, 100_000, 10_000_000)
VERDICT_TOKENS = 2  # the verdict, and what ends its line


@dataclass(frozen=True)
class Model:
    """LLaMA-7B, by its configuration."""

    width: int = 4096
    layers: int = 32
    inner: int = 11_008
    rows: int = 64  # of a batch, which at 350 tokens are 11.7 GB of keys and values

    @property
    def weights(self) -> int:
        """Parameters without embeddings."""
        return self.layers * (4 * self.width**2 + 3 * self.width * self.inner)

    def operations(self, depths: Iterable[int]) -> float:
        """Floating-point operations of prompt tokens that stand at these places."""
        return sum(2 * self.weights + 4 * self.width * self.layers * (at + 1) for at in depths)

    def bytes_a_step(self, length: float) -> float:
        """Bytes that a step of one new token a row reads, in bfloat16."""
        return 2 * self.weights + self.rows * length * 2 * 2 * self.width * self.layers


@dataclass(frozen=True)
class Device:
    """An A100 with 80 GB, by its data sheet: bfloat16 without sparsity, memory."""

    operations_a_second: float = 312e12
    bytes_a_second: float = 2.0e12


def per_pair(test_set: Path, released: Path, tokenizer: Any) -> Iterator[dict[str, Any]]:
    """Seconds a pair of each protocol."""
    pairs = read_test_set(test_set)
    asked = requests(pairs, Protocol.VERDICT, Decoding.GREEDY, settles=True)
    rows = [tokenizer(request.args[0])["input_ids"] for request in asked]
    alone = [at for pair in zip(rows[::2], rows[1::2], strict=True) for at in own_depths(pair)]
    texts = json.loads(released.read_text("utf-8"))
    written = [f"\n{one['pandalm_reason']}\n{one['pandalm_reference']}" for one in texts]
    new = sum(len(tokenizer(text)["input_ids"]) for text in written) / len(written)
    length = MORE_TOKENS * sum(map(len, rows)) / len(rows)
    model, device = Model(), Device()
    step = model.bytes_a_step(length) / (device.bytes_a_second * SHARE)
    for shape, depths in (("whole prompts", list(own_depths(rows))), ("pairs alone", alone)):
        prompt = MORE_TOKENS * model.operations(depths) / len(pairs)
        reading = prompt / (device.operations_a_second * SHARE)
        for protocol, tokens in (("logprob", 1.0), ("verdict", VERDICT_TOKENS), ("full", new)):
            seconds = reading + 2 * MORE_TOKENS * tokens * step / model.rows
            yield {
                "pairs come as": shape,
                "protocol": protocol,
                "tokens read": round(MORE_TOKENS * len(depths) / len(pairs)),
                "tokens written": round(2 * MORE_TOKENS * tokens),
                "pairs/s": f"{1 / seconds:.0f}",
                **{f"{size:,}": duration(size * seconds) for size in SIZES},
            }


def duration(seconds: float) -> str:
    """Two digits, in a unit that fits."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{float(f'{seconds / length:.2g}'):g} {unit}"
    return f"{float(f'{seconds:.2g}'):g} s"


def main() -> int:
    """Print the estimate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("test_set", type=Path, help="testset-v1.json")
    parser.add_argument("released", type=Path, help="pandalm-7b-testset-v1.json")
    parser.add_argument("--tokenizer", required=True, help="a folder")
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    rows = list(per_pair(options.test_set, options.released, tokenizer))
    print(tabulate(rows, "keys", "github", disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
