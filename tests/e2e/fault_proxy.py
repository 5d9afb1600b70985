# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy in front of a real service that does, for the requests it is told
to, what networks and broken servers do.

    with FaultProxy(lab.namespace("spine"), Ironic.API) as proxy:
        controller.configure({"ironic": {"endpoint_override": proxy.url}})
        with proxy.faulty(Fault(half_answer, match="^/v1/ports")):
            ...

What a fault does is a function of an Exchange, one request and its answers, and
runs in the thread of that connection. It may wait, lie, or not answer at all.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import itertools
import json
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lab import entered

_PATIENCE = 60  # seconds, with a service or a client that does nothing


@dataclass(frozen=True)
class Reply:
    """An answer that is whole."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)

    def with_json(self, body: Any) -> Reply:
        return replace(self, body=json.dumps(body).encode())

    def encoded(self) -> tuple[bytes, bytes]:
        """Headers and body as they go over the wire."""
        reason = http.client.responses.get(self.status, "Unknown")
        lines = [f"HTTP/1.1 {self.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1"), self.body


class Gone(Exception):
    """This connection is of no more use."""


class Exchange:
    """One request, and what may be done about it."""

    def __init__(
        self,
        proxy: FaultProxy,
        client: socket.socket,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        self.method = method
        self.target = target
        self._proxy = proxy
        self._client = client
        self._headers = headers
        self._body = body

    def forward(self) -> Reply:
        """What the real service says."""
        target = self._proxy.rewritten(self.target)
        connection = http.client.HTTPConnection(*self._proxy.upstream, timeout=_PATIENCE)
        with contextlib.closing(connection):
            with entered(self._proxy.namespace):
                connection.connect()
            connection.request(self.method, target, self._body or None, self._headers)
            response = connection.getresponse()
            kept = {
                name: value
                for name, value in response.getheaders()
                if name.lower() not in _HOP_BY_HOP
            }
            return Reply(response.status, kept, response.read())

    def send(self, reply: Reply) -> None:
        self.send_bytes(b"".join(reply.encoded()))

    def send_bytes(self, data: bytes) -> None:
        try:
            self._client.sendall(data)
        except OSError as error:
            raise Gone from error

    def drip(self, data: bytes, interval: float) -> None:
        """Sends byte by byte, as long as somebody reads and the fault lasts."""
        for i in range(len(data)):
            self.send_bytes(data[i : i + 1])
            self.wait(interval)

    def wait(self, seconds: float) -> None:
        """Does nothing for so long, or until the client or the proxy has gone."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._proxy.closing.wait(min(left, 0.05)) or self._hung_up():
                raise Gone

    def close(self) -> None:
        """An end that looks orderly to TCP."""
        raise Gone

    def reset(self) -> None:
        """An end with RST."""
        at_once = struct.pack("ii", 1, 0)
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        raise Gone

    def _hung_up(self) -> bool:
        if not select.select([self._client], [], [], 0)[0]:
            return False
        try:
            return self._client.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True


Action = Callable[[Exchange], None]


@dataclass
class Fault:
    """What happens to the requests that `match`, all of them or the first few."""

    action: Action
    match: str = ""  # a regular expression, searched for in path and query
    times: int | None = None
    hits: int = 0

    def takes(self, target: str) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        return re.search(self.match, target) is not None


class FaultProxy:
    """Listens on a free port of 127.0.0.1 in a network namespace, as long as it is
    entered. Thread-safe."""

    def __init__(self, namespace: str, upstream: tuple[str, int]) -> None:
        self.namespace = namespace
        self.upstream = upstream
        self.closing = threading.Event()
        # Where set, a list is asked for in pages of so many.
        self.page_size: int | None = None
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._served: list[str] = []
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> FaultProxy:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.hang_up()

    def listen(self) -> None:
        """Takes connections, on the same port as before if it did so before."""
        with entered(self.namespace):
            listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def hang_up(self) -> None:
        """Ends all connections and takes no more, until listen()."""
        if self._listener is not None:
            # Closing alone would not wake who waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def faulty(self, *faults: Fault) -> Iterator[None]:
        """The faults in force meanwhile: a request gets the first that takes it. An
        answer that is under way at the end goes on as it began."""
        with self._lock:
            self._faults = list(faults)
        try:
            yield
        finally:
            with self._lock:
                self._faults = []

    @property
    def served(self) -> int:
        """How many requests there ever were."""
        return len(self._served)

    def targets(self, since: int = 0) -> list[str]:
        """What was asked for: path and query."""
        return self._served[since:]

    def rewritten(self, target: str) -> str:
        if self.page_size is None:
            return target
        return re.sub(r"(?<=[?&]limit=)\d+", str(self.page_size), target)

    def _action(self, target: str) -> Action:
        with self._lock:
            self._served.append(target)
            for fault in self._faults:
                if fault.takes(target):
                    fault.hits += 1
                    return fault.action
        return pass_on

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                with self._lock:
                    self._connections.add(client)
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            # The reader as well: the socket is closed with the last of the two.
            with client, client.makefile("rb") as requests:
                client.settimeout(_PATIENCE)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while (exchange := self._read(client, requests)) is not None:
                    self._action(exchange.target)(exchange)
        except (Gone, OSError, http.client.HTTPException):
            pass
        finally:
            with self._lock:
                self._connections.discard(client)

    def _read(self, client: socket.socket, requests: Any) -> Exchange | None:
        line = requests.readline(65536).decode("latin-1").split()
        if len(line) != 3:
            return None
        parsed = http.client.parse_headers(requests)
        body = requests.read(int(parsed.get("Content-Length", 0)))
        headers = {n: v for n, v in parsed.items() if n.lower() not in _HOP_BY_HOP}
        return Exchange(self, client, line[0], line[1], headers, body)


_HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


# --- What may be done about a request ------------------------------------------


def pass_on(exchange: Exchange) -> None:
    exchange.send(exchange.forward())


def latency(seconds: float) -> Action:
    """The right answer, but late."""

    def action(exchange: Exchange) -> None:
        reply = exchange.forward()
        exchange.wait(seconds)
        exchange.send(reply)

    return action


def no_answer(exchange: Exchange) -> None:
    exchange.wait(_PATIENCE)


def reset(exchange: Exchange) -> None:
    exchange.reset()


def reset_in_the_body(exchange: Exchange) -> None:
    headers, body = exchange.forward().encoded()
    exchange.send_bytes(headers + body[: len(body) // 2])
    exchange.wait(0.05)  # RST would overtake what was sent
    exchange.reset()


def half_headers(exchange: Exchange) -> None:
    headers, _ = exchange.forward().encoded()
    exchange.send_bytes(headers[: len(headers) // 2])
    exchange.close()


def half_answer(exchange: Exchange) -> None:
    """Ends in the middle, though its length was told."""
    headers, body = exchange.forward().encoded()
    exchange.send_bytes(headers + body[: len(body) // 2])
    exchange.close()


def half_answer_as_whole(exchange: Exchange) -> None:
    """To HTTP it is complete."""
    reply = exchange.forward()
    exchange.send(replace(reply, body=reply.body[: len(reply.body) // 2]))


def dripping_body(interval: float) -> Action:
    def action(exchange: Exchange) -> None:
        headers, body = exchange.forward().encoded()
        exchange.send_bytes(headers)
        exchange.drip(body, interval)

    return action


def dripping_headers(interval: float) -> Action:
    def action(exchange: Exchange) -> None:
        exchange.drip(b"".join(exchange.forward().encoded()), interval)

    return action


def status(code: int, **headers: str) -> Action:
    """An error of the server's, or of a load balancer's before it."""

    def action(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.send(Reply(code, named, b"out of order\n"))

    return action


def http_date(seconds_from_now: float) -> str:
    return email.utils.formatdate(time.time() + seconds_from_now, usegmt=True)


def changed(change: Callable[[Any], Any]) -> Action:
    """The answer after `change`, which is given its decoded JSON."""

    def action(exchange: Exchange) -> None:
        reply = exchange.forward()
        if reply.status == 200:
            reply = reply.with_json(change(reply.json()))
        exchange.send(reply)

    return action


def empty_database(exchange: Exchange) -> None:
    """What a service says that works, and knows nothing."""
    path, _, query = exchange.target.partition("?")
    marker = re.search(r"(?:^|&)marker=([^&]+)", query)
    missing = marker.group(1) if marker else None
    if missing is None and path.count("/") > 2:  # /v1/nodes/UUID
        missing = path.rpartition("/")[2]
    if missing is not None:
        fault = {"faultstring": f"{missing} could not be found.", "faultcode": "Client"}
        error = Reply(404, {"Content-Type": "application/json"})
        exchange.send(error.with_json({"error_message": json.dumps(fault)}))
        return
    # Names of fields come from the service, which need not know of this.
    whole = exchange.forward()
    lists = {name: [] for name, value in whole.json().items() if isinstance(value, list)}
    exchange.send(whole.with_json(lists))


def in_turn(*actions: Action) -> Action:
    """Each request gets the next of them."""
    turns = itertools.cycle(actions)
    lock = threading.Lock()

    def action(exchange: Exchange) -> None:
        with lock:
            chosen = next(turns)
        chosen(exchange)

    return action


def then(call: Callable[[Reply], None]) -> Action:
    """The right answer, after `call` was done with it."""

    def action(exchange: Exchange) -> None:
        reply = exchange.forward()
        call(reply)
        exchange.send(reply)

    return action
