"""Writes a figure to a file: whole or not at all, and twice the same bytes."""

from __future__ import annotations

import io
import logging
import os
import secrets
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.plots.style import look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)

# Dates and versions are taken out of the metadata, so that a figure changes only with its data.
_METADATA: dict[str, dict[str, str | None]] = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}

SUFFIXES = tuple(_METADATA)
"""What a figure's file may be called."""


def write(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, PDF or PNG (300 dpi), as the suffix of `path` says.

    Raises:
        UsageError: another suffix.
        InputError: the file cannot be written; an older one is then left as it was.
    """
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise UsageError(f"{path}: a figure is written as {', '.join(SUFFIXES)}. Name one of them.")
    data = drawn(figure, suffix, path)
    # A short name of its own: one made from the path's could be longer than a name may be.
    part = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        try:
            part.write_bytes(data)
            os.replace(part, path)  # noqa: PTH105 - Path.replace is the same call, hidden
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None


def drawn(figure: Figure, suffix: str, path: Path | str) -> bytes:
    """The bytes of a figure's file.

    Args:
        suffix: one of `SUFFIXES`.
        path: what a warning of missing glyphs names.
    """
    buffer = io.BytesIO()
    with look(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(buffer, format=suffix[1:], metadata=_METADATA[suffix])
    missing = [w for w in caught if "missing from font" in str(w.message)]
    for warning in (w for w in caught if w not in missing):
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if missing and suffix != ".svg":  # an SVG is drawn with the reader's fonts
        _log.warning(
            "%s: DejaVu Sans has no glyphs for some characters, which are drawn as boxes. "
            "SVG keeps them as text.",
            path,
        )
    return buffer.getvalue()
