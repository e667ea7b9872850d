"""Which argument is a path, an address, a command or a statement: by its name, and by its look.

Errs on the side of reading too much: what is no path costs a comparison, a path that is missed costs a file.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MappingView
from functools import partial
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

__all__ = ["Leaf", "leaves", "role_of", "text_of", "texts_among", "texts_of"]

# Where the value came from (`args.path[0]`), its role, and the value.
Leaf = tuple[str, str, Any]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PATHS = _words(
    "path paths file files filename filenames filepath file_path filepaths pathname dir dirname "
    "directory directories folder folders src dst source dest destination target input_file "
    "output_file infile outfile cwd workdir root working_directory location save_path log_file "
    "config_file old_path new_path from_path to_path"
)
_NETS = _words(
    "url urls uri uris href link links host hosts hostname endpoint endpoints address server domain "
    "base_url site webhook webhook_url callback_url origin proxy ip ip_address remote api_url "
    "image_url download_url"
)
_COMMANDS = _words("cmd cmds command commands shell script bash sh shell_command cmdline command_line")
_STATEMENTS = _words("sql query queries statement statements")
_CODE = _words("code python source_code program expression expr snippet")
_TEXTUAL = frozenset(("command", "sql", "code"))
_PORT = frozenset(("port", "ports"))
_LOOKS_LIKE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_LOOKS_LIKE_PATH = re.compile(r"(~|/|\.{1,2}[\\/]|[A-Za-z]:[\\/]|\\\\|file:)")
_DEEPEST = 64
_MOST = 10_000
# Of long lists only what can say something counts.
_LONG = 100
_DUMB = frozenset((int, float, bool, complex, type(None)))
# How far into objects that are no containers, an attribute of an attribute, and at how much of them.
_INSIDE = 2
_ASIDE = 1_000
# A place, the role there, the value, how deep it is, and in how many objects.
_Item = tuple[str, str, Any, int, int]


def role_of(name: str) -> str:
    """The role that a name suggests; empty if none."""
    name = name.lower()
    if name in _PATHS:
        return "path"
    if name in _NETS:
        return "url"
    if name in _COMMANDS:
        return "command"
    if name in _STATEMENTS:
        return "sql"
    if name in _CODE:
        return "code"
    for ends, role in (("_path", "path"), ("_file", "path"), ("_dir", "path"), ("_url", "url"), ("_host", "url"),
                       ("_uri", "url"), ("_command", "command"), ("_cmd", "command"), ("_sql", "sql"),
                       ("_query", "sql")):  # fmt: skip
        if name.endswith(ends):
            return role
    return ""


def leaves(values: dict[str, Any]) -> Iterator[Leaf]:
    """Every value below `values` that is no container, with its role; keys that are no names; public attributes of
    objects. Bounded, and says so where it ends early: role `too_much`. A value that holds itself ends.

    Objects hold much that is not the call's: they are looked into only so far, and that is not said.
    """
    stack: list[_Item] = []
    _push(stack, ("", "", None, -1, 0), list(values.items()))
    looked: set[int] = set()
    seen = aside = 0
    while stack:
        item = stack.pop()
        place, role, value, depth, level = item
        if level:
            aside += 1
            if aside > _ASIDE or depth > _DEEPEST:
                continue
        else:
            seen += 1
            if seen > _MOST or depth > _DEEPEST:
                yield place, "too_much", None
                return
        if type(value) in _PLAIN:
            yield place, role or _look(value), value
        elif isinstance(value, Mapping):
            held = dict.items(value) if isinstance(value, dict) else value.items()
            _push(stack, item, list(held))
        elif isinstance(value, _ROWS):
            row: list[Any] = list(value)
            if role == "command" and row and all(isinstance(it, str) for it in row):
                yield place, "command", " ".join(_quoted(str(it)) for it in row)
            if len(row) > _LONG:
                row = [it for it in row if type(it) not in _DUMB]
            for n, each in reversed(list(enumerate(row))):
                stack.append((f"{place}[{n}]", role, each, depth + 1, level))
        else:
            yield place, role or _look(value), value
            if level < _INSIDE and id(value) not in looked:
                looked.add(id(value))
                _push(stack, (place, role, None, depth, level + 1), _parts(value))


_ROWS: Any = (list, tuple, set, frozenset, deque, MappingView)
_PLAIN = _DUMB | {str, bytes, bytearray}


def _push(stack: list[_Item], under: _Item, held: list[tuple[Any, Any]]) -> None:
    above, role, _, depth, level = under
    for key, value in reversed(held):
        name = str(key)
        place = f"{above}.{name}" if above else name
        stack.append((place, role_of(name) or role, value, depth + 1, level))
        # A key that is no name says something itself.
        if isinstance(key, (str, bytes)) and not name.isidentifier():
            stack.append((place, _look(key), key, depth + 1, level))


def _parts(value: Any) -> list[tuple[str, Any]]:
    """What an object holds, as far as that is told without running code of it: public attributes, an error's
    arguments, what a partial call is bound to, the text of a buffer."""
    if isinstance(value, (type, ModuleType, FunctionType, MethodType)):
        return []
    if isinstance(value, BaseException):
        return [("args", value.args)]
    if isinstance(value, partial):
        return [("args", value.args), ("keywords", value.keywords)]
    if type(value).__module__ == "_io" and hasattr(value, "getvalue"):
        try:
            return [("value", value.getvalue())]
        except ValueError:
            return []
    held = getattr(value, "__dict__", None)
    found = [(str(key), it) for key, it in list(held.items())] if isinstance(held, dict) else []
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            member = kind.__dict__.get(name)
            if isinstance(member, MemberDescriptorType):
                try:
                    found.append((name, member.__get__(value)))
                except AttributeError:
                    pass
    return [(name, it) for name, it in found if not name.startswith("_")]


def _look(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    text = str(value).lstrip()
    if _LOOKS_LIKE_URL.match(text) and not text.lower().startswith("file:"):
        return "url"
    return "path" if _LOOKS_LIKE_PATH.match(text) else ""


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./~-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def texts_of(context: dict[str, Any]) -> list[str]:
    """The texts in a context that patterns look at: commands, statements and code, by name."""
    return texts_among(leaves(context))


def texts_among(found: Iterable[Leaf]) -> list[str]:
    """The same of leaves that are known already."""
    return [text for _, role, value in found if role in _TEXTUAL and (text := text_of(value))]


def text_of(value: Any) -> str:
    """What a value says as a text, if it is one in any form."""
    if isinstance(value, str):
        return value
    if not isinstance(value, (bytes, bytearray, memoryview)):
        return ""
    data = bytes(value)
    text = data.decode("utf-8", "replace")
    # Wide characters: every other byte is empty.
    return text if b"\0" not in data else f"{text}\n{data.replace(bytes(1), b'').decode('utf-8', 'replace')}"
