# SPDX-License-Identifier: Apache-2.0
"""The filter outlives its controller: killed, restarted, stopped, told to read
its configuration again, started twice. Traffic runs through all of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, wait_for
from probe import Probe
from subject import PATIENCE, Controller, FakeIronic, Sections

ALLOWED = ["flat1", "leaf1n1"]
DENIED = ["flat2", "leaf2n2"]
BYSTANDER = "flat3"
UNKNOWN = "flat4"
KILLS = 5


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as ironic:
        for host in ALLOWED:
            ironic.add(host, lab.mac(host), state="inspect wait")
        for host in [*DENIED, BYSTANDER]:
            ironic.add(host, lab.mac(host), state="active")
        yield ironic


@pytest.fixture
def controller(lab: Lab, ironic: FakeIronic) -> Iterator[Controller]:
    with make(lab, ironic) as controller:
        yield controller
    controller.configure({})
    controller.cli("teardown")
    assert not lab.pin_path.exists()


def make(
    lab: Lab, ironic: FakeIronic, sections: Sections | None = None, name: str = "pxegate"
) -> Controller:
    base = {"ironic": {"endpoint_override": ironic.url}, "pxe_filter": {"poll_interval": 1}}
    controller = Controller(lab, name=name)
    controller.set_defaults(base)
    controller.configure(sections or {})
    return controller


class Traffic:
    """Allowed and denied machines that ask all the time, from entering to leaving;
    then it checks that no request of a denied one reached the DHCP server, and
    that none of an allowed one was lost."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._allowed = [Probe(lab, host) for host in ALLOWED]
        self._denied = [Probe(lab, host) for host in DENIED]
        self._heard = self._denied_heard()

    def _denied_heard(self) -> dict[str, int]:
        return {host: self._lab.requests_heard(host) for host in DENIED}

    def denied_requests(self) -> int:
        return sum(len(probe.requests) for probe in self._denied)

    def __enter__(self) -> Traffic:
        for probe in [*self._allowed, *self._denied]:
            probe.__enter__()
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        probes = [*self._allowed, *self._denied]
        if not failed:  # enough to tell something
            wait_for(lambda: all(len(probe.requests) > 20 for probe in probes), PATIENCE)
        for probe in probes:
            probe.__exit__()
        if failed:
            return
        assert self._denied_heard() == self._heard, "a denied request has passed"
        for probe in self._denied:
            assert not probe.answered()
        for probe in self._allowed:
            lost = probe.unanswered()
            assert not lost, (
                f"{probe.host}: {len(lost)} of {len(probe.requests)} requests were lost"
            )


def test_a_killed_controller_leaves_no_gap(lab: Lab, controller: Controller) -> None:
    controller.start_synced()
    passes_with = {lab.mac(ALLOWED[0]): "allow", lab.mac(DENIED[0]): "deny"}
    controller.wait_enforced(passes_with)
    with Traffic(lab) as traffic:
        for dead_for in [0.0, 0.5, 1.0] + [0.2] * (KILLS - 3):
            time.sleep(0.5)
            controller.kill()
            assert passes_with.items() <= controller.enforced().items()
            time.sleep(dead_for)
            controller.start_synced()
        # And in the middle of its start.
        for delay in (0.02, 0.1):
            controller.kill()
            controller.start()
            time.sleep(delay)
        controller.kill()
        controller.start_synced()
    asked = traffic.denied_requests()
    print(f"\n{KILLS + 3} kills: none of {asked} requests of denied machines passed")


def test_nobody_gets_in_before_the_first_sync(
    lab: Lab, ironic: FakeIronic, controller: Controller
) -> None:
    ironic.change(faults=[{"match": "/v1", "status": 503, "times": -1}])
    try:
        controller.start()
        controller.wait_log("is filtered")
        heard = lab.requests_heard(ALLOWED[0])
        assert lab.ask(ALLOWED[0]) is None
        assert lab.requests_heard(ALLOWED[0]) == heard
    finally:
        ironic.change(clear_faults=True)
    controller.wait_synced()
    assert lab.ask(ALLOWED[0], 5) is not None


def test_a_stop_leaves_the_filter_in_force(lab: Lab, controller: Controller) -> None:
    controller.start_synced()
    with Traffic(lab):
        assert controller.stop() == 0
        last = controller.log_lines()[-1]
        assert "stays in force on prov0" in last and "pxegate teardown" in last
        time.sleep(0.5)
    status = controller.cli("status", "--json", check=False)
    assert status.returncode == 1
    assert '"controller_running":false' in status.stdout.replace(" ", "")


