#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A fake Ironic for faults and sizes that a real one will not produce.

It serves what pxegate reads of Ironic's API, with Ironic's own habits: pages
by `limit` and `marker`, a `next` link that drops the filters, microversion
headers, faults wrapped in "error_message". Its state is a file or generated,
and is changed over HTTP while it runs:

    POST /_fake {"nodes": {"<uuid or name>": {"provision_state": "inspecting"}},
                 "add_nodes": [{"name": "n1"}],     missing fields are made up
                 "add_ports": [{"node_uuid": "…", "address": "52:54:…"}],
                 "delete_nodes": ["<uuid>"],        with their ports
                 "delete_ports": ["<uuid>"],
                 "versions": ["1.1", "1.82"],       microversions it offers
                 "clear_faults": true,
                 "faults": [{"match": "/v1/ports", "times": 3, …}]}

    GET /_fake   how often each path was asked for, and the faults still left

A fault applies to the next `times` requests (default 1, -1 for ever) whose
path and query the regular expression `match` is found in. It waits `delay`
seconds first, and then, by `kind`:

    "none"      answers properly (for a delay alone)
    "status"    answers `status` with `headers` and `body` (default: a fault
                as Ironic words it)
    "html"      200 with an HTML page
    "body"      200 with `body` instead
    "truncate"  the proper JSON cut off after `bytes` bytes (default: half), in
                well-formed HTTP
    "close"     announces the whole body and closes after `bytes` bytes
    "reset"     resets the connection without an answer
    "large"     200 with `bytes` bytes of body (default 200 MB)
    "drip"      the proper answer, one byte every `interval` seconds
    "loop"      the first page whatever the marker, always with `next`
