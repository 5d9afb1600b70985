# SPDX-License-Identifier: Apache-2.0
"""The unit of systemd: what it is rated, and the controller under exactly its
user, capabilities and filters, with what the generator adds for each driver.
No systemd runs for that."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from as_unit import Unit
from conformance import VARIANTS, Variant
from conformance_play import environment, sections
from lab import Lab, wait_for
from subject import BINARY, PATIENCE, ROOT, Controller, FakeIronic, as_config

GENERATOR = Path(BINARY).with_name("pxegate-generator")
SOURCE = ROOT / "cmake" / "package"
UID = 64321  # of nobody
ALLOWED, DENIED = "flat1", "flat2"
OURS = [each for each in VARIANTS if each.driver != "tor_switch"]
CAPABILITIES = {  # capabilities(7)
    "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39,
}


def run(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(each) for each in command], capture_output=True, text=True,
                          check=False, timeout=PATIENCE, **options)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, as it is installed in /usr."""
    made = tmp_path / "pxegate.service"
    made.write_text((SOURCE / "pxegate.service.in").read_text().replace("@bindir@", "/usr/bin"))
    return made


def drop_in(folder: Path, config: str, **expected: str) -> Path:
    """What the generator makes for a configuration."""
    file = folder / "generator.conf"
    file.write_text(config)
    out = folder / "generated"
    shutil.rmtree(out, ignore_errors=True)
    done = run(GENERATOR, out, out, out, env={"PXEGATE_CONFIG_FILE": str(file), **expected})
    assert done.returncode == 0, done.stderr
    return out / "pxegate.service.d" / "50-driver.conf"


# --- the unit


