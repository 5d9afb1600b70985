# SPDX-License-Identifier: Apache-2.0
"""A machine that asks for an address many times a second, and never takes one.

A DHCP client asks once a second, too seldom to see when a filter opens, or
whether it leaks for a moment. This tells for each request whether, and when, it
was answered:

    with Probe(lab, "leaf1n1") as probe:
        ...
    print(probe.first_answered_since(started), probe.unanswered())
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from dataclasses import dataclass

from lab import PXE_VENDOR_CLASS, Lab


@dataclass
class Request:
    """One DHCPDISCOVER; times are seconds since the epoch."""

    sent: float
    answered: float | None = None


class Probe:
    """Asks from a host, every `interval` seconds, as long as it is entered."""

    def __init__(self, lab: Lab, host: str, interval: float = 0.05) -> None:
        self.host = host
        self._mac = bytes.fromhex(lab.mac(host).replace(":", ""))
        self._interval = interval
        self._requests: dict[int, Request] = {}
        self._stop = threading.Event()
        self._error: OSError | None = None
        with lab.entered(host):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind(("eth0", _ETHERTYPE_IPV4))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Lets it come to its end: for many that are left one after the other."""
        self._stop.set()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()
        self._socket.close()
        if self._error:
            raise self._error

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in the order they were sent."""
        return list(self._requests.values())

    def answered(self, since: float = 0) -> list[Request]:
        return [r for r in self.requests if r.sent >= since and r.answered]

    def unanswered(self, since: float = 0) -> list[Request]:
        return [r for r in self.requests if r.sent >= since and not r.answered]

    def first_answered_since(self, since: float) -> float | None:
        """When the first of the requests that were answered was sent."""
        return min((r.sent for r in self.answered(since)), default=None)

    def _run(self) -> None:
        # Transaction ids that no other client of this MAC is likely to use.
        xid = int(time.monotonic() * 1000) << 8 & 0xFFFFFFFF
        try:
            while not self._stop.is_set():
                xid = (xid + 1) & 0xFFFFFFFF
                self._requests[xid] = Request(time.time())
                self._socket.send(discover(self._mac, xid))
                self._receive(time.monotonic() + self._interval)
            # The last requests get their chance, too.
            self._receive(time.monotonic() + max(self._interval, 0.2))
        except OSError as error:
            self._error = error

    def _receive(self, deadline: float) -> None:
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                return
            xid = replied_to(self._socket.recv(2048), self._mac)
            request = self._requests.get(xid) if xid is not None else None
            if request and request.answered is None:
                request.answered = time.time()


_ETHERTYPE_IPV4 = 0x0800
_PROTOCOL_UDP = 17
_SERVER_PORT = 67
_CLIENT_PORT = 68
_BOOT_REQUEST = 1
_BOOT_REPLY = 2
_BROADCAST_REPLY = 0x8000
_MAGIC_COOKIE = b"\x63\x82\x53\x63"


def discover(mac: bytes, xid: int) -> bytes:
    """The frame of a PXE client's broadcast DHCPDISCOVER."""
    vendor_class = PXE_VENDOR_CLASS.encode()
    options = (
        _MAGIC_COOKIE
        + bytes([53, 1, 1])  # DHCPDISCOVER
        + bytes([60, len(vendor_class)])
        + vendor_class
        + bytes([55, 4, 1, 3, 66, 67])  # mask, router, boot server and file
        + bytes([255])
    )
    bootp = struct.pack(
        "!4BIHH16x6s10x192x", _BOOT_REQUEST, 1, 6, 0, xid, 0, _BROADCAST_REPLY, mac
    )
    payload = (bootp + options).ljust(300, b"\0")
    udp = struct.pack("!4H", _CLIENT_PORT, _SERVER_PORT, 8 + len(payload), 0)
    length = 20 + len(udp) + len(payload)
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, _PROTOCOL_UDP, 0, bytes(4), b"\xff" * 4
    )
    ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    ethernet = b"\xff" * 6 + mac + struct.pack("!H", _ETHERTYPE_IPV4)
    return ethernet + ip + udp + payload


def replied_to(frame: bytes, mac: bytes) -> int | None:
    """The transaction id, if the frame is a DHCP reply to `mac`."""
    ip = frame[14:]
    if len(ip) < 20 or ip[9] != _PROTOCOL_UDP:
        return None
    udp = ip[(ip[0] & 0xF) * 4 :]
    bootp = udp[8:]
    if len(bootp) < 236 or udp[2:4] != struct.pack("!H", _CLIENT_PORT):
        return None
    if bootp[0] != _BOOT_REPLY or bootp[28:34] != mac:
        return None
    return int.from_bytes(bootp[4:8], "big")


def _checksum(header: bytes) -> int:
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
