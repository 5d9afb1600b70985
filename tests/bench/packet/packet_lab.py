# SPDX-License-Identifier: Apache-2.0
"""Network namespaces, filters and figures, for the benchmarks that send frames."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TOOLS = Path(os.environ.get("PXEGATE_BENCH_TOOLS", ROOT / "build/release/tests/bench/packet"))
# Several runs at once keep out of each other's way.
NAME = f"pxegate-bench{os.getpid()}"

FIRST_ALLOWED = 900_000  # kFirstAllowed in programs.h
FIRST_UNKNOWN = 1_000_000
INTERFACE = "v1"
SERVER = "10.77.0.1"

CONFIG = """\
[pxe_filter]
driver = {driver}
[ironic]
endpoint_override = http://127.0.0.1:6385
"""


def mac(number: int) -> str:
    """The address of a machine, as programs.cc numbers them."""
    return ":".join(f"{byte:02x}" for byte in b"\x02\x00" + number.to_bytes(4, "big"))


def run(argv: list[str], **options: Any) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)[:200]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def within(namespace: str, argv: list[str]) -> list[str]:
    # Not "ip netns exec": its private /sys would hide the BPF pins.
    return ["nsenter", f"--net=/run/netns/{namespace}", "--", *argv]


class Lab:
    """One namespace that sends, and any number that receive, each over a veth pair."""

    def __init__(self) -> None:
        self.sender = NAME
        self.namespaces: list[str] = []
        self.state = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
        self.pins: list[Path] = []
        self.children: list[Child] = []

    def __enter__(self) -> Lab:
        try:
            self._namespace(self.sender)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for child in self.children:
            child.stop()
        for namespace in reversed(self.namespaces):
            # What daemonized there.
            left = subprocess.run(
                ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
            )
            for pid in left.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
        for pins in self.pins:
            shutil.rmtree(pins, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)

    def _namespace(self, name: str) -> None:
        run(["ip", "netns", "add", name])
        self.namespaces.append(name)
        for scope in ("all", "default"):
            run(within(name, ["sysctl", "-qw", f"net.ipv6.conf.{scope}.disable_ipv6=1"]))
        run(["ip", "-n", name, "link", "set", "lo", "up"])

    def receiver(self) -> Receiver:
        number = len(self.namespaces)
        name = f"{NAME}-{number}"
        self._namespace(name)
        wire = f"w{number}"
        run(
            f"ip -n {self.sender} link add {wire} numrxqueues 1 numtxqueues 1 type veth "
            f"peer name {INTERFACE} netns {name} numrxqueues 1 numtxqueues 1".split()
        )
        # So that frames come in as they do from a NIC, native XDP or not.
        run(within(name, ["ethtool", "-K", INTERFACE, "gro", "on"]))
        run(["ip", "-n", name, "addr", "add", f"{SERVER}/16", "dev", INTERFACE])
        for namespace, interface in ((self.sender, wire), (name, INTERFACE)):
            run(["ip", "-n", namespace, "link", "set", interface, "up"])
        return Receiver(self, name, wire)

    def start(self, namespace: str, argv: list[str], path: str | None = None) -> Child:
        child = Child(within(namespace, argv), path)
        self.children.append(child)
        return child

    def iptables_path(self, backend: str) -> str:
        """A PATH with iptables of that backend in front."""
        folder = self.state / f"iptables-{backend}"
        if not folder.exists():
            folder.mkdir()
            multi = shutil.which(f"xtables-{backend}-multi")
            if multi is None:
                raise RuntimeError(f"no xtables-{backend}-multi; it is in the package iptables")
            for tool in ("iptables", "iptables-restore", "iptables-save"):
                (folder / tool).symlink_to(multi)
        return f"{folder}:{os.environ['PATH']}"

    def config(self, name: str, driver: str, text: str) -> str:
        path = self.state / f"{name}.conf"
        path.write_text(CONFIG.format(driver=driver) + text, encoding="utf-8")
        return str(path)

    def pin_path(self, name: str) -> Path:
        path = Path("/sys/fs/bpf") / name
        self.pins.append(path)
        return path


class Receiver:
    def __init__(self, lab: Lab, namespace: str, wire: str) -> None:
        self.lab = lab
        self.namespace = namespace
        self.wire = wire  # the sender's end
        self.holder: Child | None = None

    def hold(self, kind: str, *arguments: str, path: str | None = None) -> None:
        """Has hold_filter filter this end."""
        argv = [str(TOOLS / "hold_filter"), kind, INTERFACE, *arguments]
        self.holder = self.lab.start(self.namespace, argv, path)
        self.holder.wait_ready()

    def sync(self) -> None:
        assert self.holder
        if self.holder.ask("sync") != "ok":
            raise RuntimeError(f"{self.namespace}: the filter was lost")

    def heard(self) -> int:
        """Datagrams that reached port 67 since the last time."""
        assert self.holder
        return int(self.holder.ask("heard"))

    def send(self, *arguments: str) -> dict[str, Any]:
        argv = [str(TOOLS / "send_flood"), self.wire, *arguments]
        return json.loads(run(within(self.lab.sender, argv)))

    def received(self) -> int:
        """Frames that this end has received, dropped or not."""
        found = json.loads(
            run(["ip", "-j", "-s", "-n", self.namespace, "link", "show", "dev", INTERFACE])
        )
        return int(found[0]["stats64"]["rx"]["packets"])

    def load(self, argv: list[str], script: str) -> None:
        run(within(self.namespace, argv), input=script)


class Child:
    """A process that answers lines with lines, until its standard input ends."""

    def __init__(self, argv: list[str], path: str | None = None) -> None:
        self.argv = argv
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": path or os.environ["PATH"]},
        )

    def wait_ready(self) -> None:
        if self.line() != "ready":
            raise RuntimeError(f"{' '.join(self.argv)}: did not get ready")

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def ask(self, question: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.line()

    def stop(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            assert self.process.stdin
            self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.returncode != 0:
            say(f"{' '.join(self.argv)}: exit status {self.process.returncode}")


def chain_script(machines: int) -> str:
    """For iptables-restore: the chain that ironic-inspector builds."""
    lines = [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":ironic-inspector - [0:0]",
        f"-A INPUT -i {INTERFACE} -p udp -m udp --dport 67 -j ironic-inspector",
        *(
            f"-A ironic-inspector -m mac --mac-source {mac(number)} -j DROP"
            for number in range(machines)
        ),
        "-A ironic-inspector -j ACCEPT",
        "COMMIT",
        "",
    ]
    return "\n".join(lines)


def figures(values: list[float]) -> dict[str, float]:
    """The median, and between which two values half of them lie."""
    if len(values) < 2:
        return {"median": values[0], "lower": values[0], "upper": values[0]}
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "lower": lower, "upper": upper}


def table(heads: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |"
        for row in [heads, ["-" * width for width in widths], *rows]
    )


def require_root(program: str) -> None:
    if os.geteuid() != 0:
        sys.exit(f"{program}: network namespaces need root")
    if not (TOOLS / "hold_filter").exists():
        sys.exit(
            f"{program}: no tools in {TOOLS}; build the targets hold_filter and send_flood, "
            "or set PXEGATE_BENCH_TOOLS"
        )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
