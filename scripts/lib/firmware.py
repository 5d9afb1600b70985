# SPDX-License-Identifier: Apache-2.0
"""Machines of the lab with real firmware: whether they boot, by their own words."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab import Lab

BIOS = "bios"  # iPXE in the ROM of the NIC
UEFI = "uefi"  # the PXE of OVMF, which downloads iPXE
FIRMWARES = (BIOS, UEFI)

# How iPXE calls the firmware it runs on, as the script it has downloaded prints it.
PLATFORMS = {BIOS: "pcbios", UEFI: "efi"}
# Its last words where nobody has answered: iPXE's, then those of OVMF.
GIVES_UP = re.compile(
    r"No configuration methods\s+succeeded.*"
    r"|PXE-E16: No valid offer received.*|PXE-E18: Server response timeout.*"
)


@dataclass(frozen=True)
class Boot:
    """What came of switching a machine on."""

    host: str
    firmware: str
    booted: bool | None  # None: it has not come to an end
    words: str  # of its console, that say so
    seconds: float  # until then


def boot(lab: Lab, host: str, firmware: str, patience: float = 300) -> Boot:
    """Switches a machine on, and off as soon as its console tells the outcome."""
    booted = re.compile(
        rf"PXEGATE BOOTED {re.escape(lab.mac(host))} {PLATFORMS[firmware]}\b"
    )
    started = time.monotonic()
    lab.boot(host, firmware)
    try:
        while True:
            console = lab.console(host)
            seconds = time.monotonic() - started
            if found := booted.search(console):
                return Boot(host, firmware, True, found.group(), seconds)
            if found := GIVES_UP.search(console):
                words = " ".join(found.group().split())
                return Boot(host, firmware, False, words, seconds)
            if seconds > patience:
                last = console.splitlines()[-1] if console else "nothing"
                return Boot(host, firmware, None, last, seconds)
            time.sleep(0.2)
    finally:
        lab.unplug(host)


def boot_all(
    lab: Lab, machines: Iterable[tuple[str, str]], at_once: int = 9
) -> dict[str, Boot]:
    """Boots machines, given as (host, firmware), several of them at the same time."""
    # Those which may wait longest for an answer come first.
    machines = sorted(machines, key=lambda machine: machine[1] != UEFI)
    with ThreadPoolExecutor(at_once) as pool:
        boots = pool.map(lambda machine: boot(lab, *machine), machines)
        return {each.host: each for each in boots}
