"""Labels that exist already: AlpacaEval's, released verdicts, CSV and JSONL of one's own."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.gold import record_id
from pandalm_eval.human import read_test_set
from pandalm_eval.pairs import Pair, id_field, prompt_hash, read_label, stream_pairs, text_fields
from pandalm_eval.records import stream_records
from pandalm_eval.verdicts import Verdict
from train_judge.labelled import Answer, Labelled, Order

ALPACA_EVAL = "alpaca_eval"
"""The source of labels in AlpacaEval's `annotations.json`."""

_LONGEST_CELL = 2**24
_VERDICTS = ("verdict", "label", "gpt_result", "pandalm_result")
_REASONS = ("reason", "gpt_reason", "pandalm_reason")
_REFERENCES = ("reference", "gpt_reference", "pandalm_reference")


def stream_released(path: Path, pairs: Path | None = None) -> Iterator[Labelled]:
    """Yield the labels of one file, of whichever format its first record shows.

    A verdict that is none (null, "garbage") becomes invalid, for `filter` to count.

    Args:
        path: AlpacaEval's `annotations.json`; JSON, JSONL or CSV of {instruction, input?,
            response1, response2, verdict, reason?, reference?}; or verdicts by idx or id, of which
            the PandaLM repository released two. These may be of both orders (`order` forward or
            swapped), and are told for the pair's own order, as `pandalm_eval` records judgments.
        pairs: the pairs that verdicts by id are of: a pair file, or the PandaLM test set.

    Raises:
        InputError: for the file or the record at fault.
        UsageError: verdicts by id, and no pairs.
    """
    records = _csv_records(path) if path.suffix.lower() == ".csv" else stream_records(path)
    read = None
    for number, record in enumerate(records):
        if read is None:
            if "preference" in record:
                read = _alpaca_eval
            elif "response1" in record:
                read = _with_texts
            elif _first(record, _VERDICTS) and {"id", "idx"} & set(record):
                yield from _by_id(path, pairs)
                return
            else:
                raise InputError(
                    f"{path}: record {number} is no label that is known (it has: "
                    f"{listing(record)}). Known are AlpacaEval's annotations (instruction, "
                    "output_1, output_2, preference), {instruction, input, response1, response2, "
                    "verdict}, and {id or idx, verdict} after the pairs that they are of."
                )
        yield read(path, number, record)


def _alpaca_eval(path: Path, number: int, record: dict[str, Any]) -> Labelled:
    # AlpacaEval joins instruction and input by a blank line, so that its input is always empty.
    texts = text_fields(path, number, record, ("instruction", "output_1", "output_2"))
    pair = Pair(
        id=f"{path.stem}:{number}",
        prompt_id=prompt_hash(texts["instruction"], ""),
        instruction=texts["instruction"],
        input="",
        response1=texts["output_1"],
        response2=texts["output_2"],
        model1=record.get("generator_1"),
        model2=record.get("generator_2"),
    )
    return _labelled(pair, record.get("preference"), {}, ALPACA_EVAL)


def _with_texts(path: Path, number: int, record: dict[str, Any]) -> Labelled:
    if record.get("input") is None:
        record["input"] = ""
    if (field := _first(record, _VERDICTS)) is None:
        raise InputError(f"{path}: record {number} has no verdict (it has: {listing(record)}).")
    texts = text_fields(path, number, record, ("instruction", "input", "response1", "response2"))
    pair = Pair(
        id=id_field(path, number, record, "id", f"{path.stem}:{number}"),
        prompt_id=prompt_hash(texts["instruction"], texts["input"]),
        instruction=texts["instruction"],
        input=texts["input"],
        response1=texts["response1"],
        response2=texts["response2"],
        model1=record.get("model1") or None,
        model2=record.get("model2") or None,
    )
    return _labelled(pair, record[field], record, path.stem)


def _by_id(path: Path, pairs: Path | None) -> Iterator[Labelled]:
    if pairs is None:
        raise UsageError(
            f"{path}: tells verdicts by id, without the texts. Name their pairs before it: "
            "python -m train_judge.label PAIRS --from FILE."
        )
    told: dict[str, dict[Order, Answer]] = {}
    for number, record in enumerate(stream_records(path)):
        id, order = record_id(path, number, record), _order(path, number, record)
        if order in (orders := told.setdefault(id, {})):
            raise InputError(
                f"{path}: record {number} repeats the id {id}. One verdict an id and order."
            )
        if (field := _first(record, _VERDICTS)) is None:
            raise InputError(f"{path}: record {number} has no verdict (it has: {listing(record)}).")
        orders[order] = _answer(record[field], record, path.stem, order)
    for pair in _pairs(pairs):
        if answers := told.pop(pair.id, None):
            yield Labelled(pair, tuple(answers[order] for order in Order if order in answers))
    if told:
        raise InputError(
            f"{path}: {len(told)} ids are no pairs of {pairs}: {listing(told)}. Name the pairs "
            "that were judged."
        )


def _pairs(path: Path) -> Iterator[Pair]:
    first = next(stream_records(path), {})
    yield from read_test_set(path) if "cmp_key" in first else stream_pairs(path)


def _order(path: Path, number: int, record: Mapping[str, Any]) -> Order:
    told = record.get("order") or Order.FORWARD
    if told not in list(Order):
        raise InputError(
            f"{path}: record {number} has order {told!r}; forward or swapped is needed."
        )
    return Order(told)


def _labelled(pair: Pair, verdict: object, record: Mapping[str, Any], source: str) -> Labelled:
    return Labelled(pair, (_answer(verdict, record, source, Order.FORWARD),))


def _answer(verdict: object, record: Mapping[str, Any], source: str, order: Order) -> Answer:
    return Answer(
        order=order,
        verdict=read_label(verdict) or Verdict.INVALID,
        reason=_text(record, _REASONS),
        reference=_text(record, _REFERENCES),
        source=source,
    )


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in record), None)


def _text(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    field = _first(record, names)
    told = record[field] if field else None
    return told.strip() if isinstance(told, str) else ""


def _csv_records(path: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_LONGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            empty = True
            for row in reader:
                empty = False
                if None in row or None in row.values():
                    raise InputError(
                        f"{path}: line {reader.line_num} has not as many cells as the header. "
                        "Quote cells that hold commas or line ends."
                    )
                yield row
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the path.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text. Save it as UTF-8.") from None
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} is no CSV ({error}).") from None
    if empty:
        raise InputError(f"{path}: the file has no rows; at least one label is needed.")
