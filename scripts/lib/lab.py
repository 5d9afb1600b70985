# SPDX-License-Identifier: Apache-2.0
"""The lab of scripts/lab, for Python: its hosts, their DHCP asks, its Ironic.

    with Lab("try") as lab:
        lab.ironic.enroll("m1", [lab.mac("leaf1n1")])
        lab.ironic.inspect("m1")
        print(lab.ask("leaf1n1"))
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import http.client
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from identity import Keystone
from namespace import HttpConnection, entered

SCRIPTS = Path(__file__).resolve().parent.parent
PXE_VENDOR_CLASS = "PXEClient:Arch:00000:UNDI:002001"


@dataclass(frozen=True)
class Answer:
    """What a machine got for its DHCP request."""

    address: str
    prefix_length: int
    router: str
    boot_server: str
    boot_file: str
    server_id: str
    seconds: float  # from the start of the client to its lease


class AskError(Exception):
    """The DHCP client itself failed: this tells nothing about an answer."""


class IronicError(Exception):
    """A request that Ironic or ironic-inspector refused."""

    def __init__(self, request: str, status: int, body: str) -> None:
        super().__init__(f"{request}: {status}: {body[:500]}")
        self.status = status
        self.locked = status == http.client.CONFLICT and "locked" in body


class Lab:
    """A network made by scripts/lab."""

    def __init__(
        self,
        name: str = "lab",
        *,
        with_ironic: bool = True,
        with_keystone: bool = False,
        with_rabbitmq: bool = False,
        dhcp_server: str = "dnsmasq",
    ) -> None:
        self.name = name
        self.with_ironic = with_ironic
        self.with_keystone = with_keystone
        self.with_rabbitmq = with_rabbitmq
        self.dhcp_server = dhcp_server
        self.keystone = Keystone(self.namespace("spine"))
        self.ironic = Ironic(
            self.namespace("spine"), self.keystone if with_keystone else None
        )
        self.pin_path = Path(f"/sys/fs/bpf/pxegate-{name}")

    def __enter__(self) -> Lab:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        options = [] if self.with_ironic else ["--without-ironic"]
        options += ["--keystone"] if self.with_keystone else []
        options += ["--rabbitmq"] if self.with_rabbitmq else []
        self._command("up", *options, "--dhcp-server", self.dhcp_server)

    def down(self) -> None:
        self.__dict__.pop("description", None)
        self._command("down")

    @functools.cached_property
    def description(self) -> dict[str, Any]:
        """What `scripts/lab show --json` says."""
        return json.loads(self._command("show", "--json", capture=True))

    @property
    def state_dir(self) -> Path:
        return Path(self.description["state_dir"])

    @property
    def log_dir(self) -> Path:
        return self.state_dir / "log"

    @property
    def nodes(self) -> list[str]:
        """The machines that ask for addresses: flat1 ... vlan5."""
        return [i["host"] for i in self._interfaces if i["interface"] == "eth0"]

    def network(self, host: str) -> str:
        """The network a machine is on: "flat", "vlan", "leaf1" or "leaf2"."""
        return self._interface(host)["network"]

    def relay(self, host: str) -> str | None:
        """The giaddr a machine's requests carry; None when it asks directly."""
        network = self.network(host)
        for interface in self._interfaces:
            if (interface["network"], interface["interface"]) == (network, "nodes0"):
                return interface["address"].split("/")[0]
        return None

    def mac(self, host: str) -> str:
        return self._interface(host)["mac"]

    def namespace(self, host: str) -> str:
        return f"/run/netns/pxegate-{self.name}-{host}"

    def exec(
        self,
        host: str,
        argv: Sequence[str | Path],
        *,
        timeout: float | None = 30,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command on a host to its end and returns what it printed."""
        return subprocess.run(
            self._on(host, argv),
            text=True,
            capture_output=True,
            timeout=timeout,
            check=check,
            env=env,
        )

    def popen(
        self, host: str, argv: Sequence[str | Path], **options: Any
    ) -> subprocess.Popen[Any]:
        """Starts a command on a host; the process is the command itself."""
        return subprocess.Popen(self._on(host, argv), **options)

    def entered(self, host: str) -> contextlib.AbstractContextManager[None]:
        """Within it, this thread's new sockets belong to the host."""
        return entered(self.namespace(host))

    def ask(
        self,
        host: str,
        timeout: int = 2,
        *,
        vendor_class: str = PXE_VENDOR_CLASS,
        architecture: int = 0,
        interface: str = "eth0",
    ) -> Answer | None:
        """Lets a host ask for an address as PXE firmware does.

        It asks once a second, `timeout` times, and takes the first offer through
        to a lease. None when nobody answered. The architecture is as in option 93:
        0 for BIOS, 7 for 64-bit UEFI.
        """
        started = time.monotonic()
        argv = [
            *("udhcpc", "-f", "-n", "-q", "-i", interface),
            *("-t", str(timeout), "-T", "1", "-V", vendor_class),
            *("-x", f"0x5d:{architecture:04x}"),
            *("-s", SCRIPTS / "lib" / "udhcpc-answer"),
        ]
        try:
            # Longer than the asking, since the offer is followed by a request.
            client = self.exec(host, argv, timeout=2 * timeout + 10, check=False)
        except subprocess.TimeoutExpired as error:
            raise AskError(f"udhcpc on {host} does not end") from error
        seconds = time.monotonic() - started
        lease = dict(
            (line.split(" ", 2) + [""])[1:3]
            for line in client.stdout.splitlines()
            if line.startswith("answer ")
        )
        if client.returncode == 0 and lease:
            return Answer(
                address=lease["ip"],
                prefix_length=int(lease["mask"]),
                router=lease["router"],
                boot_server=lease["siaddr"],
                boot_file=lease["boot_file"],
                server_id=lease["serverid"],
                seconds=seconds,
            )
        if "no lease" in client.stderr:
            return None
        raise AskError(f"udhcpc on {host}: {client.stdout}{client.stderr}")

    def ask_many(
        self, hosts: Iterable[str], timeout: int = 2, **options: Any
    ) -> dict[str, Answer | None]:
        """Lets several hosts ask at the same time."""
        hosts = list(hosts)
        with ThreadPoolExecutor(max_workers=max(len(hosts), 1)) as pool:
            answers = pool.map(lambda h: self.ask(h, timeout, **options), hosts)
            return dict(zip(hosts, answers))

    def boot(self, host: str, firmware: str) -> None:
        """Switches a machine on that has real firmware, "bios" or "uefi"."""
        self._command("boot", host, firmware)

    def unplug(self, host: str) -> None:
        """Switches that machine off."""
        self._command("unplug", host)

    def console(self, host: str) -> str:
        """What that machine has said since it was switched on, as text."""
        log = self.log_dir / f"{host}.console.log"
        text = log.read_text(encoding="utf-8", errors="replace")
        # Colours, and positions on a screen that is redrawn.
        text = re.sub(r"\x1b(\[[0-9;=?]*[A-Za-z]|c)", "\n", text)
        return "\n".join(line for line in re.split(r"[\r\n]+", text) if line.strip())

    def dhcp(self, what: str, server: str | None = None) -> None:
        """Does `start`, `stop` or `restart` with the DHCP server; `restart` may put
        another in its place, "dnsmasq" or "kea"."""
        self._command("dhcp", what, *([server] if server else []))

    def service(self, name: str, what: str) -> None:
        """Does `start`, `stop`, `restart` or `kill` with a service: "keystone",
        "rabbitmq", "ironic-api", "ironic-conductor" or "ironic-inspector"."""
        self._command("service", name, what)

    def rabbitmqctl(self, *arguments: str) -> str:
        """Runs rabbitmqctl in its quiet way; returns what it printed."""
        return self._command("rabbitmqctl", "--quiet", *arguments, capture=True)

    def set_token_expiration(self, seconds: int) -> None:
        """How long the tokens live that Keystone gives out from now on."""
        config = self.state_dir / "keystone" / "keystone.conf"
        text = config.read_text(encoding="utf-8")
        text = re.sub("(?m)^expiration = .*$", f"expiration = {seconds}", text)
        config.write_text(text, encoding="utf-8")
        self.service("keystone", "restart")

    @property
    def hostsdir(self) -> Path:
        """What dnsmasq reads with --dhcp-hostsdir."""
        return self.state_dir / "dhcp" / "hostsdir"

    def requests_heard(self, host: str) -> int:
        """How many requests of a machine have ever reached the DHCP server.

        dnsmasq's own log: what a filter let through, answered or not.
        """
        # Nothing looks like this but a line about a request of this MAC.
        request = re.compile(
            rf"DHCP(DISCOVER|REQUEST|INFORM|DECLINE|RELEASE)\(.*\b{self.mac(host)}\b"
        )
        with open(self.state_dir / "dhcp" / "dnsmasq.log", encoding="utf-8") as log:
            return sum(1 for line in log if request.search(line))

    @property
    def _interfaces(self) -> list[dict[str, Any]]:
        return self.description["interfaces"]

    def _interface(self, host: str) -> dict[str, Any]:
        for interface in self._interfaces:
            if interface["host"] == host:
                return interface
        raise KeyError(f"no host {host} in lab {self.name}")

    def _on(self, host: str, argv: Sequence[str | Path]) -> list[str]:
        return ["nsenter", f"--net={self.namespace(host)}", "--", *map(str, argv)]

    def _command(self, *arguments: str, capture: bool = False) -> str:
        done = subprocess.run(
            [SCRIPTS / "lab", "--name", self.name, *arguments],
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            check=True,
        )
        return done.stdout or ""


class Ironic:
    """The lab's Ironic and ironic-inspector, through their REST APIs.

    A node is named by its name or UUID. Times are seconds since the epoch.
    """

    VERSION = "1.72"
    API = ("127.0.0.1", 6385)
    INSPECTOR = ("127.0.0.1", 5050)

    # Where to go, from a state one comes through, to get a node to another.
    _STEPS = {
        "enroll": [],
        "manageable": [("manage", "manageable")],
        "available": [("manage", "manageable"), ("provide", "available")],
        "active": [
            ("manage", "manageable"),
            ("provide", "available"),
            ("active", "active"),
        ],
        "inspect wait": [("manage", "manageable"), ("inspect", "inspect wait")],
    }

    def __init__(self, namespace: str, keystone: Keystone | None = None) -> None:
        """With a Keystone it logs in there, as the administrator."""
        self._namespace = namespace
        self._keystone = keystone
        self._token: str | None = None

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        server: tuple[str, int] = API,
        timeout: float = 30,
    ) -> Any:
        """One request; returns the decoded answer, None when it has no body.

        While Ironic is doing something else with the node, it tries again, and
        with a new token when that may help.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self._request_once(method, path, body, server, timeout)
            except IronicError as error:
                expired = error.status == 401 and self._token is not None
                if not (error.locked or expired) or time.monotonic() >= deadline:
                    raise
                self._token = None
            time.sleep(0.1)

    def _request_once(
        self,
        method: str,
        path: str,
        body: Any,
        server: tuple[str, int],
        timeout: float,
    ) -> Any:
        headers = {
            "Content-Type": "application/json",
            "X-OpenStack-Ironic-API-Version": self.VERSION,
        }
        if self._keystone is not None:
            self._token = self._token or self._keystone.token()
            headers["X-Auth-Token"] = self._token
        connection = HttpConnection(self._namespace, server, timeout)
        with contextlib.closing(connection):
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            response = connection.getresponse()
            text = response.read().decode()
        if response.status >= 400:
            raise IronicError(f"{method} {path}", response.status, text)
        return json.loads(text) if text else None

    def enroll(
        self, name: str, macs: Iterable[str], state: str = "available", **fields: Any
    ) -> str:
        """Creates a node with its ports, takes it to `state`, returns its UUID."""
        uuid = self.request(
            "POST",
            "/v1/nodes",
            {
                "name": name,
                "driver": "fake-hardware",
                "inspect_interface": "inspector",
                **fields,
            },
        )["uuid"]
        for mac in macs:
            self.add_port(uuid, mac)
        for target, reached in self._STEPS[state]:
            self.set_state(uuid, target)
            self.wait_state(uuid, reached)
        return uuid

    def add_port(self, node: str, mac: str, **fields: Any) -> str:
        uuid = self.node(node)["uuid"]
        port = {"node_uuid": uuid, "address": mac, **fields}
        return self.request("POST", "/v1/ports", port)["uuid"]

    def node(self, node: str) -> dict[str, Any]:
        return self.request("GET", f"/v1/nodes/{node}")

    def nodes(self) -> list[dict[str, Any]]:
        return self.request("GET", "/v1/nodes/detail")["nodes"]

    def ports(self, node: str) -> list[dict[str, Any]]:
        return self.request("GET", f"/v1/ports/detail?node={node}")["ports"]

    def state(self, node: str) -> str:
        return self.node(node)["provision_state"]

    def set_state(self, node: str, target: str) -> float:
        """Asks for a provision state by its verb; returns when it was asked."""
        asked = time.time()
        path = f"/v1/nodes/{node}/states/provision"
        self.request("PUT", path, {"target": target})
        return asked

    def wait_state(self, node: str, state: str, timeout: float = 30) -> None:
        def reached() -> bool:
            nonlocal last
            last = self.node(node)
            return last["provision_state"] == state

        last: dict[str, Any] = {}
        if not wait_for(reached, timeout):
            raise TimeoutError(
                f"node {node} is {last['provision_state']!r}, not {state!r}, after "
                f"{timeout} s; its last error: {last['last_error']}"
            )

    def inspect(self, node: str, wait: bool = True) -> float:
        """Starts an inspection; returns when it was asked for.

        With `wait` it returns once the node is in "inspect wait", which is about
        a quarter of a second before Ironic powers it on: see wait_power_on.
        """
        asked = self.set_state(node, "inspect")
        if wait:
            self.wait_state(node, "inspect wait")
        return asked

    def wait_power_on(self, node: str, since: float, timeout: float = 30) -> float:
        """Waits until Ironic has powered a node on; returns when that was.

        The time is Ironic's own, taken right before it tells the BMC.
        """
        moment = 0.0

        def powered_on() -> bool:
            nonlocal moment
            found = self.node(node)
            change = found["driver_internal_info"].get("last_power_state_change")
            moment = _epoch(change) if change else 0.0
            return found["power_state"] == "power on" and moment >= since

        if not wait_for(powered_on, timeout):
            raise TimeoutError(f"node {node} was not powered on within {timeout} s")
        return moment

    def abort(self, node: str, wait: bool = True) -> float:
        """Ends an inspection: the node goes to "inspect failed"."""
        # Inspector refuses to abort what it is only starting.
        self._wait_introspection(node, "waiting")
        asked = self.set_state(node, "abort")
        if wait:
            self.wait_state(node, "inspect failed")
            # Nor would it start anew before this one is put away.
            self._wait_introspection(node, "error")
        return asked

    def finish_inspection(self, node: str, wait: bool = True) -> None:
        """Reports to inspector as the ramdisk does: the node gets manageable."""
        self._wait_introspection(node, "waiting")
        macs = [port["address"] for port in self.ports(node)]
        inventory = {
            "interfaces": [
                {"name": f"eth{i}", "mac_address": mac, "ipv4_address": f"192.0.2.{i}"}
                for i, mac in enumerate(macs, 200)
            ],
            "memory": {"physical_mb": 1024, "total": 1 << 30},
            "cpu": {"count": 1, "architecture": "x86_64"},
            "disks": [{"name": "/dev/sda", "size": 10 << 30}],
            "bmc_address": "",
        }
        report = {"inventory": inventory, "boot_interface": macs[0]}
        self._inspector("POST", "/v1/continue", report)
        if wait:
            self.wait_state(node, "manageable")

    def introspection(self, node: str) -> dict[str, Any]:
        return self._inspector("GET", f"/v1/introspection/{node}")

    def introspections(self) -> list[dict[str, Any]]:
        return self._inspector("GET", "/v1/introspection")["introspection"]

    def delete(self, node: str) -> None:
        """Removes a node and its ports, whatever state it is in."""
        if self.state(node) in ("inspecting", "inspect wait"):
            self.abort(node)
        # Ironic removes a node in maintenance from whatever state.
        self.request("PUT", f"/v1/nodes/{node}/maintenance", {"reason": "removed"})
        self.request("DELETE", f"/v1/nodes/{node}")

    def _wait_introspection(self, node: str, state: str) -> None:
        def reached() -> bool:
            uuid = self.node(node)["uuid"]
            # Listed, since asking for one unknown yet would be an error.
            return any(
                found["uuid"] == uuid and found["state"] == state
                for found in self.introspections()
            )

        if not wait_for(reached, 30):
            raise TimeoutError(f"inspector has node {node} not as {state!r}")

    def _inspector(self, method: str, path: str, body: Any = None) -> Any:
        return self.request(method, path, body, server=self.INSPECTOR)


def wait_for(condition: Callable[[], bool], timeout: float, interval: float = 0.05) -> bool:
    """Calls `condition` until it is true; whether it was within `timeout`."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True


def _epoch(timestamp: str) -> float:
    """Ironic's times are UTC, some with and some without an offset."""
    moment = datetime.datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()
