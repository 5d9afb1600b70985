# SPDX-License-Identifier: Apache-2.0
"""What the drivers have put on the lab's DHCP server host, by driver, found with
other programs than pxegate."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lab import Lab

# One entry per finding: what it is, and its name.
Findings = list[str]

_BACKENDS = ("xtables-nft-multi", "xtables-legacy-multi")
_CHAIN = "ironic-inspector"


def footprint(lab: Lab) -> dict[str, Findings]:
    """What there is of each driver; a driver that has left nothing is not in it."""
    found = {
        "xdp": _xdp(lab),
        "iptables": _iptables(lab),
        "nftables": _nftables(lab, "pxegate"),
        "tor_switch": _nftables(lab, "lab_switch"),
        "dnsmasq": _hosts_files(lab),
    }
    return {driver: findings for driver, findings in found.items() if findings}


def kernel_objects(pid: int) -> Findings:
    """BPF programs, maps and links that a process has open."""
    found = []
    folder = Path(f"/proc/{pid}/fd")
    for fd in folder.iterdir():
        try:
            target = os.readlink(fd)
        except FileNotFoundError:
            continue  # closed meanwhile
        if "bpf" in target:
            found.append(target)
    return sorted(found)


def _xdp(lab: Lab) -> Findings:
    found = [f"pin {path.name}" for path in sorted(lab.pin_path.rglob("*"))]
    if lab.pin_path.exists():
        found.append(f"folder {lab.pin_path.name}")
    for link in json.loads(lab.exec("spine", ["ip", "-d", "-j", "link"]).stdout):
        if "xdp" in link:
            found.append(f"program on {link['ifname']}")
    return found


def _iptables(lab: Lab) -> Findings:
    """Chains, jumps to them, and sets."""
    found = []
    for backend in _BACKENDS:
        for tool in ("iptables-save", "ip6tables-save"):
            saved = lab.exec("spine", [backend, tool]).stdout
            found += [
                f"{tool} ({backend.split('-')[1]}): {line}"
                for line in saved.splitlines()
                if _CHAIN in line
            ]
    sets = lab.exec("spine", ["ipset", "list", "-name"], check=False)
    return found + [f"ipset {name}" for name in sets.stdout.split()]


def _nftables(lab: Lab, table: str) -> Findings:
    tables = lab.exec("spine", ["nft", "list", "tables"]).stdout
    return [line for line in tables.splitlines() if line.split()[-1] == table]


def _hosts_files(lab: Lab) -> Findings:
    return [f"file {path.name}" for path in sorted(lab.hostsdir.iterdir())]
