"""The CPU quota of our container, and how long it held us up."""

from functools import cache
from pathlib import Path

CGROUPS, OURS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@cache
def folders() -> list[Path]:
    """Our cgroup and those above it, any of which may have a CPU quota; for both versions of cgroups."""
    found = []
    try:
        lines = OURS.read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            tops = [CGROUPS, CGROUPS / "unified"]
        elif "cpu" in controllers.split(","):
            tops = [CGROUPS / "cpu", CGROUPS / controllers]
        else:
            continue
        for top in tops:
            folder = top / path.lstrip("/")
            found += [one for one in (folder, *folder.parents) if one.is_relative_to(top) and one.is_dir()]
    return list(dict.fromkeys(found))


def cpu_quota() -> float | None:
    """How many cores' worth of time we may use; None without a quota."""
    quotas = [quota for folder in folders() if (quota := quota_in(folder)) is not None]
    return min(quotas, default=None)


def quota_in(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def throttled_seconds() -> float | None:
    """How long the quota has held us up since it was set; None without a quota."""
    limited = limiting_folder()
    if limited is None:
        return None
    try:
        words = (limited / "cpu.stat").read_text().split()
    except OSError:
        return None
    counted = dict(zip(words[::2], words[1::2], strict=False))
    if "throttled_usec" in counted:
        return int(counted["throttled_usec"]) / 1e6
    return int(counted.get("throttled_time", 0)) / 1e9


@cache
def limiting_folder() -> Path | None:
    """The folder with the smallest quota."""
    limited = {folder: quota for folder in folders() if (quota := quota_in(folder)) is not None}
    return min(limited, key=lambda folder: limited[folder], default=None)
