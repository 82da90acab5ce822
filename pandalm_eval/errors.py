"""What can be the user's to mend.

PandaLMError
├── InputError   a file, record, model or environment is at fault   (exit code 1)
└── UsageError   a command, key or option is at fault               (exit code 2)

Every message says what was wrong, where (file, record, key) and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable


class PandaLMError(ValueError):
    """Something that the user can mend; `str()` of it is the whole message."""

    exit_code = 1


class InputError(PandaLMError):
    """A file, a record, a model or the environment is at fault."""

    exit_code = 1


class UsageError(PandaLMError):
    """A command, a metadata key or an option is at fault."""

    exit_code = 2


def listing(items: Iterable[object], most: int = 8) -> str:
    """Name the first `most` items and count the rest: `a, b, c and 12 more`.

    >>> listing(range(10), most=3)
    '0, 1, 2 and 7 more'
    """
    found = [str(item) for item in items]
    shown = ", ".join(found[:most])
    return shown if len(found) <= most else f"{shown} and {len(found) - most} more"
