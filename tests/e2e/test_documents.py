# SPDX-License-Identifier: Apache-2.0
"""What the documents say is so: each command in them is run, in the order of the
document, configurations load, links lead somewhere, figures are those of their source.

A document's commands are run as root in the network of the lab's spine, whose NIC has
the documents' name, with a fake Ironic at the documents' address and a dnsmasq behind
the filter. pxegate is installed there as in a system of its own: /etc, /usr, /var and
/run are overlays that are thrown away. No systemd runs: `systemctl` is a script that starts
what the installed unit's ExecStart says (tests/e2e/test_service.py and
test_package.py have the unit itself).
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from documents import (
    SHELL,
    Block,
    anchors,
    blocks,
    column,
    commands,
    documents,
    links,
    rows,
    spans,
)
from probe import Probe
from subject import BINARY, PATIENCE, ROOT, FakeIronic, Lab, wait_for

BUILD = Path(BINARY).parent
NIC, IRONIC = "ens1f0", "192.0.2.1:6385"
INSPECTED = "52:54:00:12:34:56"  # the documents' machine
CONFIG = Path("/etc/pxegate/pxegate.conf")
OTHER_UNITS = ("dnsmasq", "ironic-inspector", "ironic-pxe-filter")

# --- what cannot be run here as it stands, and what runs it instead

PACKAGE = "makes and installs packages: e2e_package does, on a Debian of its own"
BUILDS = "is how the program came about that is tried here"
WHOLE = "runs every test there is, this one too"
MINUTES = "takes minutes: "
UPGRADE = "sudo apt install ./build/package/pxegate_*.deb"
BROKER = "e2e_notifications gives a real RabbitMQ these very permissions"
NOT_RUN: dict[str, dict[str, str]] = {
    "README.md": {
        "sudo scripts/demo": MINUTES + "CI runs it by itself",
        "sudo scripts/test": WHOLE,
        "sudo scripts/packages build package": PACKAGE,
        "scripts/package": PACKAGE,
        UPGRADE: PACKAGE,
    },
    "CONTRIBUTING.md": {
        "sudo scripts/packages": PACKAGE,
        "cmake --preset debug": BUILDS,
        "cmake --build --preset debug": BUILDS,
        "ctest --preset debug -L unit": WHOLE,
        "sudo ctest --preset debug": WHOLE,
        "sudo scripts/conformance --driver NAME --plugin-dir DIR --option NAME.KEY=VALUE":
            "has placeholders; e2e_conformance does that with the example",
        "PXEGATE_DIFFERENTIAL_PACKETS=10000000 build/release/tests/bpf_differential_test":
            MINUTES + "bpf_differential_test, with fewer packets",
    },
    "docs/benchmarks.md": {
        "cmake --preset release && cmake --build --preset release --target packet_benches":
            BUILDS,
        "sudo tests/bench/packet/write_docs": MINUTES + "bench-smoke has it small",
        "cmake --preset release && cmake --build --preset release --target pxegate": BUILDS,
        "sudo tests/bench/ironic/write_docs": MINUTES + "bench-smoke has it small",
    },
    "docs/firmware.md": {
        "sudo scripts/firmware": MINUTES + "e2e_firmware",
        "sudo ctest --preset release -L firmware": MINUTES + "e2e_firmware",
        "sudo scripts/lab up": "e2e_lab and e2e_firmware do, with labs of their own",
        "sudo scripts/lab boot leaf1n1 uefi": MINUTES + "e2e_firmware",
        "tail -f build/lab/lab/log/leaf1n1.console.log": MINUTES + "e2e_firmware",
        "sudo scripts/lab unplug leaf1n1": MINUTES + "e2e_firmware",
    },
    "docs/login.md": {
        "openstack role add --user pxegate --user-domain Default --system all reader":
            "needs a Keystone: e2e_keystone gives roles and tries them",
    },
    "docs/notifications.md": {
        "rabbitmqctl add_user pxegate …": BROKER,
        "rabbitmqctl set_permissions pxegate '^pxegate\\.' '^pxegate\\.' "
        "'^(pxegate\\..*|ironic)$'": BROKER,
    },
    "docs/operator-guide.md": {
        "sudo scripts/packages build package": PACKAGE,
        "scripts/package": PACKAGE,
        UPGRADE: PACKAGE,
        "sudo scripts/packages build": PACKAGE,
        "cmake --preset release -DPXEGATE_TESTS=OFF": BUILDS,
        "cmake --build --preset release": BUILDS,
        "sudo cmake --install build/release": "was done, from the folder that is tested",
        "sudo apt purge pxegate": PACKAGE,
    },
    "drivers/example/README.md": {
        each: "docs/writing-a-driver.md has it too, for a copy of the folder"
        for each in (
            "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr",
            "cmake --build build",
            "sudo cmake --install build",
        )
    },
    "vagrant/README.md": {
        each: "needs a hypervisor: e2e_vagrant checks the files and scripts behind it"
        for each in (
            "sudo apt install vagrant vagrant-libvirt",
            "vagrant/demo",
            "vagrant up",
            "vagrant up leaf1n1",
            "vagrant ssh spine -c 'sudo pxegate clients'",
            "PXEGATE_DRIVER=iptables vagrant provision spine",
            "PXEGATE_DRIVER=iptables ./demo",
            "vagrant destroy -f",
        )
    },
}
# Documents in which an indented block is no command.
NO_COMMANDS = {"tests/captures/README.md"}
# Go on until somebody ends them.
LIVE = re.compile(r" (--follow|--watch|run|top)\b")

# --- what the blocks of configurations lack

DEFAULT = f"""\
[pxe_filter]
driver = xdp
[ironic]
endpoint_override = http://{IRONIC}
[xdp]
interfaces = {NIC}
"""
CLOUDS = """\
clouds:
  mycloud:
    auth: {auth_url: 'https://192.0.2.1:5000', username: pxegate, password: x,
           user_domain_name: Default}
