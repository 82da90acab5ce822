"""Which texts of a stranger may stand in a table: one line, nothing invisible, links to pages.

What looks like markup is no fault: it is escaped where it is printed, and so shown as text.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200
_LINK = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
    r"(?:[/?#][A-Za-z0-9._~:/?#@!$&*+,;=%-]*)?"
)
NO_LINK = "none"


def fault_of_text(value: object) -> str | None:
    """Why a value cannot be shown as a text, or None where it can.

    >>> fault_of_text("a_b%&$#{}~^"), fault_of_text("a\\u202eb"), fault_of_text("=1+1")
    (None, 'has an invisible character (U+202E)', 'begins with =, which a spreadsheet would run')
    """
    if not isinstance(value, str) or not value.strip():
        return "is no text"
    if len(value) > LONGEST:
        return f"has {len(value)} characters; {LONGEST} is the most"
    for character in value:
        if character != " " and unicodedata.category(character)[0] in "CZ":
            return f"has an invisible character (U+{ord(character):04X})"
    if value != value.strip():
        return "begins or ends with a space"
    if value[0] in "=+-@":
        return f"begins with {value[0]}, which a spreadsheet would run"
    return None


def fault_of_link(value: object) -> str | None:
    """Why a value is no link to a web page, or None where it is one, or says `none`.

    >>> fault_of_link("https://example.org/a"), fault_of_link("javascript:alert(1)")
    (None, 'is no link: https://HOST/PATH or none is needed')
    """
    if value == NO_LINK or (
        isinstance(value, str) and len(value) <= LONGEST and _LINK.fullmatch(value)
    ):
        return None
    return "is no link: https://HOST/PATH or none is needed"


def same_name(name: str) -> str:
    """What two names share that people cannot tell apart: form, case, and marks between words.

    >>> same_name("My Judge-7B") == same_name("my_judge 7b")
    True
    """
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", name).casefold()).strip("-") or name
