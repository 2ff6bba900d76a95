"""How much memory could be had now: by the machine, and by the control groups that the process runs in.

Called by memory. A container's limit is nowhere in /proc/meminfo, and who goes over it is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))  # of version 2 and 1
GIVEN_BACK = ("inactive_file", "total_inactive_file")  # pages of files, which the kernel drops before it kills


def read_available_bytes(root: Path = Path("/")) -> int | None:
    """Return the memory that could be had without swapping, None where the machine does not say."""
    found = [*_read_machine(root), *(left for group in _find_groups(root) for left in _read_group(group))]
    return min(found) if found else None


def _read_machine(root: Path) -> Iterator[int]:
    with suppress(OSError):
        for line in (root / "proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) << 10


def _find_groups(root: Path) -> Iterator[Path]:
    """Yield the folder of every group that this process is in, up to the outermost one that can be seen."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                top = root / "sys/fs/cgroup" / controllers
                group = top / path.lstrip("/")
                yield from (group, *(parent for parent in group.parents if parent.is_relative_to(top)))


def _read_group(group: Path) -> Iterator[int]:
    """Yield what a group's limit leaves, if it has one."""
    for limit_name, used_name in LIMITS:
        with suppress(OSError, ValueError):  # not there in the other version, or "max"
            limit, used = (int((group / name).read_text("ascii")) for name in (limit_name, used_name))
            yield max(0, limit - used + _read_given_back(group))


def _read_given_back(group: Path) -> int:
    with suppress(OSError):
        for line in (group / "memory.stat").read_text("ascii").splitlines():
            name, value = line.split()
            if name in GIVEN_BACK:
                return int(value)
    return 0
