# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks against a real Ironic share."""

from __future__ import annotations

import math
import os
import re
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from subject import Lab  # noqa: E402

# Of the user that pxegate has in the lab's RabbitMQ.
BROKER = "rabbit://pxegate:secret-of-pxegate@127.0.0.1:5672/"
# Nothing that Ironic's services do in their own time shall be measured as pxegate's doing:
# the conductor asks the BMCs, ironic-inspector lists all nodes once a minute.
QUIET_CONDUCTOR = """
[inspector]
status_check_period = 3600
[conductor]
sync_power_state_interval = 0
"""
QUIET_INSPECTOR = """
[DEFAULT]
clean_up_period = 0
"""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def require_root() -> None:
    if os.geteuid() != 0:
        print("1 skipped: network namespaces need root")
        sys.exit(0)


def add_to_config(lab: Lab, service: str, text: str) -> None:
    """Into the configuration of ironic-conductor, ironic-api or ironic-inspector, which
    is started anew."""
    file = "inspector.conf" if service == "ironic-inspector" else "ironic.conf"
    with open(lab.state_dir / "ironic" / file, "a", encoding="utf-8") as config:
        config.write(text)
    lab.service(service, "restart")


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that no fewer than `share` of all are at most as large as."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def cpu_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1]
    fields = stat.split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Request:
    """One that Ironic's API answered, by its own log."""

    method: str
    path: str
    status: int
    bytes: int  # of the answer, with its head
    seconds: float  # that Ironic took

    @property
    def kind(self) -> str:
        """The path without what differs from one request to the next."""
        path = re.sub(r"(marker|node|node_uuid)=[^&]*", r"\1=…", self.path)
        return re.sub(r"/[0-9a-f]{8}-[0-9a-f-]{27}", "/…", path)


class AccessLog:
    """What Ironic's API was asked for since this was made, or last read."""

    _LINE = re.compile(
        r'"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/1\.[01]" status: (?P<status>\d+) +'
        r"len: (?P<bytes>\d+) time: (?P<seconds>[\d.]+)"
    )

    def __init__(self, lab: Lab) -> None:
        self._path = lab.log_dir / "spine.ironic-api.log"
        self._at = self._path.stat().st_size

    def read(self) -> list[Request]:
        time.sleep(0.5)  # it is written after the answer
        with open(self._path, "rb") as file:
            file.seek(self._at)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        return [
            Request(
                found["method"],
                found["path"],
                int(found["status"]),
                int(found["bytes"]),
                float(found["seconds"]),
            )
            for found in self._LINE.finditer(whole.decode(errors="replace"))
        ]
