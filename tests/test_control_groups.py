"""What a container may use, by files as the kernel writes them."""

from __future__ import annotations

import os

import pytest

from vitrail.control_groups import count_cores, read_available_bytes

MEMINFO = "MemTotal: 100000 kB\nMemAvailable: 50000 kB\n"
STAT = "anon 5\ninactive_file 1000\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/meminfo": MEMINFO}, 50000 << 10),
        ({}, None),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "0::/pod/engine\n",
                "sys/fs/cgroup/pod/engine/memory.max": "max\n",
                "sys/fs/cgroup/pod/engine/memory.current": "70\n",
                "sys/fs/cgroup/pod/memory.max": "5000000\n",
                "sys/fs/cgroup/pod/memory.current": "2000000\n",
                "sys/fs/cgroup/pod/memory.stat": STAT,
            },
            3001000,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "5:cpu,cpuacct:/a\n4:memory:/a\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4000000\n",
                "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "4500000\n",
            },
            0,
        ),
        (
            {  # in a container the group's own folder is the top one
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "0::/system.slice/container\n",
                "sys/fs/cgroup/memory.max": "3000000\n",
                "sys/fs/cgroup/memory.current": "1000000\n",
            },
            2000000,
        ),
    ],
    ids=["no group", "nothing told", "version 2", "version 1, full", "container"],
)
def test_a_container_has_what_its_group_leaves(tmp_path, files, expected):
    """The nearest limit of all groups holds, with the pages of files that the kernel would drop."""
    write(tmp_path, files)
    assert read_available_bytes(tmp_path) == expected


def write(root, files):
    """Write the files, and the folders that they are in."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/pod\n", "sys/fs/cgroup/pod/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/pod\n", "sys/fs/cgroup/pod/cpu.max": "250000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/pod\n", "sys/fs/cgroup/pod/cpu.max": "20000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/a\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/a\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
    ],
    ids=[
        "no group",
        "no limit",
        "version 2",
        "less than one",
        "of the group around",
        "version 1",
        "version 1, no limit",
    ],
)
def test_cores_are_those_that_the_group_has_time_for(tmp_path, monkeypatch, files, expected):
    """Of the eight that the scheduler would give."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    write(tmp_path, files)
    assert count_cores(tmp_path) == expected
