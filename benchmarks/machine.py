"""What every benchmark says of the machine, and asks of a process."""

import os
import platform
import re
from pathlib import Path


def described() -> str:
    """The machine in a line: processor, cores, system, Python."""
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    processor = found[1] if found else platform.processor() or platform.machine()
    return (
        f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def resident_mb(process: int | str = "self") -> float:
    """Resident memory of a process, in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_s(task: Path) -> float:
    """Processor time so far in seconds, of a process or thread by its folder below /proc.

    Raises:
        OSError: it has ended.
    """
    fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
