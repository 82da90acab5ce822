"""Keys stay out of what we print and of what the harness logs about a failing request."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable

_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s'\"@]+@|(?<=\?)[^\s'\")>]*=[^\s'\")>]*")
_SHORTEST = 8  # "EMPTY" and "none" are what servers without keys are given


class Credentials(logging.Filter):
    """Blots out credentials: of the environment, of addresses, and those that it is given.

    As a filter of a logger it never drops a record: the harness logs a failing request by its
    `repr`, which holds the headers.

    >>> Credentials(["Bearer sk-123456789"]).blotted("sk-123456789 for http://me:pw@host/v1?key=x")
    '*** for http://***host/v1?***'
    """

    def __init__(self, given: Iterable[str] = ()) -> None:
        super().__init__()
        values = [value.removeprefix("Bearer ") for value in given]
        values += [value for name, value in os.environ.items() if _NAMES.search(name)]
        known = sorted({value for value in values if len(value) >= _SHORTEST}, key=len)
        self._known = re.compile("|".join(map(re.escape, reversed(known))) or r"(?!)")

    def blotted(self, text: str) -> str:
        """The text with *** in place of credentials."""
        return self._known.sub("***", _IN_ADDRESS.sub("***", text))

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, blotted."""
        record.msg, record.args = self.blotted(record.getMessage()), ()
        return True
