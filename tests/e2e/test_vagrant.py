# SPDX-License-Identifier: Apache-2.0
"""vagrant/, as far as it can be tried without virtual machines: Vagrant accepts the
file for both providers, and vagrant/demo, driven by a stand-in for `vagrant`, ends
with the right table after the machines of the file, which are network namespaces
here, were provisioned as the file says."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab
from subject import BINARY, PATIENCE, ROOT

NAME = "testvagrant"
STAND_IN = Path(__file__).resolve().parent / "stand_in"
# What Vagrant calls the NICs of its machines, in the order of the file.
NICS = {
    "spine": {"prov0": "eth1"},
    "leaf1": {"uplink0": "eth1", "nodes0": "eth2"},
    "leaf2": {"uplink0": "eth1", "nodes0": "eth2"},
}
SEGMENTS = {"flat": "flat{}", "leaf1": "leaf1n{}", "leaf2": "leaf2n{}"}
NODES = {form.format(i): net for net, form in SEGMENTS.items() for i in (1, 2, 3)}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Vagrant's, which asks nobody and leaves nothing behind."""
    home = tmp_path_factory.mktemp("vagrant")
    return {
        **os.environ,
        "HOME": str(home),
        "VAGRANT_HOME": str(home / "home"),
        "VAGRANT_DOTFILE_PATH": str(home / "dotfiles"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_DEFAULT_PROVIDER": "libvirt",
    }


def machines(environment: dict[str, str], provider: str) -> dict:
    """What Vagrant makes of the file, by machine."""
    done = subprocess.run(
        ["/usr/bin/ruby", STAND_IN / "machines.rb", ROOT / "vagrant", provider],
        env=environment, text=True, capture_output=True, timeout=PATIENCE, check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", [[], ["--ignore-provider"]], ids=["libvirt", "any"])
def test_vagrant_accepts_the_file(environment: dict[str, str], options: list[str]) -> None:
    subprocess.run(["/usr/bin/ruby", "-c", ROOT / "vagrant" / "Vagrantfile"], check=True)
    done = subprocess.run(
        ["/usr/bin/vagrant", "validate", *options], cwd=ROOT / "vagrant", env=environment,
        text=True, capture_output=True, timeout=PATIENCE, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "validated successfully" in done.stdout


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_the_machines_have_the_topology(environment: dict[str, str], provider: str) -> None:
    found = machines(environment, provider)
    assert set(found) == {*NICS, *NODES}
    rows = [
        line.split()
        for line in (ROOT / "scripts/lib/topology").read_text().splitlines()
        if not line.startswith("#")
    ]
    segment = {"libvirt": "libvirt__network_name", "virtualbox": "virtualbox__intnet"}[provider]
    for host, machine in found.items():
        cables = [(n["mac"].replace(":", ""), n[segment]) for n in machine["networks"]]
        assert cables == [
            (mac.replace(":", ""), f"pxegate-{network}")
            for name, network, _, mac, _ in rows
            if name == host and network != "vlan"
        ], host
    for host in NODES:
        options = found[host]["options"]
        assert found[host]["provision"] == []
        if provider == "libvirt":
            assert found[host]["box"] is None
            assert options["boot_order"] == '["network"]', options
            assert options["mgmt_attach"] == "false"
        else:
            assert '"--boot1", "net"' in options["customizations"]


def test_the_driver_is_one_variable(environment: dict[str, str]) -> None:
    found = machines({**environment, "PXEGATE_DRIVER": "iptables"}, "libvirt")
    assert [each["inline"] for each in found["spine"]["provision"]] == [
        "/pxegate/vagrant/provision spine --driver iptables"
    ]


@contextlib.contextmanager
def virtual_machines() -> Iterator[Lab]:
    """A lab whose hosts are as Vagrant hands them over: cabled, and no more."""
    lab = Lab(NAME)
    lab.down()  # what a killed run may have left
    subprocess.run([ROOT / "scripts" / "lab", "--name", NAME, "up", "--bare"], check=True)
    try:
        for host, names in NICS.items():
            for name, nic in names.items():
                lab.exec(host, ["ip", "link", "set", name, "down"])
                lab.exec(host, ["ip", "link", "set", name, "name", nic])
        yield lab
    finally:
        lab.down()


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_the_demo_shows_the_right_table(environment: dict[str, str]) -> None:
    with virtual_machines() as lab:
        state = lab.state_dir / "vagrant"
        state.mkdir()
        for host in NICS:
            (state / host).mkdir()
        (state / "machines.json").write_text(json.dumps(machines(environment, "libvirt")))
        done = subprocess.run(
            [ROOT / "vagrant" / "demo"],
            env={
                **environment,
                "PATH": f"{STAND_IN}:{environment['PATH']}",
                "PXEGATE_BINARY": BINARY,
                "PXEGATE_PATIENCE": "30",
                "STAND_IN_LAB": NAME,
                "STAND_IN_STATE": str(state),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            text=True, capture_output=True, timeout=10 * PATIENCE, check=False,
        )
        print(done.stdout)
        logs = "".join(log.read_text() for log in state.glob("*/*.log"))
        assert done.returncode == 0, done.stdout + done.stderr + logs[-3000:]
        assert "All 36 times a machine was switched on it did as it should." in done.stdout
        called = (state / "vagrant.log").read_text().splitlines()
        assert called[0] == "up spine leaf1 leaf2"
        assert called.count(f"up {' '.join(order())}") == 4


def order() -> list[str]:
    """The machines as the demo names them: by what they are, then by segment."""
    return [form.format(i) for i in (1, 2, 3) for form in SEGMENTS.values()]
