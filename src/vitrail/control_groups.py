"""What the control groups that this process runs in leave it of the machine: containers are limited by them.

A container's limits are nowhere in /proc: who counts the machine's cores starts too many threads, and who goes over the
memory is killed. Called by engines and ingest for their defaults. Everything is read anew at each call.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/")
MEMORY = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))  # of version 2 and 1
GIVEN_BACK = ("inactive_file", "total_inactive_file")  # pages of files, which the kernel drops before it kills


def count_cores(root: Path = ROOT) -> int:
    """Return how many cores this process may keep busy, at least one; a part of a core counts as none."""
    quotas = [quota for group in _find_groups("cpu", root) for quota in _read_quota(group)]
    return max(1, int(min([float(_count_allowed()), *quotas])))


def read_available_bytes(root: Path = ROOT) -> int | None:
    """Return the memory that could be had without swapping, None where the machine does not say."""
    found = [*_read_machine(root), *(left for group in _find_groups("memory", root) for left in _read_left(group))]
    return min(found) if found else None


def _find_groups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folder of every group with this controller that we are in, up to the outermost that can be seen."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "" or controller in controllers.split(","):
                top = root / "sys/fs/cgroup" / controllers
                group = top / path.lstrip("/")
                yield from (group, *(parent for parent in group.parents if parent.is_relative_to(top)))


def _count_allowed() -> int:
    """The cores that the scheduler may put this process on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read_quota(group: Path) -> Iterator[float]:
    """Yield how many cores' time a group gets, if that is limited."""
    with suppress(OSError, ValueError):  # not there in version 1, or "max"
        quota, period = map(int, (group / "cpu.max").read_text("ascii").split())
        yield quota / period
    with suppress(OSError, ValueError):
        quota, period = (int((group / f"cpu.cfs_{name}_us").read_text("ascii")) for name in ("quota", "period"))
        if quota > 0:
            yield quota / period


def _read_machine(root: Path) -> Iterator[int]:
    with suppress(OSError):
        for line in (root / "proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) << 10


def _read_left(group: Path) -> Iterator[int]:
    """Yield what a group's limit of memory leaves, if it has one."""
    for limit_name, used_name in MEMORY:
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