def test_a_stop_removes_the_filter_where_that_is_asked_for(
    lab: Lab, controller: Controller
) -> None:
    controller.configure({"xdp": {"on_exit": "detach"}})
    controller.start_synced()
    assert lab.ask(DENIED[0], 1) is None
    assert controller.stop() == 0
    assert "the filter is removed" in controller.log_lines()[-1]
    assert not lab.pin_path.exists()
    assert xdp_program(lab) is None
    assert lab.ask(DENIED[0], 5) is not None


def test_teardown_removes_the_filter_and_ends_the_controller(
    lab: Lab, controller: Controller
) -> None:
    controller.start_synced()
    assert lab.ask(DENIED[0], 1) is None
    controller.cli("teardown")
    assert controller.wait() == 0
    assert not lab.pin_path.exists()
    assert xdp_program(lab) is None
    assert lab.ask(DENIED[0], 5) is not None


def test_teardown_removes_the_filter_that_a_dead_controller_left(
    lab: Lab, controller: Controller
) -> None:
    controller.start_synced()
    controller.kill()
    assert lab.ask(DENIED[0], 1) is None
    controller.cli("teardown")
    assert not lab.pin_path.exists()
    assert xdp_program(lab) is None
    assert lab.ask(DENIED[0], 5) is not None
    controller.cli("teardown")  # nothing to do is no error


def test_a_changed_policy_is_taken_over_without_a_gap(
    lab: Lab, controller: Controller
) -> None:
    controller.start_synced()
    controller.wait_enforced({"unknown": "allow"})
    with Traffic(lab):
        for deny, verdict in ((True, "deny"), (False, "allow")) * 2:
            controller.reload(
                {"pxe_filter": {"deny_unknown_macs": deny}}, "SIGHUP: configuration read"
            )
            controller.wait_enforced({"unknown": verdict})
    assert lab.ask(UNKNOWN, 5) is not None
    controller.reload({"pxe_filter": {"deny_unknown_macs": True}}, "SIGHUP: configuration")
    controller.wait_enforced({"unknown": "deny"})
    assert lab.ask(UNKNOWN, 1) is None


def test_a_changed_driver_setting_is_taken_over_without_a_gap(
    lab: Lab, controller: Controller
) -> None:
    controller.start_synced()
    with Traffic(lab):
        changed = {"xdp": {"max_clients": 5000}}
        said = controller.reload(changed, "SIGHUP: configuration read")
        assert "restarted" in said
        controller.wait_synced()
        time.sleep(0.5)


@pytest.mark.parametrize(
    "broken", [{"pxe_filter": {"sync_period": "soon"}}, {"xdp": {"mode": "magic"}}]
)
def test_a_broken_configuration_is_refused_and_the_old_one_stays(
    lab: Lab, controller: Controller, broken: Sections
) -> None:
    controller.start_synced()
    with Traffic(lab):
        said = controller.reload(broken)
        ((option, value),) = (o for section in broken.values() for o in section.items())
        assert "the configuration in force stays" in said
        assert option in said and value in said
        assert str(controller.config) in said
        time.sleep(0.5)
    assert controller.alive()
    assert controller.status()["healthy"]


def test_an_interface_that_appears_later_is_filtered_then(
    lab: Lab, controller: Controller
) -> None:
    controller.start_synced()
    with Traffic(lab):
        controller.reload({"xdp": {"interfaces": "prov0,prov1"}}, "SIGHUP: configuration")
        assert wait_for(lambda: not target(controller, "prov1")["active"], PATIENCE)
        assert "prov1" in target(controller, "prov1")["detail"]
        assert controller.cli("status", check=False).returncode == 1
        assert "prov1" in controller.log()

        for _ in range(2):  # also when it vanished in between
            add_interface(lab, "prov1")
            assert wait_for(lambda: target(controller, "prov1")["active"], PATIENCE)
            assert xdp_program(lab, "prov1") is not None
            lab.exec("spine", ["ip", "link", "del", "prov1"])
            assert wait_for(lambda: not target(controller, "prov1")["active"], PATIENCE)
        controller.reload({}, "SIGHUP: configuration")
        assert wait_for(lambda: controller.status()["healthy"], PATIENCE)


