"""Text of data sets and models on a page: it is shown, and nothing of it takes effect.

Markup is escaped by the template engine; here is what that leaves open. Control characters, and
characters that are invisible or change the direction of what stands around them, are shown by their
number. JSON is escaped so that no text of it can end its `<script>`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from markupsafe import Markup

_RANGES = (
    (0x00, 0x08),  # C0, but tab and line feed
    (0x0B, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),  # soft hyphen
    (0x61C, 0x61C),  # Arabic letter mark
    (0x115F, 0x1160),  # fillers
    (0x180E, 0x180E),
    (0x200B, 0x200B),  # not the joiners U+200C and U+200D, which scripts and emoji need
    (0x200E, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xD800, 0xDFFF),  # surrogates on their own
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF9, 0xFFFB),
    (0xE0000, 0xE007F),  # tags
)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\u{{{code:x}}}"


SCRIPT_PATTERN = f"[{''.join(f'{_escaped(a)}-{_escaped(b)}' for a, b in _RANGES)}]"
"""The characters that are shown by number, as JavaScript writes them under the flag `u`."""

_HIDDEN = re.compile(f"[{''.join(f'{chr(a)}-{chr(b)}' for a, b in _RANGES)}]")
_IN_JSON = re.compile(f"[<>&{''.join(f'{chr(a)}-{chr(b)}' for a, b in _RANGES)}]")


def visible(text: str) -> str:
    r"""The text with every hidden character as its number.

    >>> visible("a\u202eb\r\n"), visible("\x00")
    ('a[U+202E]b\n', '[U+0000]')
    """
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text.replace("\r\n", "\n"))


def finalize(value: Any) -> Any:
    """What the template engine prints for a value, before it escapes it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def json_for_script(value: Any) -> Markup:
    r"""A value as JSON that may stand in `<script type="application/json">`.

    The same text in every way of reading JSON, but without `<`, `>`, `&` and hidden characters.

    >>> print(json_for_script({"a": "</script>\u2028"}))
    {"a":"\u003c/script\u003e\u2028"}
    """
    told = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(_IN_JSON.sub(lambda found: _utf16(found[0]), told))


def _utf16(character: str) -> str:
    """JSON's escape; beyond U+FFFF the two of its surrogates."""
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