"""

import argparse
import collections
import http.server
import itertools
import json
import os
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse

VERSION_HEADER = "X-OpenStack-Ironic-API-Version"
MIN_HEADER = "X-OpenStack-Ironic-API-Minimum-Version"
MAX_HEADER = "X-OpenStack-Ironic-API-Maximum-Version"


class Item:
    """A node or a port, with its JSON by requested fields."""

    __slots__ = ("data", "rendered")

    def __init__(self, data):
        self.data = data
        self.rendered = {}

    def render(self, fields):
        text = self.rendered.get(fields)
        if text is None:
            data = self.data
            if fields:
                data = {name: data.get(name) for name in fields}
            text = self.rendered[fields] = json.dumps(data)
        return text


class Collection:
    """Items in the order they were made, which is how Ironic lists them."""

    def __init__(self):
        self.items = {}  # uuid: Item
        self._order = None
        self._position = None

    def add(self, data):
        self.items[data["uuid"]] = Item(data)
        self._order = None

    def remove(self, uuid):
        if self.items.pop(uuid, None) is not None:
            self._order = None

    def after(self, marker):
        """The items after `marker`; None where it does not exist."""
        if self._order is None:
            self._order = list(self.items.values())
            self._position = {uuid: i for i, uuid in enumerate(self.items)}
        if not marker:
            return self._order, 0
        if marker not in self._position:
            return None
        return self._order, self._position[marker] + 1


class Fault:
    def __init__(self, spec):
        self.match = re.compile(spec.get("match", ""))
        self.times = spec.get("times", 1)
        self.kind = spec.get("kind", "status" if "status" in spec else "none")
        self.spec = spec

    def take(self, path):
        if self.times == 0 or not self.match.search(path):
            return False
        self.times -= self.times > 0
        return True


class State:
    """All that the fake knows. Methods are called with `lock` held."""

    def __init__(self, max_limit):
        self.lock = threading.RLock()
        self.max_limit = max_limit
        self.versions = ("1.1", "1.82")
        self.nodes = Collection()
        self.ports = Collection()
        self.ports_of_node = collections.defaultdict(dict)
        self.faults = []
        self.requests = collections.Counter()
        self._numbers = itertools.count(1)

    def generate(self, nodes, ports):
        made = [self.add_node({}) for _ in range(nodes)]
        for i in range(ports):
            self.add_port({"node_uuid": made[i % nodes]["uuid"]} if made else {})

    def load(self, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        for node in data.get("nodes", []):
            self.add_node(node)
        for port in data.get("ports", []):
            self.add_port(port)

    def save(self, path):
        data = {
            "nodes": [item.data for item in self.nodes.items.values()],
            "ports": [item.data for item in self.ports.items.values()],
        }
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(data, file)
        os.replace(path + ".new", path)

    def add_node(self, given):
        number = next(self._numbers)
        node = {
            "uuid": f"00000000-0000-4000-8000-{number:012x}",
            "name": f"node-{number}",
            "provision_state": "available",
            "inspect_interface": "agent",
            "driver_internal_info": {},
        }
        node.update(given)
        self.nodes.add(node)
        return node

    def add_port(self, given):
        number = next(self._numbers)
        octets = struct.pack(">Q", number)[3:]
        port = {
            "uuid": f"00000000-0000-4000-9000-{number:012x}",
            "node_uuid": "00000000-0000-4000-8000-000000000000",
            "address": ":".join(f"{octet:02x}" for octet in b"\x02" + octets),
            "extra": {},
            "local_link_connection": {},
            "physical_network": None,
        }
        port.update(given)
        self.ports.add(port)
        self.ports_of_node[port["node_uuid"]][port["uuid"]] = None

    def find_node(self, ident):
        if ident in self.nodes.items:
            return self.nodes.items[ident]
        for item in self.nodes.items.values():
            if item.data["name"] == ident:
                return item
        return None

    def delete_port(self, uuid):
        item = self.ports.items.get(uuid)
        if item is not None:
            self.ports_of_node[item.data["node_uuid"]].pop(uuid, None)
            self.ports.remove(uuid)

    def delete_node(self, uuid):
        for port in list(self.ports_of_node.pop(uuid, {})):
            self.ports.remove(port)
        self.nodes.remove(uuid)

    def change(self, request):
        """Carries out a POST /_fake."""
        for ident, fields in request.get("nodes", {}).items():
            item = self.find_node(ident)
            if item is None:
                raise ValueError(f"no node {ident}")
            item.data.update(fields)
            item.rendered.clear()
        for node in request.get("add_nodes", []):
            self.add_node(node)
        for port in request.get("add_ports", []):
            self.add_port(port)
        for uuid in request.get("delete_ports", []):
            self.delete_port(uuid)
        for uuid in request.get("delete_nodes", []):
            self.delete_node(uuid)
        if "versions" in request:
            self.versions = tuple(request["versions"])
        if request.get("clear_faults"):
            self.faults.clear()
        self.faults += [Fault(spec) for spec in request.get("faults", [])]

    def report(self):
        return {
            "requests": sum(self.requests.values()),
            "by_path": dict(self.requests),
            "nodes": len(self.nodes.items),
            "ports": len(self.ports.items),
            "faults": [
                {**fault.spec, "times": fault.times}
                for fault in self.faults
                if fault.times
            ],
        }


def fault_body(text, client=True):
    fault = {
        "faultcode": "Client" if client else "Server",
        "faultstring": text,
        "debuginfo": None,
    }
    return json.dumps({"error_message": json.dumps(fault)}).encode()


def parse_version(text):
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    return tuple(map(int, match.groups())) if match else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fake_ironic"
    # Headers and body leave in one packet, and without waiting for another.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    @property
    def state(self):
        return self.server.state

    # --- answers

    def answer(self, status, body, headers=(), content_type="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def version_headers(self):
        low, high = self.state.versions
        return {MIN_HEADER: low, MAX_HEADER: high}

    def compute(self, path, query, loop=False):
        """The proper answer: status, body, headers."""
        if path == "/":
            low, high = self.state.versions
            version = {"id": "v1", "status": "CURRENT", "min_version": low,
                       "version": high, "links": []}
            root = {"name": "OpenStack Ironic API", "versions": [version],
                    "default_version": version}
            return 200, json.dumps(root).encode(), {}
        parts = path.strip("/").split("/")
        if parts[0] != "v1" or parts[1:] not in ([], ["nodes"], ["ports"]):
            fault = {"code": 404, "title": "Not Found", "description": ""}
            body = {"error_message": json.dumps(fault)}
            return 404, json.dumps(body).encode(), {}
        headers = self.version_headers()
        asked = self.headers.get(VERSION_HEADER, self.state.versions[0])
        low, high = map(parse_version, self.state.versions)
        version = high if asked == "latest" else parse_version(asked)
        if version is None or not low <= version <= high:
            fault = {
                "code": 406,
                "title": "Not Acceptable",
                "description": f"Version {asked} was requested but the minor "
                "version is not supported by this service. The supported "
                "version range is: [{}, {}].".format(*self.state.versions),
            }
            body = {"error_message": json.dumps(fault)}
            return 406, json.dumps(body).encode(), headers
        headers[VERSION_HEADER] = asked
        if parts == ["v1"]:
            return 200, json.dumps({"id": "v1"}).encode(), headers
        status, body = self.listing(parts[1], query, loop)
        return status, body, headers

    def listing(self, kind, query, loop):
        limit = min(int(query.get("limit", self.state.max_limit)),
                    self.state.max_limit)
        if limit <= 0:
            return 400, fault_body("Limit must be positive")
        fields = tuple(filter(None, query.get("fields", "").split(",")))
        marker = "" if loop else query.get("marker", "")
        collection = self.state.nodes if kind == "nodes" else self.state.ports
        found = collection.after(marker)
        if found is None:
            name = kind[:-1].capitalize()
            return 404, fault_body(f"{name} {marker} could not be found.")
        order, start = found
        if kind == "nodes" and "provision_state" in query:
            wanted = query["provision_state"]
            rest = (item for item in itertools.islice(order, start, None)
                    if item.data["provision_state"] == wanted)
        elif kind == "ports" and "node" in query:
            node = self.state.find_node(query["node"])
            if node is None:
                return 404, fault_body(
                    f"Node {query['node']} could not be found.")
            uuids = list(self.state.ports_of_node[node.data["uuid"]])
            if marker in uuids:
                uuids = uuids[uuids.index(marker) + 1:]
            rest = (collection.items[uuid] for uuid in uuids)
        else:
            rest = itertools.islice(order, start, None)
        page = list(itertools.islice(rest, limit))
        body = f'{{"{kind}": [' + ", ".join(i.render(fields) for i in page) + "]"
        if page and (len(page) == limit or loop):
            link = "http://{}/v1/{}?sort_key=id&sort_dir=asc&limit={}&marker={}"
            body += ', "next": ' + json.dumps(link.format(
                self.headers.get("Host", "localhost"), kind, limit,
                page[-1].data["uuid"]))
        return 200, (body + "}").encode()

    # --- faults

    def misbehave(self, fault, path, query):
        spec = fault.spec
        time.sleep(spec.get("delay", 0))
        if fault.kind == "status":
            body = spec.get("body")
            body = body.encode() if body is not None else fault_body(
                "injected fault", client=spec["status"] < 500)
            headers = {**self.version_headers(), **spec.get("headers", {})}
            self.answer(spec["status"], body, headers)
        elif fault.kind == "html":
            self.answer(200, b"<!DOCTYPE html><html><body>Log in</body></html>",
                        content_type="text/html")
        elif fault.kind == "body":
            self.answer(200, spec.get("body", "").encode(),
                        self.version_headers())
        elif fault.kind == "reset":
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif fault.kind == "large":
            self.send_large(spec.get("bytes", 200 * 1024 * 1024))
        else:
            self.distort(fault, path, query)

    def send_large(self, size):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()  # the end of the connection ends the body
        self.close_connection = True
        block = b" " * 65536
        for sent in range(0, size, len(block)):
            self.wfile.write(block[:size - sent])

    def distort(self, fault, path, query):
        spec = fault.spec
        with self.state.lock:
            status, body, headers = self.compute(path, query,
                                                 fault.kind == "loop")
        if fault.kind in ("none", "loop"):
            self.answer(status, body, headers)
        elif fault.kind == "truncate":
            self.answer(status, body[:spec.get("bytes", len(body) // 2)],
                        headers)
        elif fault.kind in ("close", "drip"):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault.kind == "close":
                self.wfile.write(body[:spec.get("bytes", len(body) // 2)])
                self.close_connection = True
                return
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(spec.get("interval", 0.1))
        else:
            self.answer(500, fault_body(f"no fault of kind {fault.kind}"))

    # --- requests

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/_fake":
            with self.state.lock:
                report = self.state.report()
            self.answer(200, json.dumps(report).encode())
            return
        with self.state.lock:
            self.state.requests[url.path] += 1
            fault = next((f for f in self.state.faults if f.take(self.path)),
                         None)
            if fault is None:
                status, body, headers = self.compute(url.path, query)
        if fault is None:
            self.answer(status, body, headers)
        else:
            self.misbehave(fault, url.path, query)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.path != "/_fake":
            self.answer(405, fault_body("only /_fake takes POST"))
            return
        try:
            with self.state.lock:
                self.state.change(json.loads(body))
                report = self.state.report()
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            self.answer(400, fault_body(f"bad request: {error}"))
            return
        self.answer(200, json.dumps(report).encode())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, state):
        super().__init__(address, Handler)
        self.state = state

    def handle_error(self, request, client_address):
        # A client that hangs up is what half of the faults are about.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0",
                        metavar="ADDRESS:PORT",
                        help="port 0: any; its URL is printed when ready")
    parser.add_argument("--nodes", type=int, default=0, metavar="N")
    parser.add_argument("--ports", type=int, default=0, metavar="M",
                        help="dealt out to the nodes in turn")
    parser.add_argument("--data", metavar="FILE.json",
                        help="read nodes and ports from here; where it does "
                        "not exist yet, generate and write it")
    parser.add_argument("--max-limit", type=int, default=1000, metavar="N",
                        help="Ironic's [api] max_limit (default 1000)")
    args = parser.parse_args()
    address, _, port = args.listen.rpartition(":")

    state = State(args.max_limit)
    if args.data and os.path.exists(args.data):
        state.load(args.data)
    else:
        state.generate(args.nodes, args.ports)
        if args.data:
            state.save(args.data)
    server = Server((address, int(port)), state)
    print("http://{}:{}".format(*server.server_address[:2]), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
