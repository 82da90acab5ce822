"""Records of a file: a JSON list, or JSONL, which is read line by line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pandalm_eval.errors import InputError

_BOM = b"\xef\xbb\xbf"


def read_records(path: Path) -> list[dict[str, Any]]:
    """Objects of a JSON list or of JSONL (told by the first character), in order.

    Raises:
        InputError: missing, unreadable, not UTF-8, not JSON, truncated, empty, or not objects;
            the message has file and line or record.
    """
    return list(stream_records(path))


def stream_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what `read_records` returns, of JSONL one line after the other."""
    number = -1
    try:
        with path.open("rb") as file:
            parse = _parse_list if _begins_a_list(file) else _parse_lines
            for number, record in enumerate(parse(path, file)):
                if not isinstance(record, dict):
                    raise InputError(
                        f"{path}: record {number} is {json_type(record)}, not an object with "
                        "fields."
                    )
                yield record
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the path.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    if number < 0:
        raise InputError(f"{path}: the file is empty; at least one record is needed.")


def read_object(path: Path) -> dict[str, Any]:
    """The one object that a JSON file holds, not empty.

    Raises:
        InputError: as `read_records`, or the file holds something else.
    """
    try:
        found = _parse(path, path.read_bytes().removeprefix(_BOM))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the path.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    if not isinstance(found, dict) or not found:
        told = "an empty object" if found == {} else json_type(found)
        raise InputError(f"{path}: holds {told}, not an object with fields.")
    return found


def _begins_a_list(file: BinaryIO) -> bool:
    """Whether the first character is a bracket; a byte-order mark is passed over for good."""
    start = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
    file.seek(start)
    first = next((line.strip() for line in file if line.strip()), b"")
    file.seek(start)
    return first[:1] == b"["


def _text(path: Path, raw: bytes, before: int = 0) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text (byte {before + error.start}). Save it as UTF-8 JSON or JSONL."
        ) from None


def without_doubles(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; JSON itself would keep the last of two fields of one name, without a word."""
    record = dict(fields)
    if len(record) != len(fields):
        counts = Counter(name for name, _ in fields)
        raise ValueError(f"the field {counts.most_common(1)[0][0]!r} stands there twice")
    return record


_LINES = json.JSONDecoder(object_pairs_hook=without_doubles)
"""`json.loads` would make a decoder for every line."""


def _parse_list(path: Path, file: BinaryIO) -> Iterator[Any]:
    records = _parse(path, file.read())
    if not records:
        raise InputError(f"{path}: the list is empty; at least one record is needed.")
    yield from records


def _parse(path: Path, raw: bytes) -> Any:
    """The one value of a JSON text."""
    try:
        return json.loads(_text(path, raw), object_pairs_hook=without_doubles)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); "
            "the file may be truncated. Fetch or write it again."
        ) from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply to be a list of records.") from None
    except ValueError as error:  # a whole number of more than 4300 digits
        raise InputError(f"{path}: cannot be read as JSON ({error}).") from None


def _parse_lines(path: Path, file: BinaryIO) -> Iterator[Any]:
    before = file.tell()
    # Lines end at "\n" only: U+2028 and others may stand unescaped inside a JSON string.
    for number, raw in enumerate(file, start=1):
        line = _text(path, raw, before)
        before += len(raw)
        if not line.strip():
            continue
        try:
            yield _LINES.decode(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}: line {number} is not valid JSON ({error.msg}); the file may be "
                "truncated, or be neither a JSON list nor JSONL."
            ) from None
        except RecursionError:
            raise InputError(f"{path}: line {number} is nested too deeply.") from None
        except ValueError as error:
            raise InputError(f"{path}: line {number} cannot be read as JSON ({error}).") from None


def json_type(value: object) -> str:
    """What a JSON value is, in words for a message."""
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true/false",
        type(None): "null",
    }
    return names.get(type(value), "a number")
