"""Which argument is a path, an address, a command or a statement: by its name, and by its look.

Errs on the side of reading too much: what is no path costs a comparison, a path that is missed costs a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["Leaf", "leaves", "role_of", "texts_of"]

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
    """Every value below `values` that is no container, with its role. Bounded; a value that holds itself ends."""
    stack: list[tuple[str, str, Any, int]] = [(str(key), role_of(str(key)), it, 0) for key, it in values.items()]
    stack.reverse()
    seen = 0
    while stack:
        place, role, value, depth = stack.pop()
        seen += 1
        if seen > _MOST or depth > _DEEPEST:
            yield place, "too_much", None
            return
        if isinstance(value, dict):
            inner: list[tuple[str, str, Any, int]] = []
            for key, item in list(value.items()):
                name = str(key)
                inner.append((f"{place}.{name}", role_of(name) or role, item, depth + 1))
            stack.extend(reversed(inner))
        elif isinstance(value, (list, tuple, set, frozenset)):
            items = list(value)
            if role == "command" and items and all(isinstance(it, str) for it in items):
                yield place, "command", " ".join(_quoted(str(it)) for it in items)
            for n, item in reversed(list(enumerate(items))):
                stack.append((f"{place}[{n}]", role, item, depth + 1))
        else:
            yield place, role or _look(value), value


def _look(value: Any) -> str:
    if type(value) is not str:
        return ""
    text = value.lstrip()
    if _LOOKS_LIKE_URL.match(text) and not text.lower().startswith("file:"):
        return "url"
    return "path" if _LOOKS_LIKE_PATH.match(text) else ""


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./~-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def texts_of(context: dict[str, Any]) -> list[str]:
    """The texts in a context that patterns look at: commands, statements and code, by name."""
    found = [value for _, role, value in leaves(context) if role in _TEXTUAL and isinstance(value, str)]
    return found
