# SPDX-License-Identifier: Apache-2.0
"""Each packet benchmark, tiny: that every figure is there and every verdict right.

No price is asserted.
"""

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from packet_lab import HERE, TOOLS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

OWN_FRAMES = {
    "TCP",
    "ARP",
    "IPv6 TCP",
    "DHCP, denied",
    "DHCP relayed, denied",
    "DHCPv6 relayed, denied",
    "DHCP, unknown",
    "DHCP, allowed",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the runs leave their figures, for the page that is made of them."""
    return tmp_path_factory.mktemp("figures")


def figures_of(folder, program, *arguments):
    path = folder / f"{Path(program).name}.json"
    done = subprocess.run(
        [str(program), *arguments, "--json", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(path.read_text(encoding="utf-8"))


def test_each_program_is_measured_on_each_frame(folder):
    found = figures_of(
        folder, TOOLS / "program_cost", "--rounds", "2", "--repeat", "100000", "--rules", "10", "500"
    )
    cells = {(c["program"], c["frame"], c["rules"], c["cold"]): c for c in found["cells"]}
    assert len(cells) == len(found["cells"])
    expected = {("pxegate", frame, size, False) for frame in OWN_FRAMES for size in (10, 500)}
    expected |= {
        ("xdp-filter, Ethernet", frame, size, False)
        for frame in ("DHCP, denied", "TCP")
        for size in (10, 500)
    }
    expected |= {("bare XDP_PASS", "any", 0, False), ("bare XDP_DROP", "any", 0, False)}
    expected |= {
        (program, "DHCP, denied", 500, True)
        for program in (
            "bare XDP_DROP",
            "one lookup in a hash, preallocated",
            "one lookup in a hash, not preallocated",
            "pxegate",
        )
    }
    expected.add(("pxegate", "DHCP, unknown", 500, True))
    assert set(cells) == expected
    for key, cell in cells.items():
        assert cell["ns"] > 0, key
        assert cell["wrong"] == 0, key
        assert cell["frames"] >= 2 * 100_000, key
    assert len(found["targets"]) == 11


def test_each_filter_drops_the_flood(folder):
    found = figures_of(
        folder,
        HERE / "flood_cost",
        *("--machines", "10", "100", "--rounds", "2", "--milliseconds", "2"),
    )
    cells = found["cells"]
    assert len(cells) == 8 * 2 + 1
    for cell in cells:
        if cell["absent"]:
            assert cell["filter"] == "ipset hash:mac", cell
            assert cell["absent"] == "not on this kernel"
            continue
        assert cell["median"] > 0, cell
        assert cell["wrong"] == 0, cell


def test_the_server_answers_the_allowed_and_nobody_else(folder):
    found = figures_of(
        folder,
        HERE / "server_under_flood",
        *("--machines", "20", "--rounds", "1", "--seconds", "1"),
        *("--rate", "200", "--flood", "500"),
    )
    cells = found["cells"]
    assert len(cells) == 7
    for cell in cells:
        assert cell["offers"]["median"] > 0, cell
        assert cell["wrong"] == 0, cell
        assert (cell["flood"] is None) == (cell["case"] == "no flood, no filter"), cell


def test_the_page_holds_every_figure(folder, tmp_path):
    machine = {
        "date": "2024-01-01",
        "cpu": "a CPU",
        "cpus": 2,
        "virtual": "",
        "kernel": "6.1",
        "load": 0.1,
        "versions": {"nftables": "1"},
    }
    (folder / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
    subprocess.run(
        [str(HERE / "write_docs"), "--from", str(folder), "--to", str(tmp_path)], check=True
    )
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    for frame in OWN_FRAMES:
        assert f"| pxegate | {frame} | 500 |" in page
    for text in ("| iptables-nft chain |", "| pxegate, dnsmasq | 20 |", "2 CPUs, a CPU |"):
        assert text in page
    plot = ElementTree.parse(tmp_path / "benchmarks-flood.svg").getroot()
    drawn = [e for e in plot.iter() if e.get("class", "").startswith("line ")]
    names = [e.text for e in plot.iter() if e.get("class", "").startswith("label ")]
    assert len(drawn) == len(names) >= 8
    assert "pxegate" in names
