# SPDX-License-Identifier: Apache-2.0
"""The configuration files of ironic-inspector and Ironic, as Debian ships them,
plus nothing but a driver line: they load, and pxegate starts with them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from subject import BINARY, PATIENCE, REAL_IRONIC, Lab, wait_for

WITH_IRONIC = True

SHIPPED = {
    "inspector": Path("/usr/share/ironic-inspector/inspector.conf"),
    "ironic": Path("/usr/share/ironic-common/ironic.conf"),
}
DRIVERS = ("xdp", "iptables", "nftables", "dnsmasq", "noop")
INTERFACE = "br-ctlplane"  # the default of [iptables] dnsmasq_interface
SOCKET = "run/pxegate/pxegate.sock"

# Folders that the defaults name, where the host's own must stay as they are.
PRIVATE_FOLDERS = """
set -e
mount -t tmpfs none /run/lock
mkdir -p /run/pxegate && mount -t tmpfs none /run/pxegate
mount -t bpf none /sys/fs/bpf
mkdir -p /var/lib/ironic-inspector && mount -t tmpfs none /var/lib/ironic-inspector
mkdir /var/lib/ironic-inspector/dhcp-hostsdir
exec "$@"
"""

each_file = pytest.mark.parametrize("file", SHIPPED)
each_driver = pytest.mark.parametrize("driver", DRIVERS)


@pytest.fixture
def config(file: str, driver: str, tmp_path: Path) -> Path:
    """Debian's file with a driver line."""
    text = SHIPPED[file].read_text(encoding="utf-8")
    made = tmp_path / f"{file}.conf"
    made.write_text(f"{text}\n[pxe_filter]\ndriver = {driver}\n", encoding="utf-8")
    return made


class Controller:
    """A pxegate with that file, in a namespace, which has the default places for
    itself."""

    def __init__(self, namespace: str, config: Path) -> None:
        self._namespace = namespace
        self._config = config
        self._log_file = config.with_suffix(".log")

    def __enter__(self) -> Controller:
        with open(self._log_file, "wb") as log:
            self._process = subprocess.Popen(
                [
                    *("nsenter", f"--net={self._namespace}", "unshare", "--mount"),
                    *("sh", "-c", PRIVATE_FOLDERS, "sh"),
                    *(BINARY, "--config-file", self._config, "run"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive():
            self._process.kill()
        self._process.wait()

    def alive(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self._log_file.read_text(encoding="utf-8", errors="replace")

    def status(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        with contextlib.closing(connection):
            connection.sock.connect(f"/proc/{self._process.pid}/root/{SOCKET}")
            connection.request("GET", "/v1/status")
            return json.loads(connection.getresponse().read())

    def wait(self, condition: Any) -> dict[str, Any]:
        """Waits until the status fulfils `condition`, and returns it."""
        last: dict[str, Any] = {}

        def fulfilled() -> bool:
            nonlocal last
            assert self.alive(), self.log()
            try:
                last = self.status()
            except OSError:
                return False
            return condition(last)

        assert wait_for(fulfilled, PATIENCE, 0.1), f"{last}\n{self.log()}"
        return last

    def enforced(self) -> dict[str, Any]:
        """What the filter does, read by a command that knows of no controller."""
        offline = self._config.with_suffix(".offline")
        text = self._config.read_text(encoding="utf-8")
        offline.write_text(f"{text}\n[api]\nsocket = /run/none.sock\n", encoding="utf-8")
        done = subprocess.run(
            [
                *("nsenter", f"--target={self._process.pid}", "--mount", "--net"),
                *(BINARY, "--config-file", offline, "policy", "--json"),
            ],
            text=True,
            capture_output=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE)


def make_interface(namespace: str) -> None:
    """What the filter's interface is in Debian's files."""
    for command in (
        f"ip link add {INTERFACE} type veth peer name ctlplane-end",
        f"ip link set {INTERFACE} up",
        "ip link set ctlplane-end up",
        "ip link set lo up",
    ):
        argv = ["nsenter", f"--net={namespace}", *command.split()]
        subprocess.run(argv, check=True, timeout=PATIENCE)


@pytest.fixture
def lonely() -> Iterator[str]:
    """A namespace in which no Ironic answers."""
    name = f"pxegate-debian-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        namespace = f"/run/netns/{name}"
        make_interface(namespace)
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture(scope="module")
def spine(lab: Lab) -> str:
    """Where a real Ironic answers."""
    namespace = lab.namespace("spine")
    make_interface(namespace)
    return namespace


@each_file
@each_driver
def test_debians_file_is_usable_with_a_driver_line(
    file: str, driver: str, config: Path
) -> None:
    done = subprocess.run(
        [BINARY, "--config-file", config, "config", "check", "--json"],
        text=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    assert found["errors"] == []
    expected = [rf"\[ironic\] endpoint_override: not set; {re.escape(REAL_IRONIC)} is asked"]
    if driver in ("xdp", "nftables"):
        expected.insert(0, rf'\[{driver}\] interfaces: not set; "{INTERFACE}" is filtered')
    assert len(found["warnings"]) == len(expected), found["warnings"]
    for warning, what in zip(found["warnings"], expected):
        assert re.search(what, warning), warning


@each_file
@each_driver
def test_it_starts_and_denies_while_no_ironic_answers(
    lonely: str, file: str, driver: str, config: Path
) -> None:
    with Controller(lonely, config) as controller:
        status = controller.wait(
            lambda status: any(REAL_IRONIC in each for each in status["problems"])
        )
        assert status["driver"]["name"] == driver
        assert status["driver"]["state"] == "initialized", controller.log()
        assert not status["sync"]["synced"]
        assert not status["healthy"]
        assert REAL_IRONIC in controller.log()
        if driver != "noop":
            assert controller.enforced()["unknown"] == "deny"
        assert controller.stop() == 0, controller.log()


@each_file
@each_driver
def test_it_gets_in_step_with_an_ironic_on_the_same_host(
    spine: str, file: str, driver: str, config: Path
) -> None:
    with Controller(spine, config) as controller:
        status = controller.wait(lambda status: status["sync"]["synced"])
        if driver == "dnsmasq":  # nothing has started one here
            (problem,) = status["problems"]
            assert "no dnsmasq reads this directory" in problem
        else:
            assert status["problems"] == []
            assert status["healthy"]
        assert controller.stop() == 0, controller.log()
