# SPDX-License-Identifier: Apache-2.0
"""`pxegate doctor`: what a deployment gets wrong is found, and it says what to do."""

from __future__ import annotations

import contextlib
import email.utils
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from subject import BINARY, Controller, FakeIronic, Lab, filtering, wait_for

SPARE, PEER = "spare0", "spare1"  # a second NIC of the spine, and its cable's end
PROGRAM = 'char _license[] __attribute__((section("license"))) = "GPL";\n' + (
    '__attribute__((section("xdp"))) int other(void* ctx) { return 2; }\n'
)

Findings = list[dict[str, str]]


def run(lab: Lab, *argv: str | Path, check: bool = True) -> str:
    return lab.exec("spine", list(argv), check=check).stdout


@contextlib.contextmanager
def dhcp_server(lab: Lab, tmp_path: Path, interface: str, *options: str) -> Iterator[int]:
    server = lab.popen(
        "spine",
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0"),
            *("--user=root", f"--interface={interface}", "--bind-interfaces"),
            f"--dhcp-leasefile={tmp_path}/leases",
            *(options or ["--dhcp-range=192.0.2.50,192.0.2.60"]),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        listening = lambda: f"pid={server.pid}," in run(lab, "ss", "-lunp")  # noqa: E731
        assert wait_for(listening, 20)
        yield server.pid
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as ironic:
        first, second = lab.nodes[:2]
        ironic.add(first, lab.mac(first), state="inspect wait")
        ironic.add(second, lab.mac(second))
        yield ironic


@pytest.fixture(scope="module")
def spare(lab: Lab) -> Iterator[None]:
    run(lab, "ip", "link", "add", SPARE, "type", "veth", "peer", "name", PEER)
    run(lab, "ip", "link", "set", SPARE, "up")
    run(lab, "ip", "link", "set", PEER, "up")
    run(lab, "ip", "addr", "add", "198.51.100.1/24", "dev", SPARE)
    yield
    run(lab, "ip", "link", "del", SPARE)


@pytest.fixture(scope="module")
def server(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[contextlib.ExitStack]:
    """Instead of the lab's own, which listens on an interface besides that stands
    for a VLAN and is none for the kernel."""
    lab.dhcp("stop")
    with contextlib.ExitStack() as running:
        running.enter_context(dhcp_server(lab, tmp_path_factory.mktemp("dhcp"), "prov0"))
        yield running


@pytest.fixture(scope="module")
def controller(
    lab: Lab, ironic: FakeIronic, spare: None, server: contextlib.ExitStack
) -> Iterator[Controller]:
    with filtering(lab, {"ironic": {"endpoint_override": ironic.url}}) as controller:
        yield controller


def examine(
    controller: Controller,
    sections: dict[str, dict[str, Any]] | None = None,
    *prefix: str,
    probe: bool = False,
) -> Findings:
    """What doctor finds with another configuration than the controller runs with."""
    other = controller.config.with_suffix(".doctor")
    merged = {name: dict(options) for name, options in controller.sections.items()}
    for name, options in (sections or {}).items():
        merged.setdefault(name, {}).update(options)
    lines = []
    for name, options in merged.items():
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in options.items())]
    other.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = controller.lab.exec(
        "spine",
        [
            *(*prefix, BINARY, "--config-file", other, "doctor", "--json"),
            *([] if probe else ["--no-probe"]),
        ],
        check=False,
        timeout=60,
    )
    answer = json.loads(done.stdout)
    problems = [f for f in answer["findings"] if f["outcome"] == "problem"]
    assert answer["good"] == (not problems)
    assert done.returncode == (1 if problems else 0), done.stderr
    for finding in answer["findings"]:
        assert finding["seen"], finding
        assert finding["outcome"] in ("ok", "unknown") or finding["do"], finding
    return answer["findings"]