"""
CATALOG = """\
[service_catalog]
auth_type = password
auth_url = https://192.0.2.1:5000
username = pxegate
user_domain_name = Default
password = x
system_scope = all
"""
# What `config check` may say of a block, by its mark.
WARNED = {
    "old": r"\[ironic\] endpoint_override: not set|\[xdp\] interfaces",
}

ALL = documents(ROOT)


@functools.cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands_of(name: str) -> list[str]:
    if name in NO_COMMANDS:
        return []
    return [each for block in blocks(text_of(name)) if block.language == SHELL
            for each in commands(block)]


# --- a system to run them in

SYSTEM = """
set -e
mount -t tmpfs none "$1"
for folder in /etc /usr /var /run "$3"; do
  layer=$1/$(echo "$folder" | tr / _)
  mkdir -p "$layer/upper" "$layer/work" "$2/$folder"
  mount -t overlay overlay "$folder" \
    -o "lowerdir=$2/$folder:$folder,upperdir=$layer/upper,workdir=$layer/work"
done
mount -t tmpfs none /tmp
mount -t bpf none /sys/fs/bpf
echo ready
exec sleep infinity
"""
SUDO = '#!/bin/sh\nexec env "$@"\n'
SYSTEMCTL = f"""\
#!/bin/bash
# Of systemd what the documents ask of it, for one unit.
pid_file=/run/pxegate.pid
unit=/usr/lib/systemd/system/pxegate.service
words=()
for word in "$@"; do
  [[ $word == --now ]] && now=1 || words+=("${{word%.service}}")
