# SPDX-License-Identifier: Apache-2.0
"""Real PXE firmware, of BIOS and of UEFI machines, on the spine and behind each
leaf's relay: an inspected machine boots what it downloads, a machine in production
finds no DHCP server and says so, an unknown one does as the policy says. And what
becomes of that without a filter, and with Kea, which reads raw sockets.

PXEGATE_BINARY may be a command of its own that runs an installed pxegate."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from firmware_play import ACTS, Play, Result, Row, rows, table
from lab import Lab
from subject import Controller

WITH_IRONIC = True


@pytest.fixture(scope="module")
def play(lab: Lab) -> Iterator[Play]:
    with Controller(lab) as controller:
        play = Play(lab, controller)
        play.set_up()
        yield play


@pytest.fixture(scope="module")
def results(play: Play) -> dict[str, dict[Row, Result]]:
    """What each act has come to, once it is played; acts change in their order."""
    return {}


@pytest.mark.parametrize("row", rows(), ids=str)
def test_firmware(play: Play, results: dict[str, dict[Row, Result]], row: Row) -> None:
    if row.act not in results:
        act = next(act for act in ACTS if act.name == row.act)
        results[row.act] = {}
        results[row.act] = play.play(act)
        print(f"\n{act.text}")
        for line in table(results[row.act].values()):
            print("  " + "  ".join(f"{cell:<13}" for cell in line).rstrip())
    assert row in results[row.act], "the act was not played to its end"
    result = results[row.act][row]
    assert result.problem is None, (
        f"{row.host}, {result.state} in Ironic, verdict {result.verdict}: {result.problem}; "
        f"its console: {result.boot.words}"
    )


def test_what_was_switched_off_has_left_nothing(lab: Lab) -> None:
    lab.boot("flat2", "bios")
    lab.unplug("flat2")
    links = json.loads(lab.exec("flat2", ["ip", "-j", "link"]).stdout)
    addresses = {link["ifname"]: link["address"] for link in links}
    assert addresses.keys() == {"lo", "eth0"}
    assert addresses["eth0"] == lab.mac("flat2")
