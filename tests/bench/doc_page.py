# SPDX-License-Identifier: Apache-2.0
"""What the programs share that write parts of docs/benchmarks.md."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

# Packets come first, and are written by another program than this part.
_IRONIC = "\n# Ironic at scale\n"


def machine(packages: tuple[str, ...]) -> dict[str, Any]:
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    virtual = _run("systemd-detect-virt", "--vm")
    versions = {}
    for package in packages:
        versions[package] = _run("dpkg-query", "-W", "-f", "${Version}", package)
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "cpus": os.cpu_count(),
        "virtual": virtual if virtual not in ("", "none") else "",
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "versions": versions,
    }


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine_part(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    virtual = f", virtual ({found['virtual']})" if found["virtual"] else ""
    return f"""\
| | |
| --- | --- |
| machine | {found["cpus"]} CPUs, {found["cpu"]}{virtual} |
| kernel | {found["kernel"]} |
| Debian packages | {versions} |
| measured | {found["date"]}, load {found["load"]:.1f} at the start |"""


def write_before_ironic(page: Path, text: str) -> None:
    """Writes the page but for its part about Ironic."""
    _, heading, ironic = _old(page).partition(_IRONIC)
    page.write_text(text + heading + ironic, encoding="utf-8")


def write_ironic(page: Path, text: str) -> None:
    """Writes the page's part about Ironic, without its heading."""
    before, _, _ = _old(page).partition(_IRONIC)
    page.write_text(before + _IRONIC + text, encoding="utf-8")


def _old(page: Path) -> str:
    return page.read_text(encoding="utf-8") if page.exists() else ""


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return " ".join(done.stdout.split())
