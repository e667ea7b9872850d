"""Boundaries: which files and machines a call may touch, how long it may take and how much it may use.

Paths, addresses and commands are parsed by the engine and compared as what they mean, never as they are spelled.
"""

from __future__ import annotations

import fnmatch
import functools
import ipaddress
import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import _engine
from ._roles import Leaf, leaves
from .errors import stays

__all__ = [
    "Boundary",
    "BoundarySet",
    "BoundaryViolation",
    "NetworkBoundary",
    "PathBoundary",
    "ResourceBoundary",
    "TimeBoundary",
]

Context = dict[str, Any]


@dataclass
class BoundaryViolation:
    """What is out of bounds, and what would be inside."""

    boundary_type: str
    boundary_name: str
    reason: str
    attempted_value: Any
    allowed_values: Any | None = None
    metadata: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())


class Boundary(ABC):
    """What all boundaries have in common."""

    def __init__(self, name: str, description: str | None = None) -> None:
        self.name = name
        self.description = description or name

    @abstractmethod
    def check(self, context: Context) -> BoundaryViolation | None:
        """What of the context is out of bounds; nothing if all of it is inside."""


def _home() -> str | None:
    home = os.path.expanduser("~")
    return home if home.startswith("/") else None


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _given(context: Context) -> list[Leaf]:
    """The leaves of a context. One of the layer's own making has them already."""
    found = None if type(context) is dict else getattr(context, "leaves", None)
    return found if found is not None else list(leaves(context))


class PathBoundary(Boundary):
    """Which files may be touched.

    Looks at every argument that is a path by its name or its look, and at the files that a command would touch.
    Links are followed as far as they exist now: a file that is swapped for a link after the check is a matter for
    the sandbox, not for a comparison of names. `*` in patterns of folders (`/home/*.txt`) does not cross a `/`.
    """

    def __init__(
        self,
        allowed_paths: list[str] | None = None,
        blocked_paths: list[str] | None = None,
        allow_patterns: list[str] | None = None,
        block_patterns: list[str] | None = None,
        name: str = "path_boundary",
    ) -> None:
        super().__init__(name, "File system access boundary")
        self.allowed_paths = {os.path.realpath(os.path.expanduser(it)) for it in allowed_paths or ()}
        self.blocked_paths = {os.path.realpath(os.path.expanduser(it)) for it in blocked_paths or ()}
        self.allow_patterns = list(allow_patterns or ())
        self.block_patterns = list(block_patterns or ())

    def check(self, context: Context) -> BoundaryViolation | None:
        """Every path in the context, whatever it is called, and every file of every command."""
        for place, role, value in _given(context):
            if role == "path" or (role == "url" and str(value).lower().startswith("file:")):
                found = self._value(place, value)
            elif role == "command" and isinstance(value, str):
                found = self._command(place, value)
            elif role == "too_much":
                found = self._no(place, "has more values than are looked at", None)
            else:
                continue
            if found is not None:
                return found
        return None

    def _no(self, place: str, why: str, value: Any) -> BoundaryViolation:
        allowed = [*sorted(self.allowed_paths), *self.allow_patterns]
        inside = f"; allowed are {', '.join(allowed[:5])}" if allowed else ""
        return BoundaryViolation("path", self.name, f"`{place}` {why}{inside}", value, allowed)

    def _value(self, place: str, value: Any) -> BoundaryViolation | None:
        if value is None or value == "":
            return None
        if isinstance(value, bytes):
            value = os.fsdecode(value)
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if not isinstance(value, str):
            return self._no(place, f"is a `{type(value).__name__}` where a path belongs", repr(value)[:200])
        try:
            means = _engine.paths(value, _cwd(), _home())
        except (ValueError, UnicodeError) as why:
            return self._no(place, f"is a path of which nobody can say where it leads ({why})", value[:200])
        for path in means:
            found = self._path(place, path)
            if found is not None:
                return found
        return None

    def _command(self, place: str, text: str) -> BoundaryViolation | None:
        try:
            effects = _engine.shell(text, _cwd(), _home())
        except (ValueError, UnicodeError) as why:
            return self._no(place, f"is a command that cannot be read ({why})", text[:200])
        for kind, sort, target, _, _ in effects:
            if sort == "path" and target is not None:
                found = self._path(place, target)
                if found is not None:
                    return found
            elif kind.startswith("fs.") and sort == "unknown":
                return self._no(place, "is a command whose files are not known before it runs", text[:200])
        return None

    def _path(self, place: str, path: str) -> BoundaryViolation | None:
        # Where it is spelled to be and where it is: both must be inside.
        real = os.path.realpath(path)
        for one in {path, real}:
            if any(_matches(one, it, True) for it in self.block_patterns):
                return self._no(place, f"matches a blocked pattern: `{one}`", one)
            for blocked in self.blocked_paths:
                if _is_below(one, blocked):
                    return self._no(place, f"is under blocked directory `{blocked}`: `{one}`", one)
        if not self.allowed_paths and not self.allow_patterns:
            return None
        # `..` behind a link leads elsewhere than the text says: what counts is where it ends.
        inside = any(_is_below(real, it) for it in self.allowed_paths) or any(
            _matches(real, it, False) for it in self.allow_patterns
        )
        return None if inside else self._no(place, f"is not in allowed list: `{real}`", real)