done
main() {{ [[ -s $pid_file ]] && cat "$pid_file"; }}
stop() {{
  local pid; pid=$(main) || return 0
  kill -TERM "$pid"
  for ((i = 0; i < {PATIENCE * 10}; i++)); do
    [[ -d /proc/$pid && $(ps -o stat= -p "$pid") != Z* ]] || break
    sleep 0.1
  done
  rm -f "$pid_file"
}}
start() {{
  main > /dev/null && return
  mkdir -p /run/pxegate
  # shellcheck disable=SC2046
  setsid $(sed -n 's/^ExecStart=//p' "$unit") < /dev/null >> /var/log/pxegate.log 2>&1 &
  echo $! > "$pid_file"
  for ((i = 0; i < {PATIENCE * 5}; i++)); do
    pxegate status > /dev/null 2>&1 && return
    kill -0 $! 2> /dev/null || break
    sleep 0.2
  done
  cat /var/log/pxegate.log >&2
  return 1
}}
verb=${{words[0]}} name=${{words[1]}}
[[ $verb == daemon-reload ]] && exit 0
case " {' '.join(OTHER_UNITS)} " in *" $name "*) exit 0 ;; esac
[[ $name == pxegate && -f $unit ]] || {{ echo "no unit $name" >&2; exit 5; }}
case $verb in
  enable) [[ -z $now ]] || start ;;
  disable) [[ -z $now ]] || stop ;;
  start | stop) "$verb" ;;
  restart) stop; start ;;
  reload) kill -HUP "$(main)" ;;
  *) echo "unknown verb $verb" >&2; exit 1 ;;