def expect(findings: Findings, check: str, outcome: str, seen: str, do: str = "") -> None:
    matching = [f for f in findings if f["check"] == check and seen in f["seen"]]
    assert matching, f"no {check!r} with {seen!r} in {findings}"
    assert matching[0]["outcome"] == outcome, matching[0]
    assert do in matching[0]["do"], matching[0]


def test_a_good_deployment(controller: Controller) -> None:
    findings = examine(controller, probe=True)
    assert [f for f in findings if f["outcome"] == "problem"] == []
    expect(findings, "configuration", "ok", controller.config.name.removesuffix(".conf"))
    expect(findings, "controller", "ok", f"process {controller.process.pid} enforces 2 rules")
    expect(findings, "privileges", "ok", "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON")
    expect(findings, "kernel", "ok", "Linux ")
    expect(findings, "XDP program", "ok", "the kernel takes it")
    expect(findings, "bpffs", "ok", "")
    expect(findings, "interface prov0", "ok", "is up")
    expect(findings, "XDP on prov0", "ok", "native mode")
    expect(findings, "Ironic", "ok", "all of its 2 nodes")
    expect(findings, "other DHCP servers", "ok", "none answered")
    expect(findings, "clock", "ok", "agrees with this host's")
    # dnsmasq of the lab is told its interface, and no other.
    expect(findings, "DHCP server", "ok", '"dnsmasq"')


def test_text_for_people(controller: Controller) -> None:
    done = controller.cli("doctor", "--no-probe")
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("0 problems, "), done.stdout
    assert all(len(line.split(None, 1)[0]) <= 8 for line in lines if line)
    assert "other DHCP servers" not in done.stdout  # --no-probe


def test_nothing_runs(controller: Controller) -> None:
    findings = examine(
        controller,
        {
            "api": {"socket": "/nowhere/pxegate.sock"},
            "xdp": {"pin_path": "/sys/fs/bpf/doctor-nothing"},
        },
    )
    expect(findings, "controller", "problem", "no filter is in force", "pxegate run")


def test_an_unattended_filter(controller: Controller) -> None:
    findings = examine(controller, {"api": {"socket": "/nowhere/pxegate.sock"}})
    expect(findings, "controller", "problem", "goes on with an old policy (1 allowed, 1 denied)")


def test_another_driver_is_configured_than_runs(controller: Controller) -> None:
    findings = examine(controller, {"pxe_filter": {"driver": "noop"}})
    expect(findings, "controller", "warning", "runs driver xdp", "reload")
    expect(findings, "driver", "warning", "filters nothing", "driver = xdp")


def test_wrong_lines_of_the_configuration(controller: Controller) -> None:
    findings = examine(
        controller, {"pxe_filter": {"polling_interval": 2, "sync_period": "often"}}
    )
    expect(findings, "configuration", "problem", "sync_period", "config sample")
    expect(findings, "configuration", "warning", "polling_interval", "config sample")


def test_no_such_interface(controller: Controller) -> None:
    findings = examine(controller, {"xdp": {"interfaces": "prov0, eth77"}})
    expect(findings, "interface eth77", "problem", "no such interface", "ip -br link")
    assert "other DHCP servers" not in [f["check"] for f in findings]  # --no-probe
    findings = examine(controller, {"xdp": {"interfaces": "prov0, eth77"}}, probe=True)
    expect(findings, "other DHCP servers", "unknown", "no request could be sent on eth77")
    expect(findings, "interface prov0", "ok", "is up")


def test_an_interface_that_is_not_attached(controller: Controller) -> None:
    findings = examine(controller, {"xdp": {"interfaces": f"prov0, {SPARE}"}})
    expect(findings, f"XDP on {SPARE}", "problem", "not attached", "pxegate run")