def _is_below(path: str, base: str) -> bool:
    return path == base or path.startswith(base if base.endswith("/") else base + "/")


def _matches(path: str, pattern: str, blocks: bool) -> bool:
    """Blocking patterns take no notice of case, and a `*` crosses folders; allowing ones are narrow."""
    if blocks:
        return fnmatch.fnmatchcase(path.lower(), pattern.lower())
    return _glob(pattern).fullmatch(path) is not None


@functools.lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    for piece in re.split(r"(\*\*/?|\*|\?)", pattern if "/" in pattern else f"**/{pattern}"):
        if piece.startswith("**"):
            parts.append("(?:.*/)?" if piece.endswith("/") else ".*")
        else:
            parts.append({"*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece)))
    return re.compile("".join(parts))


_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ssh": 22, "sftp": 22, "postgres": 5432,
          "postgresql": 5432, "mysql": 3306, "redis": 6379, "ldap": 389, "ldaps": 636}  # fmt: skip
# Names that mean this machine, or the one that hands out credentials, wherever they are looked up.
_INSIDE = ("localhost", "metadata", "metadata.google.internal", "instance-data", "kubernetes.default.svc")
_INSIDE_ENDS = (".localhost", ".local", ".internal", ".localdomain", ".lan", ".home.arpa", ".intranet")


class NetworkBoundary(Boundary):
    """Which machines may be reached: by name, address and port, however the address is spelled."""

    def __init__(
        self,
        allowed_hosts: list[str] | None = None,
        blocked_hosts: list[str] | None = None,
        allowed_ports: list[int] | None = None,
        blocked_ports: list[int] | None = None,
        allow_private_ips: bool = False,
        name: str = "network_boundary",
    ) -> None:
        super().__init__(name, "Network access boundary")
        self.allowed_hosts = set(allowed_hosts or ())
        self.blocked_hosts = set(blocked_hosts or ())
        self.allowed_ports = set(allowed_ports or ())
        self.blocked_ports = set(blocked_ports or ())
        self.allow_private_ips = allow_private_ips

    def check(self, context: Context) -> BoundaryViolation | None:
        """Every address in the context, and every machine that a command would reach."""
        port = next((v for p, _, v in _given(context) if p.rsplit(".")[-1].lower() == "port"), None)
        for place, role, value in _given(context):
            if role == "url":
                found = self._value(place, value, port)
            elif role == "command" and isinstance(value, str):
                found = self._command(place, value)
            elif role == "too_much":
                found = self._no(place, "has more values than are looked at", None)
            else:
                continue
            if found is not None:
                return found
        return None

    def _no(self, place: str, why: str, value: Any, **metadata: Any) -> BoundaryViolation:
        allowed = sorted(self.allowed_hosts)
        inside = f"; allowed are {', '.join(allowed[:5])}" if allowed else ""
        return BoundaryViolation("network", self.name, f"`{place}` {why}{inside}", value, allowed, metadata)

    def _value(self, place: str, value: Any, port: Any) -> BoundaryViolation | None:
        if value is None or value == "":
            return None
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if not isinstance(value, str):
            value = str(value)
        try:
            readings = _engine.hosts(value)
        except (ValueError, UnicodeError) as why:
            return self._no(place, f"is an address of which nobody can say where it leads ({why})", value[:200])
        for kind, host, own, address, scheme in readings:
            if kind == "inline":
                continue
            if kind == "file":
                if value.lower().startswith("file:"):
                    continue
                return self._no(place, "is no address of a machine", value[:200])
            known = own or (port if isinstance(port, int) else None) or _PORTS.get(scheme or "")
            found = self._host(place, host, known, address)
            if found is not None:
                return found
        return None

    def _command(self, place: str, text: str) -> BoundaryViolation | None:
        for kind, sort, target, _, _ in _engine.shell(text, _cwd(), _home()):
            if sort == "host" and target is not None:
                found = self._value(place, target, None)
                if found is not None:
                    return found
            elif kind == "net.connect" and sort == "unknown" and (self.allowed_hosts or self.blocked_hosts):
                return self._no(place, "is a command whose hosts are not known before it runs", text[:200])
        return None

    def _host(self, place: str, host: str, port: int | None, address: str | None) -> BoundaryViolation | None:
        if not self.allow_private_ips and (is_private(address) or _is_inside(host)):
            return self._no(
                place,
                f"leads to this network, and Private IP addresses are not allowed: `{host}`",
                host,
                is_private_ip=True,
            )
        names = {host} if address is None else {host, address}
        for pattern in self.blocked_hosts:
            if any(_host_matches(it, pattern) for it in names):
                return self._no(place, f"is the blocked host `{pattern}`", host)
        if port is not None and port in self.blocked_ports:
            return self._no(place, f"leads to the blocked port {port}", port)
        if self.allowed_hosts and not any(
            _host_matches(host, it) or (address and _host_matches(address, it)) for it in self.allowed_hosts
        ):
            return self._no(place, f"leads to a host that is not in allowed list: `{host}`", host)
        if self.allowed_ports and port is not None and port not in self.allowed_ports:
            return self._no(place, f"leads to port {port}, which is not allowed", port)
        return None


def _host_matches(host: str, pattern: str) -> bool:
    host, pattern = host.lower().rstrip("."), pattern.lower().rstrip(".")
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) or host == pattern[2:]
    if "/" in pattern:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
        except ValueError:
            return False
    return host == pattern