def test_a_second_controller_is_refused(
    lab: Lab, ironic: FakeIronic, controller: Controller
) -> None:
    controller.start_synced()
    first = str(controller.process.pid)
    own = {"socket": lab.state_dir / "second.sock"}
    other_pins = Path(f"{lab.pin_path}-second")
    cases = {
        "socket": ({"api": {"socket": controller.socket}}, first),
        "pin_path": ({"api": own}, first),
        "interface": ({"api": own, "xdp": {"pin_path": other_pins}}, "pxe_filter"),
    }
    try:
        with Traffic(lab):
            for what, (sections, named) in cases.items():
                with make(lab, ironic, sections, name=f"second-{what}") as second:
                    second.start()
                    assert second.wait() != 0, what
                    assert named in second.log(), what
                    if what == "interface":
                        assert "prov0" in second.log()
    finally:
        for leftover in (other_pins / "links", other_pins):
            if leftover.exists():
                leftover.rmdir()
    assert controller.alive()
    assert controller.status()["healthy"]


def test_somebody_elses_program_is_not_replaced(
    lab: Lab, controller: Controller, tmp_path: Path
) -> None:
    program = compile_other_program(tmp_path)
    xdp = ["ip", "link", "set", "dev", "prov0", "xdp"]
    lab.exec("spine", [*xdp, "obj", program, "sec", "xdp"])
    try:
        controller.start()
        assert controller.wait() == 1
        assert "others" in controller.log() and "prov0" in controller.log()
        assert xdp_program(lab) == "others"
        assert lab.ask(DENIED[0], 5) is not None
    finally:
        lab.exec("spine", [*xdp, "off"])


def test_a_reload_that_fails_leaves_a_controller_that_works(
    lab: Lab, ironic: FakeIronic, controller: Controller
) -> None:
    controller.start_synced()
    with Traffic(lab):
        # Too few for the rules in force.
        said = controller.reload({"xdp": {"max_clients": 1}})
        assert "max_clients" in said and "the configuration in force stays" in said
        controller.wait_synced()
        for state, verdict in (("inspect wait", "allow"), ("active", "deny")):
            ironic.set_state(BYSTANDER, state)
            controller.wait_enforced({lab.mac(BYSTANDER): verdict})
        assert controller.cli("sync").returncode == 0


def test_a_reload_beside_somebody_elses_program_goes_on_filtering(
    lab: Lab, ironic: FakeIronic, controller: Controller, tmp_path: Path
) -> None:
    interfaces = {"xdp": {"interfaces": "prov0,prov9"}}

    def synced() -> bool:
        status = controller.status()
        return bool(status and status["sync"]["synced"])

    controller.start_synced()
    add_interface(lab, "prov9")
    program = compile_other_program(tmp_path)
    xdp = ["ip", "link", "set", "dev", "prov9", "xdp", "obj", program, "sec", "xdp"]
    try:
        lab.exec("spine", xdp)
        with Traffic(lab):
            for timeout in (7, 8):
                changed = {**interfaces, "ironic": {"timeout": timeout}}
                controller.reload(changed, "SIGHUP: configuration read")
                assert wait_for(synced, PATIENCE)
                assert "others" in target(controller, "prov9")["detail"]
                assert target(controller, "prov0")["active"]
                assert controller.cli("sync").returncode == 0
            assert xdp_program(lab, "prov9") == "others"
    finally:
        lab.exec("spine", ["ip", "link", "del", "prov9"])


def compile_other_program(folder: Path) -> Path:
    """A BPF object with the XDP program `others`, which passes everything."""
    source = folder / "others.c"
    source.write_text(
        '__attribute__((section("xdp"), used)) int others(void *context)\n'
        "{ (void)context; return 2; /* pass */ }\n"
    )
    program = folder / "others.o"
    compiler = ["clang", "-target", "bpf", "-O2", "-g", "-c", source, "-o", program]
    subprocess.run(compiler, check=True)
    return program


def target(controller: Controller, interface: str) -> dict:
    targets = controller.status()["driver"]["targets"]
    found = [target for target in targets if target["name"] == interface]
    return found[0] if found else {"active": True}


def add_interface(lab: Lab, name: str) -> None:
    add = ["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}peer"]
    lab.exec("spine", add)
    lab.exec("spine", ["ip", "link", "set", name, "up"])


def xdp_program(lab: Lab, interface: str = "prov0") -> str | None:
    """The name of the XDP program on an interface, if there is one."""
    shown = lab.exec("spine", ["ip", "-d", "link", "show", "dev", interface]).stdout
    if "prog/xdp" not in shown:
        return None
    words = shown.split("prog/xdp", 1)[1].split()
    name = words[words.index("name") + 1] if "name" in words else ""
    return name
