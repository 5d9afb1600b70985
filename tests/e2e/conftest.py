# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from subject import BINARY, ROOT, Lab


def pytest_configure() -> None:
    # So that fixtures clean up as they do on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of the test file's own; with `WITH_IRONIC = True` in it a real
    Ironic runs there, `WITH_KEYSTONE` and `WITH_RABBITMQ` add those, and with
    `DHCP_SERVER = "kea"` Kea takes dnsmasq's place."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if not os.access(BINARY, os.X_OK):
        pytest.fail(f"PXEGATE_BINARY names no program: {BINARY}")
    name = request.module.__name__.replace("_", "")[:12]  # as long as it may be
    made = Lab(
        name,
        with_ironic=getattr(request.module, "WITH_IRONIC", False),
        with_keystone=getattr(request.module, "WITH_KEYSTONE", False),
        with_rabbitmq=getattr(request.module, "WITH_RABBITMQ", False),
        dhcp_server=getattr(request.module, "DHCP_SERVER", "dnsmasq"),
    )
    made.down()  # what a killed run may have left
    try:
        made.up()
        yield made
        if request.session.testsfailed:
            keep_logs(made)
    finally:
        made.down()


def keep_logs(lab: Lab) -> None:
    """Leaves the logs of a lab whose tests failed in build/e2e-logs/."""
    kept = ROOT / "build" / "e2e-logs" / lab.name
    kept.mkdir(parents=True, exist_ok=True)
    for log in [*lab.log_dir.glob("*.log"), *lab.state_dir.glob("dhcp/*.log")]:
        (kept / log.name).write_bytes(log.read_bytes())
    print(f"the lab's logs are in {kept}")
