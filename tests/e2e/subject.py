# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests drive: a controller, and a fake Ironic for it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))

from lab import Lab, entered, wait_for  # noqa: E402

BINARY = os.path.abspath(
    os.environ.get("PXEGATE_BINARY", ROOT / "build" / "release" / "pxegate")
)
# Where tests/plugin/build has put what it built.
PLUGINS = Path(os.environ.get("PXEGATE_PLUGINS", Path(BINARY).parent / "plugins"))
REAL_IRONIC = "http://127.0.0.1:6385"
REAL_INSPECTOR = "http://127.0.0.1:5050"

# Seconds that anything may take that is expected to happen: far more than it
# does take, since the machine may be a busy one.
PATIENCE = 60

Sections = dict[str, dict[str, Any]]


class Controller:
    """A pxegate in the lab's spine, with a configuration of its own.

    `sections` are laid over what makes it filter prov0. It is not running
    until start().
    """

    def __init__(
        self, lab: Lab, sections: Sections | None = None, name: str = "pxegate"
    ) -> None:
        self.lab = lab
        self.name = name
        self.config = lab.state_dir / f"{name}.conf"
        self.socket = lab.state_dir / f"{name}.sock"
        self.log_file = lab.log_dir / f"spine.{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.env: dict[str, str] | None = None  # None: this program's own
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        self._defaults: Sections = {
            "pxe_filter": {"driver": os.environ.get("PXEGATE_TEST_DRIVER", "xdp")},
            "ironic": {"endpoint_override": REAL_IRONIC},
            "xdp": {"interfaces": "prov0", "pin_path": lab.pin_path},
            "api": {"socket": self.socket},
        }
        if lab.with_ironic:
            self._defaults["inspector"] = {"endpoint_override": REAL_INSPECTOR}
        self.sections: Sections = {}
        self.configure(sections or {})

    def __enter__(self) -> Controller:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # --- its life

    def set_defaults(self, sections: Sections) -> None:
        """What a configuration has that does not say otherwise."""
        for name, options in sections.items():
            self._defaults.setdefault(name, {}).update(options)

    def configure(self, sections: Sections) -> None:
        """Writes its configuration file: the default, and `sections` over it."""
        self.sections = {name: dict(options) for name, options in self._defaults.items()}
        for name, options in sections.items():
            self.sections.setdefault(name, {}).update(options)
        self.config.write_text(as_config(self.sections), encoding="utf-8")
        self.config.chmod(0o640)  # there may be passwords in it

    def start(self, *prefix: str | Path, **options: Any) -> Controller:
        """Starts it, by the command `prefix` if there is one, and returns at once."""
        assert self.process is None or self.process.poll() is not None
        with open(self.log_file, "ab") as log:
            self.process = self.lab.popen(
                "spine",
                [*prefix, BINARY, "--config-file", self.config, "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **{"env": self.env, **options},
            )
        return self

    def start_synced(self, **options: Any) -> Controller:
        self.start(**options)
        self.wait_synced()
        return self

    def wait_synced(self) -> None:
        def synced() -> bool:
            assert self.alive(), f"it ended with {self.process.returncode}:\n{self.log()}"
            status = self.status()
            return bool(status and status["sync"]["synced"] and status["driver"]["healthy"])

        assert wait_for(synced, PATIENCE, 0.1), self.log()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ends it cleanly; returns its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        if self.process is not None and self.alive():
            self.process.kill()
            self.process.wait()

    def reload(self, sections: Sections, says: str = r"SIGHUP: ") -> str:
        """Changes the configuration, has it read, returns what it said to that."""
        self.configure(sections)
        return self.reread(says)

    def reread(self, says: str = r"SIGHUP: ") -> str:
        before = len(self.log())
        self.signal(signal.SIGHUP)
        self.wait_log(says, before)
        return self.log()[before:]

    # --- what it says

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command of pxegate with this configuration."""
        return self.lab.exec(
            "spine",
            [BINARY, "--config-file", self.config, *arguments],
            check=check,
            timeout=PATIENCE,
            env=self.env,
        )

    def json(self, *arguments: str) -> Any:
        """What a command says with --json, whatever its exit status."""
        done = self.cli(*arguments, "--json", check=False)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def status(self) -> dict[str, Any] | None:
        """GET /v1/status; None while nobody answers."""
        try:
            return self.api("/v1/status")
        except OSError:
            return None

    def api(self, path: str) -> Any:
        connection = _UnixConnection(str(self.socket))
        with contextlib.closing(connection):
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())

    def enforced(self) -> dict[str, str]:
        """What the kernel enforces, read from there: verdicts by address, and
        of "unknown"."""
        # A configuration whose controller does not run makes the command look
        # for itself.
        offline = self.config.with_suffix(".offline")
        sections = {**self.sections, "api": {"socket": f"{self.socket}.none"}}
        offline.write_text(as_config(sections), encoding="utf-8")
        listing = self.lab.exec(
            "spine", [BINARY, "--config-file", offline, "policy", "--json"]
        )
        found = json.loads(listing.stdout)
        assert not found["controller_running"]
        verdicts = {entry["address"]: entry["verdict"] for entry in found["entries"]}
        return {**verdicts, "unknown": found["unknown"]}

    def wait_enforced(self, expected: dict[str, str]) -> None:
        """Waits until the kernel enforces all of `expected`."""
        last: dict[str, str] = {}

        def same() -> bool:
            nonlocal last
            last = self.enforced()
            return expected.items() <= last.items()

        assert wait_for(same, PATIENCE, 0.1), f"{last}\n{self.log()}"

    def log(self) -> str:
        """What it has said, over all its starts."""
        with open(self.log_file, "rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def log_lines(self) -> list[str]:
        """The messages, without time and level."""
        return [line.split(" ", 2)[-1] for line in self.log().splitlines()]

    def wait_log(self, pattern: str, since: int = 0) -> None:
        def found() -> bool:
            return re.search(pattern, self.log()[since:]) is not None

        assert wait_for(found, PATIENCE), f"no {pattern!r} in:\n{self.log()[since:]}"

    def memory(self, what: str) -> int:
        """VmRSS or VmHWM, in MB."""
        return self.memory_kb(what) // 1024

    def memory_kb(self, what: str) -> int:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"{what}:\s+(\d+) kB", status).group(1))


@contextlib.contextmanager
def filtering(lab: Lab, sections: Sections) -> Iterator[Controller]:
    """A controller that has synced, whose filter is gone afterwards."""
    controller = Controller(lab)
    controller.set_defaults(sections)
    controller.configure({})
    with controller:
        controller.start_synced()
        yield controller
        controller.cli("teardown")


class FakeIronic:
    """tests/support/fake_ironic.py, in the lab's spine; port 0 is any."""

    def __init__(self, lab: Lab, *options: str, address: str = "127.0.0.1:0") -> None:
        self._lab = lab
        self._options = options
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> FakeIronic:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._process = self._lab.popen(
            "spine",
            [
                *("/usr/bin/python3", ROOT / "tests" / "support" / "fake_ironic.py"),
                *("--listen", f"{self._host}:{self._port}", *self._options),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the fake Ironic does not start"
        self._port = int(self.url.rpartition(":")[2])  # also for the next start

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def change(self, **what: Any) -> dict[str, Any]:
        """A POST to /_fake."""
        return self._request("POST", json.dumps(what))

    def report(self) -> dict[str, Any]:
        return self._request("GET")

    def add(self, name: str, *macs: str, state: str = "active") -> str:
        """A node with its ports; returns its UUID."""
        node = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        self.change(
            add_nodes=[{"uuid": node, "name": name, "provision_state": state}],
            add_ports=[{"node_uuid": node, "address": mac} for mac in macs],
        )
        return node

    def delete(self, name: str) -> None:
        """Removes a node that add() made, with its ports."""
        self.change(delete_nodes=[str(uuid.uuid5(uuid.NAMESPACE_DNS, name))])

    def set_state(self, name: str, state: str) -> None:
        self.change(nodes={name: {"provision_state": state}})

    def _request(self, method: str, body: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
        with contextlib.closing(connection):
            with entered(self._lab.namespace("spine")):
                connection.connect()
            connection.request(method, "/_fake", body)
            response = connection.getresponse()
            text = response.read().decode()
        assert response.status == 200, text
        return json.loads(text)


def as_config(sections: Sections) -> str:
    lines = []
    for name, options in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{option} = {value}" for option, value in options.items()]
    return "\n".join(lines) + "\n"


def count(clients: dict[str, Any], verdict: str, reason: str | None = None) -> int:
    """What the counters of `pxegate clients --json` say."""
    return sum(
        counter["packets"]
        for counter in clients["counters"]
        if counter["verdict"] == verdict and reason in (None, counter["reason"])
    )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
