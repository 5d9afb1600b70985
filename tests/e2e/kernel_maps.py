# SPDX-License-Identifier: Apache-2.0
"""What the kernel enforces, read by bpf(2) and mmap from what is pinned.

For whoever must not believe pxegate: none of its code is used.
The layout is that of bpf/pxe_filter_abi.h.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_libc = ctypes.CDLL(None, use_errno=True)
_SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_LOOKUP, _NEXT_KEY, _OBJ_GET, _TEST_RUN, _PROG_BY_ID, _INFO_BY_FD = 1, 4, 7, 10, 13, 15
_READ_ONLY = 1 << 3  # BPF_F_RDONLY
_XDP_DROP, _XDP_PASS = 1, 2

_ABI_VERSION = 2
_BUCKET = struct.Struct("<8Q")
_FLAGS = 0x7FFF  # of a slot, but for the next
_OVERFLOW = 0x8000
_ALLOW_RULE = 0x3
_SETTINGS = struct.Struct("<IBBBBQQQ")
_VERDICTS = ("deny", "allow", "keep")  # also what a lease that ran out leads to
_KEY = struct.Struct("6s2xBB2x")


class Settings(NamedTuple):
    """What holds where no rule does."""

    unknown: str
    scope: int
    stale_action: str
    lease_until: float  # seconds of CLOCK_MONOTONIC; 0: for ever

    @property
    def stale(self) -> bool:
        return bool(self.lease_until) and time.monotonic() >= self.lease_until


class Maps:
    """The maps below `pins`, of one NIC's filter.

    A verdict is "allow", "deny", or None where there is no rule. A snapshot is all
    buckets, each slot as it was at one instant.
    """

    def __init__(self, pins: Path) -> None:
        # Not read-only: the kernel maps nothing that was opened so.
        self._rules_fd = rules = _open_pin(pins / "maps" / "rules")
        _, _, _, value_bytes, buckets = struct.unpack_from("<5I", _info(rules))
        assert value_bytes == _BUCKET.size, f"{pins}/maps/rules has another layout"
        self._mask = buckets - 1
        size = buckets * _BUCKET.size
        self._rules = mmap.mmap(rules, size, mmap.MAP_SHARED, mmap.PROT_READ)
        self._more_rules = _open_pin(pins / "maps" / "more_rules", _READ_ONLY)
        settings = _open_pin(pins / "maps" / "settings")
        self._settings = mmap.mmap(
            settings, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ
        )
        link = _open_pin(next((pins / "links").iterdir()))
        (program,) = struct.unpack_from("<8xI", _info(link))
        self._program = _bpf(_PROG_BY_ID, struct.pack("<I", program))[0]

    def snapshot(self) -> bytes:
        return self._rules[:]

    def place(self, mac: str) -> int:
        """Where in a snapshot the machine's bucket begins."""
        x = _number(mac)  # murmur3's finalizer
        x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD & 0xFFFFFFFFFFFFFFFF
        x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53 & 0xFFFFFFFFFFFFFFFF
        return (x >> 32 & self._mask) * _BUCKET.size

    def verdict(self, mac: str, snapshot: bytes | None = None) -> str | None:
        """Of a machine's rule; without a snapshot, now."""
        place = self.place(mac)
        if snapshot is None:
            slots = _BUCKET.unpack(self._rules[place : place + _BUCKET.size])
        else:
            slots = _BUCKET.unpack_from(snapshot, place)
        flags = 0
        for slot in slots:
            if slot >> 16 == _number(mac):
                flags |= slot & _FLAGS
        if flags:
            return "allow" if flags == _ALLOW_RULE else "deny"
        return self._in_more_rules(mac) if slots[0] & _OVERFLOW else None

    def rules(self) -> dict[str, str]:
        """All there are of Ethernet addresses, which takes a while."""
        found = {}
        snapshot = self.snapshot()
        for (slot,) in struct.iter_unpack("<Q", snapshot):
            if slot & _FLAGS:
                mac = _text(slot >> 16)
                found[mac] = self.verdict(mac, snapshot) or "none"
        for mac in self._more_macs():
            found[mac] = self.verdict(mac, snapshot) or "none"
        return found

    def overwrite(self, mac: str, verdict: str) -> None:
        """Puts another verdict into the rule that a machine has in the buckets, behind
        pxegate's back."""
        place = self.place(mac)
        with mmap.mmap(self._rules_fd, len(self._rules)) as rules:
            for at in range(place, place + _BUCKET.size, 8):
                (slot,) = struct.unpack_from("<Q", rules, at)
                if slot >> 16 == _number(mac):
                    flags = slot & _OVERFLOW | (_ALLOW_RULE if verdict == "allow" else 1)
                    struct.pack_into("<Q", rules, at, _number(mac) << 16 | flags)
                    return
        raise KeyError(f"{mac} has no rule in the buckets")

    def settings(self) -> Settings:
        abi, unknown, scope, action, _, lease, _, _ = _SETTINGS.unpack_from(self._settings)
        assert abi == _ABI_VERSION, f"the maps are of version {abi}"
        # Anything but these counts as deny.
        return Settings(
            _VERDICTS[unknown] if unknown == 1 else "deny",
            scope,
            {1: "allow", 2: "keep"}.get(action, "deny"),
            lease / 1e9,
        )

    def ask(self, mac: str) -> str:
        """What the pinned program itself says of a DHCPDISCOVER of this machine."""
        frame = ctypes.create_string_buffer(_discover(mac))
        run = struct.pack(
            "<IIIIQQIIII",
            *(self._program, 0, len(frame) - 1, 0, ctypes.addressof(frame), 0),
            *(1, 0, 0, 0),
        )
        _, answer = _bpf(_TEST_RUN, run)
        (verdict,) = struct.unpack_from("<4xI", answer)
        return {_XDP_DROP: "deny", _XDP_PASS: "allow"}[verdict]

    def _in_more_rules(self, mac: str) -> str | None:
        key = ctypes.create_string_buffer(_key(mac), _KEY.size)
        value = ctypes.create_string_buffer(4)
        try:
            _bpf(
                _LOOKUP,
                struct.pack(
                    "<I4xQQQ",
                    self._more_rules,
                    ctypes.addressof(key),
                    ctypes.addressof(value),
                    0,
                ),
            )
        except FileNotFoundError:
            return None
        return "allow" if value.raw[0] == 1 else "deny"

    def _more_macs(self) -> Iterator[str]:
        key = ctypes.create_string_buffer(_KEY.size)
        after = ctypes.create_string_buffer(_KEY.size)
        first = True
        while True:
            address = 0 if first else ctypes.addressof(key)
            command = struct.pack(
                "<I4xQQ", self._more_rules, address, ctypes.addressof(after)
            )
            try:
                _bpf(_NEXT_KEY, command)
            except FileNotFoundError:
                return
            first = False
            ctypes.memmove(key, after, _KEY.size)
            octets, hardware_type, length = _KEY.unpack(key.raw)
            if (hardware_type, length) == (1, 6):
                yield octets.hex(":")