esac
"""


class System:
    """Where the commands of a document are run, one after the other."""

    def __init__(self, lab: Lab, image: Path, folder: Path) -> None:
        self._process = lab.popen(
            "spine",
            ["setpriv", "--pdeathsig", "KILL",
             "unshare", "--mount", "sh", "-c", SYSTEM, "sh", folder, image, ROOT],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        )
        assert self._process.stdout.readline() == "ready\n"
        self._cwd = str(ROOT)

    def __enter__(self) -> System:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            self.run("systemctl stop pxegate; pxegate teardown")
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """As typed at a shell's prompt. What goes on for ever is interrupted, soon, or
        later where it has said nothing yet."""
        for seconds in (2, 10, PATIENCE) if LIVE.search(command) else (0,):
            done = self._run(command, seconds)
            if done.stdout.strip():
                break
        return done

    def _run(self, command: str, seconds: int) -> subprocess.CompletedProcess[str]:
        live = ["timeout", "--signal=INT", "--kill-after=20", str(seconds)] if seconds else []
        env = {**os.environ, "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
               "HOME": "/root", "TERM": "dumb"}
        done = subprocess.run(
            [
                *("nsenter", f"--target={self._process.pid}", "--mount", "--net"), *live,
                *("bash", "-o", "pipefail", "-c",
                  'cd "$1" && eval "$2"; status=$?; pwd > "$3"; exit $status',
                  "bash", self._cwd, command, "/run/documents.cwd"),
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=env,
            timeout=4 * PATIENCE,
        )
        if live:
            assert done.returncode in (0, 124, 130), done
        else:
            self._cwd = self.read("/run/documents.cwd").strip()
        return done

    def read(self, path: str) -> str:
        return Path(f"/proc/{self._process.pid}/root{path}").read_text(encoding="utf-8")

    def write(self, path: Path, text: str, append: bool = False) -> None:
        # By a process in there: a path through /proc would be resolved here where
        # it is a symbolic link.
        to = ">>" if append else ">"
        done = subprocess.run(
            [
                *("nsenter", f"--target={self._process.pid}", "--mount", "--"),
                *("sh", "-c", f'mkdir -p "${{1%/*}}" && cat {to} "$1" && chmod 0640 "$1"'),
                *("sh", path),
            ],
            input=text, text=True, capture_output=True, check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cmake --install` makes, as a system has it, and stand-ins for sudo,
    sudoedit (the test writes the file) and systemctl."""
    made = tmp_path_factory.mktemp("image")
    done = subprocess.run(
        ["cmake", "--install", str(BUILD), "--prefix", "/usr", "--strip"],
        env={**os.environ, "DESTDIR": str(made)}, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    shims = made / "usr" / "local" / "sbin"  # comes first in PATH
    shims.mkdir(parents=True)
    for name, content in (
        ("sudo", SUDO), ("systemctl", SYSTEMCTL), ("sudoedit", "#!/bin/sh\n")
    ):
        (shims / name).write_text(content, encoding="utf-8")
        (shims / name).chmod(0o755)
    return made


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The spine as the documents have it; two machines ask for addresses."""
    folder = tmp_path_factory.mktemp("site")
    inspected, active, other = "flat1", "flat2", "flat3"
    lab.dhcp("stop")
    lab.exec(inspected, ["ip", "link", "set", "eth0", "down"])
    lab.exec(inspected, ["ip", "link", "set", "eth0", "address", INSPECTED])
    lab.exec(inspected, ["ip", "link", "set", "eth0", "up"])
    for command in ("set prov0 down", f"set prov0 name {NIC}", f"set {NIC} up"):
        lab.exec("spine", ["ip", "link", *command.split()])
    server = lab.popen(
        "spine",
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0"),
            *("--user=root", f"--interface={NIC}", "--bind-interfaces"),
            f"--dhcp-leasefile={folder}/leases", "--dhcp-range=192.0.2.50,192.0.2.60",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    ironic = FakeIronic(lab, address=IRONIC)
    try:
        with ironic, Probe(lab, active, interval=0.3), Probe(lab, other, interval=0.3):
            ironic.add("m1", INSPECTED, state="inspect wait")
            ironic.add("m2", lab.mac(active))
            listening = lambda: f"pid={server.pid}," in lab.exec(  # noqa: E731
                "spine", ["ss", "-lunp"]).stdout
            assert wait_for(listening, PATIENCE)
            yield lab
    finally:
        server.kill()
        server.wait()


# --- commands


@pytest.mark.parametrize("name", [each for each in ALL
                                  if set(commands_of(each)) - set(NOT_RUN.get(each, {}))])
def test_each_command_is_run(name: str, site: Lab, image: Path, tmp_path: Path) -> None:
    skipped = NOT_RUN.get(name, {})
    edited = None  # the file that the next configuration is for
    with System(site, image, tmp_path) as system:
        system.write(CONFIG, DEFAULT)
        if "systemctl enable" not in text_of(name):
            assert system.run("systemctl start pxegate").returncode == 0
        for block in blocks(text_of(name)):
            if block.language == "ini":
                if edited or block.mark.startswith("/"):
                    system.write(edited or Path(block.mark), block.text)
                elif block.mark.startswith("added to "):
                    system.write(Path(block.mark.removeprefix("added to ")),
                                 block.text, append=True)
                edited = None
            if block.language != SHELL:
                continue
            for command in commands(block):
                if command in skipped:
                    continue
                done = system.run(command)
                said = f"{name}:{block.line}: {command}\n{done.stdout}\n{done.stderr}"
                if LIVE.search(command):
                    assert done.stdout.strip(), said
                else:
                    assert done.returncode == 0, f"{said}\nexit status {done.returncode}"
                edit = re.fullmatch(r"sudoedit (\S+)", command)
                edited = Path(edit[1]) if edit else edited


def test_what_is_not_run_stands_in_a_document() -> None:
    stale = {(name, command) for name, table in NOT_RUN.items() for command in table
             if name not in ALL or command not in commands_of(name)}
    assert not stale


@functools.cache
def help_of(*words: str) -> str:
    done = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True,
                          check=False)
    return done.stdout if done.returncode == 0 else ""


@pytest.mark.parametrize("name", ALL)
def test_commands_in_the_prose_exist(name: str) -> None:
    """Each word of them, up to an argument."""
    for span in spans(text_of(name)):
        command = re.match(r"(?:sudo )?pxegate ([a-z].*)", span)
        if not command:
            continue
        words = command[1].split()
        path = []
        while words and re.search(rf"^  {words[0]}\b", help_of(*path), re.MULTILINE):
            path.append(words.pop(0))
        assert path, f"{name}: {span}"
        for option in (each for each in words if each.startswith("-")):
            told = help_of(*path) + help_of()
            assert re.search(rf"(^|[\s,]){option}\b", told, re.MULTILINE), f"{name}: {span}"


# --- the other blocks


def check(system_dir: Path, block: Block) -> subprocess.CompletedProcess[str]:
    """`config check` of a block, with what it leaves to others before it."""
    files = []
    texts = [block.text]
    if block.mark == "inspector" or "[ironic]" not in block.text and block.mark != "old":
        texts.insert(0, DEFAULT)
    if "auth_section" in block.text:
        texts.insert(0, CATALOG)
    if not re.search(r"^driver *=", "".join(texts), re.MULTILINE) and block.mark != "old":
        texts.insert(0, f"[pxe_filter]\ndriver = xdp\n[xdp]\ninterfaces = {NIC}\n")
    for text in texts:
        # A plugin is there only where the commands are run.
        text = text.replace("driver = tor_switch\n", "driver = xdp\n")
        file = system_dir / f"{len(files)}.conf"
        file.write_text(text, encoding="utf-8")
        file.chmod(0o640)
        files += ["--config-file", str(file)]
    clouds = system_dir / "clouds.yaml"
    clouds.write_text(CLOUDS, encoding="utf-8")
    clouds.chmod(0o640)
    env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(clouds)}
    return subprocess.run([BINARY, *files, "config", "check"], capture_output=True, text=True,
                          check=False, env=env)


@pytest.mark.parametrize("name", [each for each in ALL if each not in NO_COMMANDS])
def test_blocks_are_what_they_are_called(name: str, tmp_path: Path) -> None:
    for block in blocks(text_of(name)):
        where = f"{name}:{block.line}"
        if block.language == "ini":
            done = check(tmp_path, block)
            assert done.returncode == 0, f"{where}: {done.stdout}{done.stderr}"
            kind = "old" if block.mark.startswith("/") else block.mark
            for warning in done.stderr.splitlines():
                assert re.search(WARNED.get(kind, r"$^"), warning), f"{where}: {warning}"
        elif block.language == "yaml":
            assert yaml.safe_load(block.text), where
        elif block.language == "json":
            assert json.loads(block.text), where
        elif block.language == "cmake":
            example = text_of("drivers/example/CMakeLists.txt").splitlines()
            assert set(block.text.splitlines()) <= set(example), where
        else:
            assert block.language in ("", SHELL), f"{where}: what is {block.language}?"


# --- links and figures


@pytest.mark.parametrize("name", ALL)
def test_links_lead_somewhere(name: str) -> None:
    for link in links(text_of(name)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{name}: {link}"


def test_every_guide_is_reached_from_the_readme() -> None:
    reached = {os.path.normpath(link.partition("#")[0]) for link in links(text_of("README.md"))}
    assert {each for each in ALL if each.startswith("docs/")} <= reached


@pytest.mark.parametrize("name", ALL)
def test_rows_that_are_taken_from_another_document_are_there(name: str) -> None:
    for mark, cells in rows(text_of(name)):
        if mark.startswith("rows of ") and not set("".join(cells)) <= set("-: "):
            source = (ROOT / name).parent / mark.removeprefix("rows of ")
            there = [row for _, row in rows(source.read_text(encoding="utf-8"))]
            assert cells in there or cells == ["measured", ""], f"{name}: {cells}"


@pytest.mark.parametrize("driver,synced,flooded", [
    ("xdp", "xdp", "pxegate, xdp | 10,000"),
    ("nftables", "nftables", "pxegate, nftables | 10,000"),
    ("iptables", "iptables (nft)", "pxegate, iptables (nft) | 10,000"),
    ("dnsmasq", "dnsmasq", "pxegate, dnsmasq | 10,000"),
])
def test_the_guides_choice_of_drivers_has_the_measured_figures(
    driver: str, synced: str, flooded: str
) -> None:
    [row] = [cells for _, cells in rows(text_of("docs/operator-guide.md"))
             if len(cells) == 5 and cells[0] == f"`{driver}`"]
    assert row[3] == column(text_of("docs/drivers.md"), "change 10,000", synced)
    assert row[4] == column(text_of("docs/benchmarks.md"), "of the quiet server's", flooded)