def test_an_interface_down_or_without_carrier(controller: Controller, lab: Lab) -> None:
    wanted = {"xdp": {"interfaces": f"prov0, {SPARE}"}}
    with undone(lab, ["ip", "link", "set", PEER, "down"], ["ip", "link", "set", PEER, "up"]):
        expect(examine(controller, wanted), f"interface {SPARE}", "warning", "no carrier", "cable")
    with undone(lab, ["ip", "link", "set", SPARE, "down"], ["ip", "link", "set", SPARE, "up"]):
        expect(
            examine(controller, wanted), f"interface {SPARE}", "problem", "is down", "set dev"
        )


@contextlib.contextmanager
def undone(lab: Lab, do: list[str], undo: list[str]) -> Iterator[None]:
    run(lab, *do)
    try:
        yield
    finally:
        run(lab, *undo)


def test_another_xdp_program(controller: Controller, lab: Lab, tmp_path: Path) -> None:
    source = tmp_path / "other.bpf.c"
    source.write_text(PROGRAM, encoding="ascii")
    made = tmp_path / "other.o"
    subprocess.run(
        ["clang", "-O2", "-g", "-target", "bpf", "-c", source, "-o", made], check=True
    )
    with undone(
        lab,
        ["ip", "link", "set", "dev", SPARE, "xdpgeneric", "obj", str(made), "sec", "xdp"],
        ["ip", "link", "set", "dev", SPARE, "xdpgeneric", "off"],
    ):
        findings = examine(controller, {"xdp": {"interfaces": f"prov0, {SPARE}"}})
    expect(findings, f"XDP on {SPARE}", "problem", "other", "dispatcher")


def test_hidden_vlan_tags(controller: Controller, lab: Lab) -> None:
    wanted = {"xdp": {"interfaces": SPARE}}
    run(lab, "ethtool", "-K", SPARE, "rxvlan", "on")
    expect(examine(controller, wanted), f"VLAN tags on {SPARE}", "ok", "takes them off")
    run(lab, "ip", "link", "add", "spare-br", "type", "bridge")
    run(lab, "ip", "link", "set", SPARE, "master", "spare-br")
    try:
        expect(
            examine(controller, wanted), f"VLAN tags on {SPARE}", "warning", "", "rxvlan off"
        )
        run(lab, "ethtool", "-K", SPARE, "rxvlan", "off")
        expect(examine(controller, wanted), f"VLAN tags on {SPARE}", "ok", "sees them")
    finally:
        run(lab, "ip", "link", "del", "spare-br")
        run(lab, "ethtool", "-K", SPARE, "rxvlan", "on")


def test_pins_that_are_not_on_bpffs(controller: Controller) -> None:
    findings = examine(controller, {"xdp": {"pin_path": "/tmp/doctor"}})
    expect(findings, "bpffs", "problem", "/tmp/doctor", "mount -t bpf")


def test_a_controller_without_privileges(controller: Controller, lab: Lab) -> None:
    """One that runs driver noop without any, while xdp is configured."""
    sections = {
        "pxe_filter": {"driver": "noop"},
        "ironic": controller.sections["ironic"],
        "xdp": {"pin_path": f"{lab.pin_path}-other"},
    }
    other = Controller(lab, sections, name="unprivileged")
    with other:
        other.start("setpriv", "--bounding-set=-all", "--inh-caps=-all")
        other.wait_synced()
        findings = examine(controller, {"api": {"socket": other.socket}})
    expect(
        findings, "privileges", "problem",
        f"process {other.process.pid} lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON",
        "systemctl daemon-reload",
    )


def test_missing_privileges(controller: Controller) -> None:
    findings = examine(
        controller, None,
        "setpriv", "--bounding-set=-all", "--inh-caps=-all",
        "--reuid=65534", "--regid=65534", "--clear-groups", probe=True,
    )
    expect(findings, "XDP program", "problem", "", "CAP_BPF")
    # The filter's own program is none to remove.
    expect(findings, "XDP on prov0", "unknown", "", "run it as root")
    expect(findings, "other DHCP servers", "unknown", "", "CAP_NET_RAW")
    expect(findings, "controller", "unknown", "", "group")


