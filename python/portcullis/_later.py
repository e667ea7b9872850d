"""What takes long to import and is not needed by everyone: imported at its first use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["asyncio", "hashlib", "hmac", "new_id", "path"]


def asyncio() -> Any:
    """The module `asyncio`."""
    import asyncio as found

    return found


def hashlib() -> Any:
    """The module `hashlib`, which loads a library of its own."""
    import hashlib as found

    return found


def hmac() -> Any:
    """The module `hmac`, which needs that one."""
    import hmac as found

    return found


def path(text: str | Path) -> Path:
    """A path."""
    from pathlib import Path as found

    return found(text)


def new_id() -> str:
    """A random id, 128 bits in the form of a UUID."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
