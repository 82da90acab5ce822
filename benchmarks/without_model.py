"""What is not the model: tables, the report and checks of many judgments, and runs with a rule.

Every command runs in a process of its own: wall time, CPU time and peak memory are that process's.
The judgments and pairs are made up, six pairs a prompt, the same ones each time. `growth` is the
memory that a command takes for each pair more, from the second largest count to the largest.

    python benchmarks/without_model.py --counts 1000 10000 100000 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from pandalm_eval.judgments import Judgment, Protocol, Reading, resolve
from pandalm_eval.results import manifest_beside
from pandalm_eval.verdicts import LABELS, Invalid, Verdict

ROOT = Path(__file__).resolve().parents[1]
SEED = 2023
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
RUNS = (999, 10_000, 44_275)
PROMPT = 6
MODELS = ("a", "b", "c", "d")
STOCK = """task: stock
dataset_path: json
dataset_kwargs: {data_files: {test: PAIRS}}
test_split: test
output_type: generate_until
doc_to_text: "{{instruction}} {{response1}} {{response2}}"
doc_to_target: "{{label}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 8}
metric_list: [{metric: exact_match}]
"""
SUBMISSION = (
    *("--submitter", "nobody", "--name", "one"),
    *("--link", "none", "--licence", "unknown", "--training_data", "unknown"),
)

Record = dict[str, Any]


def judgments_file(path: Path, count: int) -> Path:
    """Judgments with gold labels between four models; one reading of a hundred is invalid.

    A manifest without figures stands beside them.
    """
    rng = random.Random(SEED)
    run = {"task": "pandalm-pairs", "judge": "judge", "protocol": "verdict"}
    run |= {"prompt": "pandalm", "decoding": "greedy", "gold_source": "human"}
    invalid = Reading(Verdict.INVALID, Invalid.NO_VERDICT, seconds=0.25)
    with path.open("w", encoding="utf-8") as file:
        for index in range(count):
            gold = rng.choice(LABELS)
            readings = [
                invalid
                if rng.random() < 0.01
                else Reading(gold if rng.random() < 0.5 else rng.choice(LABELS), seconds=0.25)
                for _ in range(2)
            ]
            one, other = rng.sample(MODELS, 2)
            told = Judgment(
                *(index, str(index), f"prompt-{index // PROMPT}", f"{rng.getrandbits(64):016x}"),
                *(f"model-{one}", f"model-{other}", gold, ()),
                *(rng.randrange(1, 900), rng.randrange(1, 900), tuple(readings)),
                *resolve(Protocol.VERDICT, readings),
            )
            file.write(json.dumps(run | told.to_json()) + "\n")
    manifest = {
        "results": {run["task"]: {"n_pairs,none": count}},
        "n-samples": {run["task"]: {"effective": count, "original": count}},
        "settings": {},
    }
    manifest_beside(path).write_text(json.dumps(manifest), "utf-8")
    return path


def pairs_file(path: Path, count: int) -> Path:
    """Pairs of 60 to 150 words with labels."""
    rng = random.Random(SEED)
    words = ("river", "stone", "lamp", "copper", "seven", "quiet", "north", "paper", "engine")

    def text(most: int) -> str:
        return " ".join(rng.choices(words, k=rng.randrange(most // 3, most)))

    with path.open("w", encoding="utf-8") as file:
        for index in range(count):
            instruction = text(30) if index % PROMPT == 0 else instruction  # noqa: F821
            told = {"instruction": instruction, "response1": text(60), "response2": text(60)}
            file.write(json.dumps(told | {"label": rng.randrange(3)}) + "\n")
    return path


_WATCH = """
import json, os, sys, time
began = time.perf_counter()
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
wall, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), wall, cpu, used.ru_maxrss]))
"""
"""Runs in a small process: a child's peak memory is at least that of the process it came from."""


