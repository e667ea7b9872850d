"""Values without secrets, as they may be written down: by the names of keys, and by the engine's detectors."""

from __future__ import annotations

import re
from typing import Any

from . import _engine

__all__ = ["redacted"]

_SECRET = re.compile(
    r"pass(word|wd|phrase)?$|^pwd$|secret|token(?!s)|api_?key|apikey|credential|authorization|^auth$|private_?key"
    r"|access_?key|cookie|^pin$|^cvv$|^ssn$|card_?number",
    re.IGNORECASE,
)
_DEEPEST = 32
_LONGEST = 64 * 1024


def redacted(value: Any, depth: int = 0) -> Any:
    """The value as plain data: secrets replaced, what is no data named and never silently turned into text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        if len(value) > _LONGEST:
            value = value[:_LONGEST] + f"… ({len(value)} characters)"
        text = value if value.isascii() else value.encode("utf-8", "replace").decode()
        return _engine.redact(text)
    if depth >= _DEEPEST:
        return {"$omitted": "nested too deeply"}
    if isinstance(value, dict):
        out: dict[str, Any] = {}
        for key, item in list(value.items()):
            name = str(key)
            hide = _SECRET.search(name) is not None and item not in (None, "")
            out[name] = "[redacted]" if hide else redacted(item, depth + 1)
        return out
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redacted(item, depth + 1) for item in list(value)]
    return {"$type": f"{type(value).__module__}.{type(value).__qualname__}"}