def is_private(address: str | None) -> bool:
    """True for every address that is not of the public internet."""
    if address is None:
        return False
    try:
        return not ipaddress.ip_address(address).is_global
    except ValueError:
        return True


def _is_inside(host: str) -> bool:
    return host in _INSIDE or host.endswith(_INSIDE_ENDS)


class TimeBoundary(Boundary):
    """How long a call may take, and all of them together.

    Held for every call that goes through the layer. By default the call runs in a thread: at the limit the caller is
    let go with a `SafetyViolation`, and the thread is told to stop, which it does at its next step in Python.
    With `isolate=True` it runs in a process of its own (fork), which is killed. Coroutines are cancelled.
    """

    def __init__(
        self,
        max_execution_time: float = 60.0,
        max_total_time: float | None = None,
        name: str = "time_boundary",
        *,
        isolate: bool = False,
    ) -> None:
        super().__init__(name, "Execution time boundary")
        self.max_execution_time = max_execution_time
        self.max_total_time = max_total_time
        self.isolate = isolate
        self._lock = threading.Lock()
        self._total_time = 0.0

    def __getstate__(self) -> dict[str, Any]:
        return _uncounted(self, "max_total_time")

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def check(self, context: Context) -> BoundaryViolation | None:
        """What the context says of time that was taken, and whether any is left."""
        said: Any = context.get("execution_time", 0.0)
        taken = float(said) if isinstance(said, (int, float)) else 0.0
        if taken > self.max_execution_time:
            return self.over(taken)
        if self.max_total_time is None:
            return None
        with self._lock:
            if taken > 0:
                self._total_time += taken
            total = self._total_time
        if total >= self.max_total_time and total > 0:
            why = f"Total time {total:.2f}s exceeds limit {self.max_total_time:.2f}s"
            return BoundaryViolation("time", self.name, why, total, self.max_total_time)
        return None

    def over(self, taken: float) -> BoundaryViolation:
        """The violation of a call that took so long."""
        why = f"Execution time {taken:.2f}s exceeds limit {self.max_execution_time:.2f}s"
        return BoundaryViolation("time", self.name, why, taken, self.max_execution_time)

    def left(self) -> float:
        """The seconds that the next call may take."""
        if self.max_total_time is None:
            return self.max_execution_time
        with self._lock:
            return max(0.0, min(self.max_execution_time, self.max_total_time - self._total_time))

    def took(self, seconds: float) -> None:
        """Adds what a call took."""
        if self.max_total_time is not None:
            with self._lock:
                self._total_time += seconds

    def reset_total_time(self) -> None:
        """Starts anew."""
        with self._lock:
            self._total_time = 0.0


