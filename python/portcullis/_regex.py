"""Python's regular expressions in the engine's spelling.

The engine finds all patterns in one pass and in time that is bounded by the text's length; its syntax differs from
`re`'s in corners. Answerable for a pattern finding at least what `re` would find.
"""

from __future__ import annotations

import re

__all__ = ["engine_pattern"]

_LETTERS = ((re.IGNORECASE, "i"), (re.MULTILINE, "m"), (re.DOTALL, "s"), (re.VERBOSE, "x"))
_QUANTIFIER = re.compile(r"\{\d*(,\d*)?\}")


def engine_pattern(pattern: str, flags: int) -> str:
    """The pattern for the engine. Raises `re.error` if `re` does not take it either."""
    compiled = re.compile(pattern, flags)
    flags = compiled.flags
    letters = "".join(letter for flag, letter in _LETTERS if flags & flag)
    body = _body(pattern, bool(flags & re.MULTILINE))
    # The line break ends a comment that a verbose pattern may end in.
    end = "\n)" if "x" in letters else ")"
    return f"(?{letters}:{body}{end}" if letters else f"(?:{body})"


def _body(pattern: str, multiline: bool) -> str:
    # Flags in front hold for everything and are in `letters` already.
    pattern = re.sub(r"^\(\?[aiLmsux]+\)", "", pattern)
    out: list[str] = []
    at, in_class = 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            out.append(_escape(pattern[at + 1], in_class))
            at += 2
            continue
        if in_class:
            if char == "[" or pattern[at : at + 2] in ("&&", "--", "~~"):
                out.append("\\")
            elif char == "]":
                in_class = False
        elif char == "[":
            in_class = True
            taken = re.match(r"\[\^?\]?", pattern[at:])
            start = taken.group() if taken else "["
            out.append(start.replace("]", "\\]"))
            at += len(start)
            continue
        elif char == "$":
            # `re` lets one line break follow; so does this.
            out.append("$" if multiline else r"(?:\n?\z)")
            at += 1
            continue
        elif char == "{" and not _QUANTIFIER.match(pattern, at):
            out.append("\\")
        out.append(char)
        at += 1
    return "".join(out)


def _escape(char: str, in_class: bool) -> str:
    if char == "Z":
        return r"\z"
    if char == "0":
        return r"\x00"
    if char == "b" and in_class:
        return r"\x08"
    if not char.isalnum() and (char.isspace() or not char.isascii()):
        return char if not char.isspace() else f"\\x{ord(char):02x}" if ord(char) < 256 else char
    return "\\" + char