@pytest.mark.parametrize("driver", ["xdp", "nftables", "iptables", "dnsmasq", "noop"])
def test_its_exposure_is_below_two(tmp_path, unit, driver):
    made = drop_in(tmp_path, f"[pxe_filter]\ndriver = {driver}\n")
    folder = tmp_path / "pxegate.service.d"
    folder.mkdir()
    shutil.copy(made, folder)
    # systemd-analyze takes the drop-in of a unit that is given as a path from
    # nowhere, so they are one file.
    whole = tmp_path / "whole" / "pxegate.service"
    whole.parent.mkdir()
    whole.write_text(unit.read_text().replace("[Install]", made.read_text() + "[Install]"))
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", whole)
    level = re.search(r"Overall exposure level for pxegate.service: ([\d.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    print(f"{driver}: {level[1]}")
    assert float(level[1]) < 2.0, done.stdout


def test_as_installed_it_is_for_xdp(tmp_path, unit):
    """And says of that what the generator would."""
    said = Unit(drop_in(tmp_path, "[pxe_filter]\ndriver = xdp\n[xdp]\ninterfaces = eth1\n"))
    has = Unit(unit)
    for key in ("CapabilityBoundingSet", "AmbientCapabilities", "ExecStartPre",
                "ReadWritePaths", "SystemCallFilter"):
        assert has.all(key) == said.all(key), key


def root_with(tmp_path: Path, unit: Path) -> Path:
    """A root for systemd-analyze verify, with our unit and a DHCP server's."""
    root = tmp_path / "root"
    units = root / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(unit, units)
    for program in ("usr/bin/pxegate", "usr/sbin/dnsmasq", "bin/kill", "bin/chmod",
                    "bin/chown", "bin/systemctl", "bin/sh"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/true", root / program)
    (units / "dnsmasq.service").write_text(
        "[Unit]\nDescription=a DHCP server\n[Service]\nExecStart=/usr/sbin/dnsmasq -k\n"
        "[Install]\nWantedBy=multi-user.target\n")
    for name in ("sysinit", "basic", "shutdown", "network-online", "multi-user"):
        (units / f"{name}.target").write_text(
            f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
    return root


def verify(root: Path, name: str) -> str:
    done = run("systemd-analyze", "verify", f"--root={root}", "--man=no", name)
    return done.stdout + done.stderr + (f"exit {done.returncode}" if done.returncode else "")


def test_systemd_finds_nothing_wrong_with_it(tmp_path, unit):
    root = root_with(tmp_path, unit)
    assert verify(root, "pxegate.service") == ""
    installed = root / "usr/lib/systemd/system/pxegate.service"
    installed.write_text(installed.read_text() + "[Service]\nNonsense=1\n")
    assert "Nonsense" in verify(root, "pxegate.service")


@pytest.mark.parametrize("name", ["behind-pxegate.conf", "with-pxegate.conf"])
def test_systemd_finds_nothing_wrong_with_a_dhcp_server_behind_it(tmp_path, unit, name):
    root = root_with(tmp_path, unit)
    folder = root / "etc/systemd/system/dnsmasq.service.d"
    folder.mkdir(parents=True)
    shutil.copy(SOURCE / name, folder)
    assert verify(root, "dnsmasq.service") == ""
    has = Unit(SOURCE / name)
    assert has.all("After") == ["pxegate.service"]
    # Stopped with it, or not started without it.
    assert has.all("BindsTo") or has.commands("ExecStartPre") == [
        ["/bin/systemctl", "--quiet", "is-active", "pxegate.service"]]


# --- the generator


def test_without_a_configuration_it_makes_nothing(tmp_path):
    out = tmp_path / "out"
    done = run(GENERATOR, out, out, out, env={"PXEGATE_CONFIG_FILE": str(tmp_path / "none")})
    assert (done.returncode, out.exists()) == (0, False)


@pytest.mark.parametrize("config", ["[pxe_filter\n", "driver = xdp", "\0\xff[", "[xdp]\nmode = 7\n",
                                    "[pxe_filter]\ndriver = vendor's own\n"])
def test_it_never_fails(tmp_path, config):
    made = drop_in(tmp_path, config)
    assert "CAP_SYS" not in (made.read_text() if made.exists() else "")


def test_it_survives_a_folder_that_it_cannot_write(tmp_path):
    (tmp_path / "pxegate.conf").write_text("[pxe_filter]\ndriver = noop\n")
    (tmp_path / "file").touch()
    done = run(GENERATOR, tmp_path / "file", env={
        "PXEGATE_CONFIG_FILE": str(tmp_path / "pxegate.conf")})
    assert done.returncode == 0


def test_paths_of_the_configuration_are_words_of_the_unit(tmp_path):
    made = Unit(drop_in(tmp_path, "[DEFAULT]\nlog_file = /srv/my logs/%x.log\n"
                        "[pxe_filter]\ndriver = dnsmasq\n[dnsmasq_pxe_filter]\n"
                        "dhcp_hostsdir = /srv/a \"b\" 100%/h$$x\n"))
    assert made.commands("ExecStartPre")[0][-1] == '/srv/a "b" 100%/h$x'
    assert '"-/srv/my logs"' in made.all("ReadWritePaths")


OPTIONS = {"xdp": ("xdp", "pin_path"), "dnsmasq": ("dnsmasq_pxe_filter", "dhcp_hostsdir")}


def prepared(tmp_path: Path, driver: str, path: str | Path) -> list[list[str]]:
    """What root runs before the service, for a directory that is configured."""
    section, option = OPTIONS[driver]
    return Unit(drop_in(tmp_path, f"[pxe_filter]\ndriver = {driver}\n"
                        f"[{section}]\n{option} = {path}\n")).commands("ExecStartPre")


def prepare(tmp_path: Path, path: str | Path) -> None:
    """As the unit does for the driver dnsmasq."""
    commands = prepared(tmp_path, "dnsmasq", path)
    assert commands
    for command in commands:
        done = run("unshare", "--mount", "/usr/bin/python3", "-B", "-c",
                   "import os, sys, as_unit\n"
                   f"as_unit.name_the_user('pxegate', {UID})\n"
                   "os.umask(0o077)\n"
                   "os.execv(sys.argv[1], sys.argv[1:])", *command,
                   env={**os.environ, "PYTHONPATH": str(ROOT / "tests/e2e")})
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("driver", "path"),
    [("xdp", "/"), ("xdp", "/etc"), ("xdp", "/sys/fs/bpf"), ("xdp", "/sys/fs/bpf/."),
     ("xdp", "/sys/fs/bpf/../../../etc/ssh"), ("xdp", "/sys/fs/bpfother/pins"),
     ("dnsmasq", "/"), ("dnsmasq", "/etc/"), ("dnsmasq", "/srv/../etc")],
)
def test_what_is_the_systems_is_not_given_away(tmp_path, driver, path):
    given = [each for each in prepared(tmp_path, driver, path) if each[0] != "/bin/chmod"]
    assert given == []


@pytest.mark.skipif(os.geteuid() != 0, reason="chown needs root")
@pytest.mark.parametrize("written", ["{}", "{}/", "{}/.", "{}/../hosts"])
def test_no_symbolic_link_is_followed(tmp_path, written):
    """Who owns the directory above puts one there, to be given what it leads to."""
    secret, service = tmp_path / "secret", tmp_path / "service"
    secret.mkdir(mode=0o700)
    service.mkdir()
    (service / "hosts").symlink_to(secret)
    os.chown(service, UID, UID)
    prepare(tmp_path, written.format(service / "hosts"))
    status = secret.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o700)
    # Without the link, it is made, and given.
    (service / "hosts").unlink()
    made = service / "new" / "hosts"
    prepare(tmp_path, made)
    assert (made.stat().st_uid, made.stat().st_mode & 0o777) == (UID, 0o755)
    # Whoever reads it has to get there.
    assert made.parent.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("driver", ["xdp", "nftables", "iptables", "dnsmasq", "noop"])
def test_it_cannot_write_into_another_process(tmp_path, driver):
    """Not even with dnsmasq's CAP_SYS_PTRACE, which would let it into root's."""
    allowed = Unit(drop_in(tmp_path, f"[pxe_filter]\ndriver = {driver}\n")).system_calls()
    assert "read" in allowed
    assert not allowed & {"ptrace", "process_vm_readv", "process_vm_writev"}


def test_a_driver_of_others_gets_no_privilege(tmp_path):
    made = Unit(drop_in(tmp_path, "[pxe_filter]\ndriver = tor_switch\n"))
    assert made.capabilities == set()


def test_the_dispatcher_is_of_libxdp_and_needs_more(tmp_path):
    made = Unit(drop_in(tmp_path, "[pxe_filter]\ndriver = xdp\n[xdp]\nattach = dispatcher\n"))
    assert made.capabilities == {"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", "CAP_SYS_ADMIN"}
    assert made.last("User") == "root"


@pytest.mark.parametrize("driver", ["xdp", "nftables", "iptables", "dnsmasq", "noop"])
def test_the_drivers_documents_name_what_they_are_given(tmp_path, driver):
    given = Unit(drop_in(tmp_path, f"[pxe_filter]\ndriver = {driver}\n")).capabilities
    text = (ROOT / "drivers" / driver / "README.md").read_text()
    named = set(re.findall(r"\bCAP_[A-Z_]+\b", text))
    assert given == named - ({"CAP_SYS_ADMIN"} if driver == "xdp" else set())


# --- the controller under it


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as made:
        made.add(ALLOWED, lab.mac(ALLOWED), state="inspect wait")
        made.add(DENIED, lab.mac(DENIED), state="active")
        yield made


def capability_mask(names: set[str]) -> int:
    return sum(1 << CAPABILITIES[name] for name in names)


def process_status(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


class Service:
    """A controller in the lab's spine, started as the unit starts it."""

    def __init__(self, lab: Lab, ironic: FakeIronic, variant: Variant, folder: Path,
                 unit: Path) -> None:
        self.lab = lab
        # As /run/pxegate is the service's.
        self.runtime = lab.state_dir / "run"
        self.runtime.mkdir(exist_ok=True)
        os.chown(self.runtime, UID, UID)
        self.controller = Controller(lab)
        self.controller.env = environment(lab, variant)
        base = sections(lab, ironic, variant.driver)
        # Each driver has what it needs, and not what the others do.
        self.controller.set_defaults({**base, "api": {"socket": self.runtime / "pxegate.sock"}})
        self.controller.configure({})
        self.controller.socket = self.runtime / "pxegate.sock"
        os.chown(self.controller.config, 0, UID)
        self.unit = unit
        self.drop_in = drop_in(folder, as_config(self.controller.sections))

    @property
    def parsed(self) -> Unit:
        return Unit(self.unit, self.drop_in)

    def start(self) -> None:
        self.controller.start("/usr/bin/python3", "-B", ROOT / "tests/e2e/as_unit.py",
                              "--uid", str(UID), "--drop-in", self.drop_in, self.unit)
        self.controller.wait_synced()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.controller.kill()
        self.controller.cli("teardown", check=False)
        # Of root again, as the lab has it.
        if self.lab.hostsdir.exists():
            os.chown(self.lab.hostsdir, 0, 0)
        if (lock := Path("/run/xtables.lock")).exists():
            os.chown(lock, 0, 0)
            lock.chmod(0o600)
        shutil.rmtree(self.runtime, ignore_errors=True)
        if self.lab.pin_path.exists():
            self.lab.pin_path.rmdir()


@pytest.mark.parametrize("variant", OURS, ids=lambda each: each.title)
def test_it_filters_with_what_the_unit_gives_it(lab, ironic, variant, tmp_path, unit):
    filters = variant.driver != "noop"
    with Service(lab, ironic, variant, tmp_path, unit) as service:
        controller = service.controller
        service.start()
        has = process_status(controller.process.pid)
        expected = capability_mask(service.parsed.capabilities)
        for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
            assert int(has[name], 16) == expected, name
        assert set(has["Uid"].split()) == {str(UID)} and has["Groups"].strip() == ""
        assert (has["NoNewPrivs"].strip(), has["Seccomp"].strip()) == ("1", "2")

        assert lab.ask(ALLOWED, 10) is not None
        assert (lab.ask(DENIED) is None) == filters
        ironic.set_state(DENIED, "inspect wait")
        assert controller.cli("sync").returncode == 0
        assert lab.ask(DENIED, 10) is not None
        ironic.set_state(DENIED, "active")
        assert controller.cli("sync").returncode == 0
        assert (lab.ask(DENIED) is None) == filters
        status = controller.status()
        assert status["healthy"], status
        # dnsmasq's queue, with CAP_SYS_PTRACE.
        assert "may not be looked at" not in json.dumps(status)
        # The group may ask, and nobody else.
        assert oct(controller.socket.stat().st_mode & 0o777) == "0o660"

        assert controller.stop() == 0
        assert (lab.ask(DENIED) is None) == filters
        service.start()
        assert (lab.ask(DENIED) is None) == filters
        # It removes with its rights what it has made with them.
        controller.cli("teardown")
        assert controller.wait() == 0
        assert lab.ask(DENIED, 10) is not None
        assert not re.search(r" (ERROR|error) ", controller.log()), controller.log()


def test_another_driver_that_needs_more_is_refused_with_the_command(
    lab, ironic, tmp_path, unit
):
    nftables = next(each for each in OURS if each.driver == "nftables")
    with Service(lab, ironic, nftables, tmp_path, unit) as service:
        service.start()
        controller = service.controller
        base = controller.sections["pxe_filter"]
        said = controller.reload({"pxe_filter": {**base, "driver": "xdp"}}, "daemon-reload")
        assert "driver xdp needs CAP_BPF and CAP_PERFMON" in said
        assert "`systemctl daemon-reload && systemctl restart pxegate`" in said
        assert controller.status()["driver"]["name"] == "nftables"
        assert lab.ask(DENIED) is None
        controller.configure({})