class ResourceBoundary(Boundary):
    """How much a call may use.

    `max_operations` counts calls that were carried out, per session (or for the layer, outside of one). Memory, CPU
    and open files are limits of a process: with any of them, the layer runs calls in a process of their own (fork)
    whose limits are the kernel's. `isolate=False` refuses that, and the limits are then held against what the
    context says and nothing else. `max_cpu_percent` is held as CPU time over the time the call took.

    Such a call may start threads and no processes, which would have limits of their own; with `processes=True` it may,
    and the limits then hold for each by itself.
    """

    def __init__(
        self,
        max_memory_mb: float | None = None,
        max_cpu_percent: float | None = None,
        max_open_files: int | None = None,
        max_operations: int | None = None,
        name: str = "resource_boundary",
        *,
        max_cpu_seconds: float | None = None,
        isolate: bool = True,
        processes: bool = False,
    ) -> None:
        super().__init__(name, "Resource usage boundary")
        self.max_memory_mb = max_memory_mb
        self.max_cpu_percent = max_cpu_percent
        self.max_cpu_seconds = max_cpu_seconds
        self.max_open_files = max_open_files
        self.max_operations = max_operations
        self.isolate = isolate
        self.processes = processes
        self._lock = threading.Lock()
        self._operation_count = 0

    def __getstate__(self) -> dict[str, Any]:
        return _uncounted(self, "max_operations")

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    @property
    def needs_process(self) -> bool:
        """True if the limits are those of a process of the call's own."""
        limits = (self.max_memory_mb, self.max_cpu_percent, self.max_cpu_seconds, self.max_open_files)
        return self.isolate and any(it is not None for it in limits)

    def check(self, context: Context) -> BoundaryViolation | None:
        """What the context says of use. Counts a call of its own; the layer counts what it carries out."""
        for key, limit, what, unit in (
            ("memory_mb", self.max_memory_mb, "Memory usage", "MB"),
            ("cpu_percent", self.max_cpu_percent, "CPU usage", "%"),
            ("open_files", self.max_open_files, "Open files", ""),
        ):
            said: Any = context.get(key)
            if limit is not None and isinstance(said, (int, float)) and not said <= limit:
                why = f"{what} {said:g}{unit} exceeds limit {limit:g}{unit}"
                return BoundaryViolation("resource", self.name, why, said, limit)
        if type(context) is dict and not self.count():
            return self.too_many()
        return None

    def too_many(self) -> BoundaryViolation:
        """The violation of one call more than there may be."""
        count, most = self._operation_count + 1, self.max_operations
        why = f"Operation count {count} exceeds limit {most}"
        return BoundaryViolation("resource", self.name, why, count, most)

    def count(self) -> bool:
        """Takes one of the operations; false if none is left."""
        if self.max_operations is None:
            return True
        with self._lock:
            if self._operation_count >= self.max_operations:
                return False
            self._operation_count += 1
            return True

    def reset_operation_count(self) -> None:
        """Starts anew."""
        with self._lock:
            self._operation_count = 0


def _uncounted(boundary: Boundary, counts: str) -> dict[str, Any]:
    """What of a boundary goes to another process. What counts calls would count anew there, and not hold."""
    state = {name: it for name, it in vars(boundary).items() if name != "_lock"}
    if state[counts] is not None:
        raise stays(f"`{boundary.name}`", f"its {counts} counts the calls of one process; make one there")
    return state


class BoundarySet:
    """Boundaries, held together. What it hands out are copies."""

    def __init__(self, boundaries: list[Boundary] | None = None) -> None:
        self._boundaries: tuple[Boundary, ...] = tuple(boundaries or ())

    @property
    def boundaries(self) -> list[Boundary]:
        """The boundaries, in order: a copy."""
        return list(self._boundaries)

    def add(self, boundary: Boundary) -> None:
        """Adds one."""
        self._boundaries = (*self._boundaries, boundary)

    def remove(self, boundary_name: str) -> bool:
        """Removes the first of this name."""
        found = next((it for it in self._boundaries if it.name == boundary_name), None)
        self._boundaries = tuple(it for it in self._boundaries if it is not found)
        return found is not None

    def check_all(self, context: Context) -> list[BoundaryViolation]:
        """What is out of any bounds. A boundary that fails counts as one that is crossed."""
        return [found for it in self._boundaries if (found := self._said(it, context)) is not None]

    def check_first(self, context: Context) -> BoundaryViolation | None:
        """The first of them."""
        return next(iter(self.check_all(context)), None)

    def _said(self, boundary: Boundary, context: Context) -> BoundaryViolation | None:
        try:
            return boundary.check(context)
        except Exception as error:
            why = f"boundary `{boundary.name}` failed, so nothing is inside: {type(error).__name__}: {error}"
            return BoundaryViolation("error", boundary.name, why, None)

    def __iter__(self) -> Iterator[Boundary]:
        return iter(self._boundaries)

    def __len__(self) -> int:
        return len(self._boundaries)

    @property
    def is_empty(self) -> bool:
        """True if there are none."""
        return not self._boundaries
