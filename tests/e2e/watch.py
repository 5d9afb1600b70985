# SPDX-License-Identifier: Apache-2.0
"""What the kernel enforces, read by other means than pxegate's: the maps that the
XDP program reads, mapped into this process and looked at about a thousand times a
second. The layout is that of bpf/pxe_filter_abi.h.

    with PolicyWatch(lab.pin_path / "maps") as watch:
        watch.forbid(mac)
        ...
    assert not watch.wrong
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SYS_BPF = {"x86_64": 321, "aarch64": 280}
_BPF_OBJ_GET = 7
_BPF_OBJ_GET_INFO_BY_FD = 15

_ABI_VERSION = 2
_BUCKET_BYTES = 64
_SLOT_SHIFT = 16
_SLOT_RULE = 0x1
_SLOT_ALLOW = 0x2
_SLOT_OVERFLOW = 0x8000
_SLOT_FLAGS = 0xFFFF
_ALLOW = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    done = _libc.syscall(_SYS_BPF[platform.machine()], command, buffer, 128)
    if done < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf({command}): {os.strerror(error)}")
    return done


def _map_array(pin: Path, value_size: int) -> mmap.mmap:
    """A pinned array map as memory."""
    path = ctypes.create_string_buffer(os.fsencode(pin))
    fd = _bpf(_BPF_OBJ_GET, struct.pack("QII", ctypes.addressof(path), 0, 0))
    try:
        info = ctypes.create_string_buffer(80)
        where = struct.pack("IIQ", fd, len(info), ctypes.addressof(info))
        _bpf(_BPF_OBJ_GET_INFO_BY_FD, where)
        _, _, _, size, entries = struct.unpack_from("5I", info.raw)
        assert size == value_size, f"{pin}: values of {size} bytes"
        return mmap.mmap(fd, size * entries, mmap.MAP_SHARED, mmap.PROT_READ)
    finally:
        os.close(fd)


@dataclass(frozen=True)
class State:
    """The policy at one moment."""

    rules: dict[str, bool]  # by address: whether it is allowed
    unknown: bool
    lease_until: float  # seconds of CLOCK_MONOTONIC; 0: for ever

    def allows(self, mac: str) -> bool:
        return self.rules.get(mac, self.unknown)


class KernelPolicy:
    """The pinned maps of a filter, below `maps`; they must not be replaced."""

    _SETTINGS = struct.Struct("=IBBBBQQQ")

    def __init__(self, maps: Path) -> None:
        self._rules = _map_array(maps / "rules", _BUCKET_BYTES)
        self._settings = _map_array(maps / "settings", self._SETTINGS.size)

    def close(self) -> None:
        self._rules.close()
        self._settings.close()

    def raw(self) -> tuple[bytes, bytes]:
        """Rules and settings that held together: a change takes effect in steps."""
        while True:
            settings = self._settings[: self._SETTINGS.size]
            rules = self._rules[:]
            # The lease, which is renewed all the time, makes no difference.
            if self._settings[:8] == settings[:8]:
                return rules, settings

    def read(self) -> State:
        return self.decode(*self.raw())

    def decode(self, rules: bytes, settings: bytes) -> State:
        version, unknown, _, _, _, lease, _, _ = self._SETTINGS.unpack(settings)
        assert version == _ABI_VERSION, f"layout {version}"
        found = {}
        for (slot,) in struct.iter_unpack("=Q", rules):
            assert not slot & _SLOT_OVERFLOW, "rules are in more_rules, too"
            if not slot:
                continue
            mac = (slot >> _SLOT_SHIFT).to_bytes(6, "big").hex(":")
            found[mac] = slot & _SLOT_FLAGS == _SLOT_RULE | _SLOT_ALLOW
        return State(found, unknown == _ALLOW, lease / 1e9)


class PolicyWatch:
    """Compares, from entering to leaving, what is enforced with what may be."""

    def __init__(self, maps: Path, interval: float = 0.001) -> None:
        self.wrong: list[str] = []  # what was seen that must not be
        self.looks = 0
        self.longest_gap = 0.0  # seconds between two looks
        self._kernel = KernelPolicy(maps)
        self._interval = interval
        self._denied: set[str] = set()
        self._allowed: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PolicyWatch:
        self._thread.start()
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._kernel.close()
        if self._error and not failed:
            raise self._error

    def forbid(self, macs: Iterable[str]) -> None:
        """From now on nobody may let these through."""
        with self._lock:
            self._denied |= set(macs)
            self._allowed -= set(macs)

    def require(self, macs: Iterable[str]) -> None:
        """From now on nobody may shut these out."""
        with self._lock:
            self._allowed |= set(macs)
            self._denied -= set(macs)

    def leave(self, macs: Iterable[str]) -> None:
        """From now on either will do."""
        with self._lock:
            self._allowed -= set(macs)
            self._denied -= set(macs)

    def now(self) -> State:
        return self._kernel.read()

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:  # told by whoever leaves
            self._error = error

    def _watch(self) -> None:
        seen: tuple[bytes, bytes] | None = None
        state = self._kernel.read()
        last = time.monotonic()
        while not self._stop.is_set():
            with self._lock:
                raw = self._kernel.raw()
                if raw != seen:
                    seen = raw
                    state = self._kernel.decode(*raw)
                self._compare(state)
            now = time.monotonic()
            self.looks += 1
            self.longest_gap = max(self.longest_gap, now - last)
            last = now
            time.sleep(self._interval)

    def _compare(self, state: State) -> None:
        expired = 0 < state.lease_until < time.monotonic()
        problems = [f"{mac} is let through" for mac in self._denied if state.allows(mac)]
        problems += [f"{mac} is shut out" for mac in self._allowed if not state.allows(mac)]
        problems += ["the lease has run out"] if expired else []
        for problem in problems:
            if problem not in self.wrong:
                self.wrong.append(problem)