def _bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    """The result, and the attributes as the kernel left them."""
    memory = ctypes.create_string_buffer(attributes, 128)  # the rest is zero
    result = _libc.syscall(_SYSCALL, command, memory, len(memory))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf({command}): {os.strerror(error)}")
    return result, memory.raw


def _open_pin(path: Path, flags: int = 0) -> int:
    name = ctypes.create_string_buffer(os.fsencode(path))
    return _bpf(_OBJ_GET, struct.pack("<QII", ctypes.addressof(name), 0, flags))[0]


def _info(fd: int) -> bytes:
    memory = ctypes.create_string_buffer(256)
    _bpf(_INFO_BY_FD, struct.pack("<IIQ", fd, len(memory), ctypes.addressof(memory)))
    return memory.raw


def _number(mac: str) -> int:
    return int(mac.replace(":", ""), 16)


def _text(number: int) -> str:
    return number.to_bytes(6, "big").hex(":")


def _key(mac: str) -> bytes:
    return _KEY.pack(bytes.fromhex(mac.replace(":", "")), 1, 6)


def _discover(mac: str) -> bytes:
    """A frame that reaches no wire: checksums are missing."""
    client = bytes.fromhex(mac.replace(":", ""))
    options = b"\x63\x82\x53\x63" + b"\x35\x01\x01" + b"\x3c\x09PXEClient" + b"\xff"
    bootp = struct.pack("!4BIHH16x6s10x192x", 1, 1, 6, 0, 1, 0, 0x8000, client)
    payload = (bootp + options).ljust(300, b"\0")
    udp = struct.pack("!4H", 68, 67, 8 + len(payload), 0)
    length = 20 + len(udp) + len(payload)
    ip = struct.pack("!BBHHHBBH4x4s", 0x45, 0, length, 0, 0, 64, 17, 0, b"\xff" * 4)
    return b"\xff" * 6 + client + b"\x08\x00" + ip + udp + payload