def measured(arguments: Sequence[str]) -> Record:
    """Seconds, CPU seconds and peak megabytes of a process.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
    }
    command = [sys.executable, "-S", "-c", _WATCH, sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    code, wall, cpu, peak = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    peak /= 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return {"wall": round(wall, 2), "cpu": round(cpu, 2), "peak": round(peak, 1)}


def _ours(*arguments: object) -> list[str]:
    return ["-m", "pandalm_eval", *map(str, arguments)]


def _on_judgments(folder: Path, count: int) -> Iterator[tuple[str, list[str]]]:
    """Commands on a file of so many judgments."""
    path = judgments_file(folder / "judgments_made-up.jsonl", count)
    read = "from pandalm_eval.columns import read_judgments as r; r(__import__('pathlib').Path"
    yield "reading", ["-c", f"{read}({str(path)!r}))"]
    yield "table --kind judges", _ours("table", path)
    yield "table --kind models", _ours("table", path, "--kind", "models")
    yield "report --no_text", _ours("report", path, "--no_text", "-o", folder / "page")
    yield "redact", _ours("redact", path, "-o", folder / "redacted")
    board = folder / "board"
    yield (
        "leaderboard add",
        _ours("leaderboard", "add", path, "--board", board, *SUBMISSION),
    )
    yield "leaderboard check", _ours("leaderboard", "check", board)


def _of_runs(folder: Path, count: int) -> Iterator[tuple[str, list[str]]]:
    """A run with a rule, and the harness's own dummy model on a stock task of as many documents."""
    pairs = pairs_file(folder / "pairs.jsonl", count)
    stock = folder / "stock"
    stock.mkdir()
    (stock / "stock.yaml").write_text(STOCK.replace("PAIRS", str(pairs)), "utf-8")
    kept = ("--log_samples", "--output_path")
    own = ("-m", "lm_eval", "run", "--model", "dummy", "--include_path", str(stock))
    yield "harness: stock task, dummy", [*own, "--tasks", "stock", *kept, str(folder / "own")]
    rule = ("run", "--model", "rule", "--model_args", "name=longest", "--tasks", "pandalm-pairs")
    yield (
        "run: pandalm-pairs, rule",
        _ours(*rule, "--metadata", f"pairs={pairs}", *kept, folder / "out"),
    )


def measure(counts: Sequence[int] = COUNTS, runs: Sequence[int] = RUNS) -> list[Record]:
    """Everything measured.

    Returns:
        {what, count, wall, cpu: seconds, peak: megabytes}, and with the largest of several counts
        growth: bytes a pair from the second largest on.
    """
    records: list[Record] = [{"what": "table --help", "count": 0, **measured(_ours("table", "-h"))}]
    plans = [(count, _on_judgments) for count in sorted(counts)]
    plans += [(count, _of_runs) for count in sorted(runs)]
    for count, commands in tqdm(plans, "without a model", unit="", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            for what, arguments in commands(Path(folder), count):
                records.append({"what": what, "count": count, **measured(arguments)})
    for record in records:
        same = sorted(
            (one for one in records if one["what"] == record["what"]), key=lambda one: one["count"]
        )
        if len(same) > 1 and record is same[-1]:
            before = same[-2]
            more = record["peak"] - before["peak"]
            record["growth"] = round(1e6 * more / (record["count"] - before["count"]))
    return records


def markdown(records: Iterable[Record]) -> str:
    """The records as a table."""
    rows = [
        {
            "command": record["what"],
            "pairs": f"{record['count']:,}" if record["count"] else "–",
            "wall, s": f"{record['wall']:.1f}",
            "CPU, s": f"{record['cpu']:.1f}",
            "peak, MB": f"{record['peak']:.0f}",
            "growth, bytes a pair": record.get("growth", ""),
        }
        for record in sorted(records, key=lambda record: record["what"])
    ]
    return tabulate(rows, "keys", "github", disable_numparse=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=int, nargs="*", default=COUNTS, help="judgments")
    parser.add_argument("--runs", type=int, nargs="*", default=RUNS, help="pairs of runs")
    parser.add_argument("--json", action="store_true", help="the records in place of the table")
    options = parser.parse_args()
    records = measure(options.counts, options.runs)
    print(json.dumps(records, indent=1) if options.json else markdown(records))


if __name__ == "__main__":
    main()
