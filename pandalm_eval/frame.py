"""Judgments as a tidy frame or Parquet: one row a judgment, read and written batch by batch.

from pandalm_eval import read_judgments_frame
frame = read_judgments_frame("out")
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pandalm_eval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from pandalm_eval.judgments import Judgment, Reading, RunName

_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the frame.

    Attributes:
        name: of the column.
        type: string, int64, float64 or bool; all but the counts may be missing.
        what: it holds.
        of: its value in a row.
    """

    name: str
    type: str
    what: str
    of: Callable[[RunName, Judgment], Any]


def _run(name: str, what: str) -> Column:
    return Column(name, "string", what, lambda run, _: str(getattr(run, name)))


def _own(name: str, type: str, what: str) -> Column:
    return Column(name, type, what, lambda _, judgment: getattr(judgment, name))


def _mean(place: int, label: str) -> Column:
    def of(_: RunName, judgment: Judgment) -> float | None:
        return judgment.probabilities[place] if judgment.probabilities else None

    return Column(f"p_{label}", "float64", f"mean probability of {label} over both orders", of)


def _reading(place: int, order: str) -> Iterator[Column]:
    def column(name: str, type: str, what: str, of: Callable[[Reading], Any]) -> Column:
        def value(_: RunName, judgment: Judgment) -> Any:
            return of(judgment.readings[place]) if place < len(judgment.readings) else None

        return Column(f"{order}_{name}", type, what, value)

    yield column(
        "verdict", "string", f"of the {order} order, told for the pair's own", lambda r: r.verdict
    )
    yield column("reason", "string", "why it is invalid", lambda r: r.reason)
    for number, label in enumerate(("first", "second", "tie")):
        yield column(
            f"p_{label}",
            "float64",
            f"its probability of {label}",
            lambda r, number=number: r.probabilities[number] if r.probabilities else None,  # type: ignore[misc]
        )
    yield column(
        "truncated", "bool", "whether its prompt was shortened to fit", lambda r: r.truncated
    )
    yield column("seconds", "float64", "spent on it, where measured", lambda r: r.seconds)


COLUMNS: tuple[Column, ...] = (
    _run("task", "task that was run"),
    _run("judge", "name of the judge; a number behind it tells runs of one name apart"),
    _run("protocol", "full, single, verdict or logprob"),
    _run("prompt", "pandalm or chat"),
    _run("decoding", "greedy or upstream"),
    _run("gold_source", "where gold is from: human, key, gpt-3.5-turbo or a file's name"),
    _own("index", "int64", "place of the pair in its set"),
    _own("id", "string", "of the pair within its set"),
    _own("prompt_id", "string", "of its prompt: the sampling unit"),
    _own("text_hash", "string", "of the four texts of the pair"),
    _own("model1", "string", "candidate that wrote response 1"),
    _own("model2", "string", "candidate that wrote response 2"),
    _own("gold", "string", "label to agree with: first, second or tie"),
    Column(
        "annotators",
        "string",
        "single human labels, joined by spaces",
        lambda _, judgment: " ".join(judgment.annotators) or None,
    ),
    _own("length1", "int64", "characters of response 1, stripped"),
    _own("length2", "int64", "characters of response 2, stripped"),
    _own("verdict", "string", "first, second, tie or invalid: what the readings resolve to"),
    Column(
        "correct",
        "bool",
        "whether the verdict is gold; missing without gold",
        lambda _, judgment: None if judgment.gold is None else judgment.correct,
    ),
    *(_mean(place, label) for place, label in enumerate(("first", "second", "tie"))),
    *_reading(0, "forward"),
    *_reading(1, "swapped"),
)
"""The columns in order; those of the swapped order are missing under the single protocol."""


def read_judgments_frame(*results: str | Path) -> pd.DataFrame:
    """Every judgment of some results, one row each.

    Args:
        results: folders or files that the harness or `pandalm-eval redact` wrote, or a Parquet file
            of `pandalm-eval redact --format parquet`.

    Returns:
        (judgments, `COLUMNS`): who judged what, the pair, gold and verdict, then `forward_` and
        `swapped_` columns of the readings. docs/frames.md has every column. Texts are `str`, truth
        values nullable `boolean`, what is missing NA.

    Raises:
        InputError: a path that is no result, or a line that cannot be read.
    """
    import pandas as pd
    import pyarrow as pa

    tables = [_read_table(Path(result)) for result in results]
    if not tables:
        raise InputError("no result to read: name a folder or file.")
    types = {pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas(types_mapper=types.get)
    return frame


def write_parquet(results: Iterable[Path], path: Path) -> int:
    """Write the frame of some results as Parquet, whole or not at all; returns its rows.

    Raises:
        InputError: as `read_judgments_frame`, or the file cannot be written.
    """
    import pyarrow.parquet as pq

    rows = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.parent / f".{secrets.token_hex(8)}.part"
        try:
            with pq.ParquetWriter(part, _schema(), compression="zstd") as writer:
                for batch in _batches(results):
                    writer.write_batch(batch)
                    rows += batch.num_rows
            os.replace(part, path)  # noqa: PTH105 - Path.replace is the same call, hidden
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}).") from None
    return rows


def _read_table(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix != ".parquet":
        return pa.Table.from_batches(_batches([path]), _schema())
    try:
        found = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error}).") from None
    if found.schema.names != [column.name for column in COLUMNS]:
        raise InputError(f"{path}: is no Parquet file of `pandalm-eval redact --format parquet`.")
    return found.cast(_schema())


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(column.name, pa.type_for_alias(column.type)) for column in COLUMNS])


def _batches(results: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    from pandalm_eval.streams import stream_results

    rows = stream_results(results)
    while chunk := list(islice(rows, _BATCH)):
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(
                    [column.of(name, judgment) for name, judgment in chunk],
                    pa.type_for_alias(column.type),
                )
                for column in COLUMNS
            ],
            schema=_schema(),
        )


def schema() -> str:
    """The columns as a Markdown table, for the documentation."""
    rows = (f"| `{column.name}` | {column.type} | {column.what} |" for column in COLUMNS)
    return "\n".join(["| column | type | what |", "| --- | --- | --- |", *rows])