def test_another_dhcp_server_answers(controller: Controller, lab: Lab, tmp_path: Path) -> None:
    run(lab, "ip", "netns", "add", f"{lab.name}-rogue")
    rogue = ["ip", "-n", f"{lab.name}-rogue"]
    try:
        run(lab, "ip", "link", "set", PEER, "netns", f"{lab.name}-rogue")
        run(lab, *rogue, "addr", "add", "198.51.100.9/24", "dev", PEER)
        run(lab, *rogue, "link", "set", PEER, "up")
        server = subprocess.Popen(
            [
                *("nsenter", f"--net=/run/netns/{lab.name}-rogue", "dnsmasq"),
                *("--keep-in-foreground", "--conf-file=/dev/null", "--port=0"),
                *("--user=root", f"--interface={PEER}", "--bind-interfaces"),
                f"--dhcp-leasefile={tmp_path}/leases",
                "--dhcp-range=198.51.100.50,198.51.100.60",
                "--no-ping",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            found: Findings = []

            def answered() -> bool:
                found[:] = examine(controller, {"xdp": {"interfaces": SPARE}}, probe=True)
                return any(
                    f["check"] == "other DHCP servers" and f["outcome"] == "problem"
                    for f in found
                )

            assert wait_for(answered, 60), found
            expect(found, "other DHCP servers", "problem", f"198.51.100.9 on {SPARE}", "stop it")
        finally:
            server.kill()
            server.wait()
    finally:
        run(lab, *rogue, "link", "set", PEER, "netns", lab.namespace("spine"), check=False)
        run(lab, "ip", "netns", "del", f"{lab.name}-rogue", check=False)
        run(lab, "ip", "link", "set", PEER, "up", check=False)


def test_a_dhcp_server_that_is_not_behind_the_filter(
    controller: Controller, lab: Lab, tmp_path: Path
) -> None:
    ranges = "--dhcp-range=198.51.100.50,198.51.100.60"
    with dhcp_server(lab, tmp_path, SPARE, ranges) as pid:
        findings = examine(controller)
        expect(
            findings, "DHCP server", "problem", f"(process {pid}) hears requests on {SPARE}",
            f"add {SPARE} to [xdp] interfaces",
        )
        findings = examine(controller, {"xdp": {"interfaces": f"prov0, {SPARE}"}})
        expect(findings, "DHCP server", "ok", f"(process {pid}) is behind the filter")


def test_a_dhcp_server_on_a_bridge(controller: Controller, lab: Lab, tmp_path: Path) -> None:
    """It is behind the filter if all of the bridge's ports are."""
    run(lab, "ip", "link", "add", "spare-br", "type", "bridge")
    try:
        run(lab, "ip", "link", "set", SPARE, "master", "spare-br")
        run(lab, "ip", "addr", "add", "203.0.113.1/24", "dev", "spare-br")
        run(lab, "ip", "link", "set", "spare-br", "up")
        ranges = "--dhcp-range=203.0.113.50,203.0.113.60"
        with dhcp_server(lab, tmp_path, "spare-br", ranges) as pid:
            findings = examine(controller)
            expect(findings, "DHCP server", "problem", f"(process {pid}) hears requests on {SPARE}")
            findings = examine(controller, {"xdp": {"interfaces": f"prov0, {SPARE}"}})
            expect(findings, "DHCP server", "ok", f"(process {pid}) is behind the filter")
    finally:
        run(lab, "ip", "link", "del", "spare-br")


def test_ironic_that_fails_or_is_not_complete(
    controller: Controller, ironic: FakeIronic
) -> None:
    findings = examine(controller, {"ironic": {"endpoint_override": "http://127.0.0.1:9"}})
    expect(findings, "Ironic", "problem", "Failed to connect", "config check --connect")
    try:
        ironic.change(faults=[{"match": "/v1/nodes", "status": 403, "times": -1}])
        expect(examine(controller), "Ironic", "problem", "403", "login.md")
    finally:
        ironic.change(clear_faults=True)


def test_a_clock_that_is_off(controller: Controller, ironic: FakeIronic) -> None:
    root = json.dumps({"name": "OpenStack Ironic API", "versions": []})
    try:
        for ahead, outcome, seen in (
            (3600, "problem", "s ahead of this host's"),
            (-60, "warning", "s behind this host's"),
            (2, "ok", "agrees with"),
        ):
            date = email.utils.formatdate(time.time() + ahead, usegmt=True)
            fault = {"match": "^/$", "status": 200, "body": root, "headers": {"Date": date}}
            ironic.change(clear_faults=True, faults=[{**fault, "times": -1}])
            expect(examine(controller), "clock", outcome, seen, "NTP" if outcome != "ok" else "")
    finally:
        ironic.change(clear_faults=True)


def test_a_hosts_directory_that_nobody_reads(controller: Controller, tmp_path: Path) -> None:
    missing = tmp_path / "hosts"
    wanted = {
        "pxe_filter": {"driver": "dnsmasq"},
        "dnsmasq_pxe_filter": {"dhcp_hostsdir": missing},
    }
    expect(examine(controller, wanted), "hosts directory", "problem", "", "mkdir -p")
    missing.mkdir()
    findings = examine(controller, wanted)
    expect(findings, "hosts directory", "ok", "local and writable")
    expect(findings, "dnsmasq", "problem", "nothing is filtered", "--dhcp-hostsdir")


def test_iptables(controller: Controller) -> None:
    wanted = {
        "pxe_filter": {"driver": "iptables"},
        "iptables": {"dnsmasq_interface": "prov0"},
    }
    findings = examine(controller, wanted)
    expect(findings, "iptables", "ok", "backend")
    expect(findings, "relays", "warning", "relay's", "xdp or nftables")
    # A pattern of iptables is no name of an interface.
    wanted["iptables"] = {"dnsmasq_interface": "prov+"}
    expect(examine(controller, wanted), "DHCP server", "ok", "behind the filter on prov0")


def test_raw_sockets_behind_another_driver(
    controller: Controller, lab: Lab, server: contextlib.ExitStack, tmp_path: Path
) -> None:
    """The last row: Kea wants dnsmasq's port."""
    server.close()
    config = tmp_path / "kea.json"
    config.write_text(
        json.dumps(
            {
                "Dhcp4": {
                    "interfaces-config": {"interfaces": [SPARE]},
                    "lease-database": {"type": "memfile", "persist": False},
                    "subnet4": [
                        {
                            "subnet": "198.51.100.0/24",
                            "pools": [{"pool": "198.51.100.50 - 198.51.100.60"}],
                        }
                    ],
                }
            }
        ),
        encoding="ascii",
    )
    log = tmp_path / "kea.log"
    with open(log, "wb") as out:
        kea = lab.popen(
            "spine",
            ["env", f"KEA_PIDFILE_DIR={tmp_path}", f"KEA_LOCKFILE_DIR={tmp_path}",
             "kea-dhcp4", "-c", config],
            stdout=out, stderr=out,
        )
    try:
        findings: Findings = []

        def seen() -> bool:
            findings[:] = examine(
                controller,
                {"pxe_filter": {"driver": "nftables"}, "nftables": {"interfaces": SPARE}},
            )
            return any("raw sockets" in finding["seen"] for finding in findings)

        assert wait_for(seen, 60), json.dumps(findings) + log.read_text(encoding="utf-8")
        expect(findings, "DHCP server", "problem", "reads raw sockets", "driver = xdp")
        expect(findings, "nftables", "ok", "the kernel takes the table")
        findings = examine(controller, {"xdp": {"interfaces": f"prov0, {SPARE}"}})
        expect(findings, "DHCP server", "ok", '"kea-dhcp4"')
    finally:
        kea.kill()
        kea.wait()
