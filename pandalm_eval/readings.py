"""From what a samples file holds of a pair, its document and filtered responses, to its judgment.

The task and whoever reads samples later go the same way, so that stored texts can be read again
without judging again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pandalm_eval.judgments import Judgment, Protocol, Reading, read_logprobs


def judge_sample(sample: Mapping[str, Any], protocol: Protocol) -> Judgment:
    """The judgment of a line of a samples file.

    A candidate's run (`pandalm-winrate`) has the pair that its judge read beside its answer.
    """
    results = sample["filtered_resps"]
    told = json.loads(results[0])
    if "pair" in told:
        return judge(told["pair"], protocol, told["readings"])
    return judge(sample["doc"], protocol, results)


def judge(doc: Mapping[str, Any], protocol: Protocol, results: Sequence[str]) -> Judgment:
    """The judgment of a document by its filtered responses (JSON texts, see `task.py`)."""
    return Judgment.of(doc, protocol, list(_readings(protocol, list(map(json.loads, results)))))


def _readings(protocol: Protocol, results: Sequence[Mapping[str, Any]]) -> Iterator[Reading]:
    if protocol is not Protocol.LOGPROB:
        yield from map(Reading.from_json, results)
        return
    for swapped in range(protocol.orders):
        scored = results[3 * swapped : 3 * swapped + 3]
        yield read_logprobs(
            [result["logprob"] for result in scored],
            swapped=bool(swapped),
            truncated=scored[0]["truncated"],
        )
