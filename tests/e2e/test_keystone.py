# SPDX-License-Identifier: Apache-2.0
"""Logging in to a real Keystone, for a real Ironic that lets nobody in without.

Each kind of login opens the filter for the node that is inspected and for no
other. Then what Keystone does to a login that works: tokens that live for
seconds or are revoked, no Keystone at all, a password that is wrong, an account
that sees its own nodes only. Meanwhile machines ask all the time, and not one of
them may get the wrong answer.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fault_proxy
from fault_proxy import Exchange, Fault, FaultProxy, Reply
from identity import INTERFACES, REGION, URL, secret_of
from lab import Ironic, IronicError, Lab, wait_for
from probe import Probe
from subject import PATIENCE, REAL_IRONIC, Controller

WITH_IRONIC = True
WITH_KEYSTONE = True

OPEN = "leaf1n1"  # inspected all the time
CLOSED = ["flat2", "leaf2n2"]  # in Ironic, and never inspected
OWNED = "flat3"  # the tenant's, and never inspected either
# Each is inspected once, to see whether the filter opens.
fresh = itertools.cycle(["flat4", "leaf1n4", "leaf2n4", "flat5", "leaf1n5", "leaf2n5"])

TOKEN_LIFE = 6  # seconds
USER = "pxegate"
WRONG_SECRET = "not-what-Keystone-has-7Gq"
# A fernet token is a version byte of 0x80 and a time before 2106, in base64.
SECRETS = re.compile(rf"{secret_of('')}[a-z]|{WRONG_SECRET}|\bgAAAA[\w-]{{20}}")

SYSTEM = {
    "auth_type": "password",
    "auth_url": URL,
    "username": USER,
    "user_domain_name": "Default",
    "password": secret_of(USER),
    "system_scope": "all",
}
TENANT = {
    "auth_type": "v3password",
    "auth-url": "http://127.0.0.1:5000",
    "user-name": "tenant",
    "user-domain-id": "default",
    "password": secret_of("tenant"),
    "project-name": "tenant",
    "project-domain-id": "default",
}
CREDENTIAL = {"auth_type": "v3applicationcredential", "auth_url": URL}


class Site:
    """What Ironic knows, and what has to hold whoever logs in how."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        project = lab.keystone.id_of("project", "tenant")
        lab.ironic.enroll(OPEN, [lab.mac(OPEN)], "manageable")
        for host in CLOSED:
            lab.ironic.enroll(host, [lab.mac(host)], "manageable")
        lab.ironic.enroll(OWNED, [lab.mac(OWNED)], "manageable", owner=project)
        lab.ironic.inspect(OPEN)
        self.closed = [*CLOSED, OWNED]

    def verdicts(self) -> dict[str, str]:
        mac = self.lab.mac
        return {mac(OPEN): "allow", **{mac(host): "deny" for host in self.closed}}

    def expect_answers(self) -> None:
        """Machines get what they should, from the server and not only on paper."""
        heard = {host: self.lab.requests_heard(host) for host in self.closed}
        answers = self.lab.ask_many([OPEN, *self.closed])
        assert answers[OPEN] is not None
        for host in self.closed:
            assert answers[host] is None, f"{host} was answered"
            assert self.lab.requests_heard(host) == heard[host], host

    def expect_open(self, controller: Controller) -> None:
        """The controller's news are good: an inspection that starts now opens."""
        host = next(fresh)
        mac = self.lab.mac(host)
        node = self.lab.ironic.enroll(f"{host}-{time.time_ns()}", [mac], "manageable")
        try:
            self.lab.ironic.inspect(node, wait=False)
            controller.wait_enforced({mac: "allow", **self.verdicts()})
            policy = controller.json("policy", mac)
            assert (policy["verdict"], policy["node"]["uuid"]) == ("allow", node)
            assert self.lab.ask(host, 10) is not None
        finally:
            self.lab.ironic.wait_state(node, "inspect wait")
            self.lab.ironic.delete(node)


@pytest.fixture(scope="module")
def site(lab: Lab) -> Site:
    return Site(lab)


@contextlib.contextmanager
def controller_for(lab: Lab, **ironic: Any) -> Iterator[Controller]:
    """One that finds Ironic in the catalogue; in the end it has kept its secrets."""
    with Controller(lab) as controller:
        controller.set_defaults(
            {
                # What it logs then has no secrets either.
                "DEFAULT": {"debug": "true"},
                "pxe_filter": {"sync_period": 2},
                # Unknown machines are let in while a node is inspected: what a
                # login does not see would be.
                "ironic": {"endpoint_override": "", "region_name": REGION},
                "inspector": {"endpoint_override": ""},
            }
        )
        controller.configure({"ironic": ironic})
        # The only place to leave a secret in on purpose.
        controller.env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        yield controller
        if controller.alive():
            keeps_secrets(controller)


def keeps_secrets(controller: Controller) -> None:
    """Neither a password nor a token is where others may read it."""
    process = Path(f"/proc/{controller.process.pid}")
    environment = (process / "environ").read_bytes().decode().rstrip("\0").split("\0")
    assert dict(item.split("=", 1) for item in environment) == controller.env
    places = {
        "log": controller.log(),
        "arguments": (process / "cmdline").read_bytes().decode(),
        "status": json.dumps(controller.status()),
        "check": controller.cli("config", "check", check=False).stdout,
    }
    for place, text in places.items():
        found = SECRETS.search(text)
        assert not found, f"{place}: {text[found.start() - 200 : found.start() + 30]}"


def logins(lab: Lab) -> int:
    """How many logins of pxegate's Keystone has heard of, good or not."""
    log = (lab.log_dir / "spine.keystone.log").read_text(encoding="utf-8")
    return len(re.findall(r'"POST /v3/auth/tokens" \d+ "pxegate', log))


@contextlib.contextmanager
def judged_all_the_time(lab: Lab, site: Site) -> Iterator[list[Probe]]:
    """Machines ask several times a second, and each gets the right answer each
    time."""
    heard = {host: lab.requests_heard(host) for host in site.closed}
    with contextlib.ExitStack() as stack:
        allowed = stack.enter_context(Probe(lab, OPEN, 0.2))
        denied = [stack.enter_context(Probe(lab, host, 0.2)) for host in site.closed]
        yield [allowed, *denied]
    assert allowed.requests and not allowed.unanswered()
    for probe in denied:
        assert probe.requests and not probe.answered(), f"{probe.host} was answered"
        assert lab.requests_heard(probe.host) == heard[probe.host], probe.host


def trouble(controller: Controller) -> str:
    """What the status says is wrong with Ironic; nothing while all is well."""
    for source in controller.status()["sources"]:
        if source["consecutive_failures"]:
            return source["last_error"]
    return ""


# --- Each kind of login ---------------------------------------------------------


@pytest.fixture
def credential(lab: Lab) -> Iterator[dict[str, Any]]:
    user = "pxegate-service"
    made = lab.keystone.create_application_credential(user, "for-tests")
    yield made
    lab.keystone.delete_application_credential(user, made["id"])


def login_of(kind: str, lab: Lab, credential: dict[str, Any]) -> dict[str, Any]:
    if kind == "password":
        return SYSTEM
    if kind == "application credential by id":
        return {
            **CREDENTIAL,
            "application_credential_id": credential["id"],
            "application_credential_secret": credential["secret"],
        }
    if kind == "application credential by name":
        return {
            **CREDENTIAL,
            "application-credential-name": credential["name"],
            "application-credential-secret": credential["secret"],
            "username": "pxegate-service",
            "user_domain_id": "default",
        }
    assert kind == "token"
    return {
        "auth_type": "token",
        "auth_url": URL,
        "token": lab.keystone.token(USER),
        "system_scope": "all",
    }


@pytest.mark.parametrize(
    "kind",
    [
        "password",
        "application credential by id",
        "application credential by name",
        "token",
    ],
)
def test_a_login_opens_what_is_inspected_and_nothing_else(
    lab: Lab, site: Site, credential: dict[str, Any], kind: str
) -> None:
    with controller_for(lab, **login_of(kind, lab, credential)) as controller:
        controller.start_synced()
        controller.wait_enforced(site.verdicts())
        site.expect_answers()
        site.expect_open(controller)
        assert controller.cli("status").returncode == 0


def test_a_login_of_clouds_yaml(lab: Lab, site: Site) -> None:
    with controller_for(lab, cloud=USER) as controller:
        controller.env["OS_CLIENT_CONFIG_FILE"] = str(
            lab.state_dir / "keystone" / "clouds.yaml"
        )
        controller.start_synced()
        controller.wait_enforced(site.verdicts())
        site.expect_open(controller)


def test_a_login_is_tried_before_it_is_relied_on(lab: Lab, site: Site) -> None:
    with controller_for(lab, **SYSTEM) as controller:
        good = controller.cli("config", "check", "--connect", check=False)
        assert good.returncode == 0, good
        assert REAL_IRONIC in good.stdout and USER in good.stdout

        controller.configure({"ironic": {**SYSTEM, "password": WRONG_SECRET}})
        wrong = controller.cli("config", "check", "--connect", check=False)
        assert wrong.returncode != 0
        assert re.search(r"\[ironic\].*password", wrong.stdout + wrong.stderr)

        controller.configure({"ironic": TENANT})
        partial = controller.cli("config", "check", "--connect", check=False)
        assert partial.returncode != 0
        assert "system_scope" in partial.stdout + partial.stderr
        for tried in good, wrong, partial:
            assert not SECRETS.search(tried.stdout + tried.stderr)


def test_ironic_inspector_is_found_and_logged_in_to_in_the_same_way(
    lab: Lab, site: Site
) -> None:
    with controller_for(lab, **SYSTEM) as controller:
        controller.set_defaults(
            {
                "pxe_filter": {
                    "supported_inspect_interfaces": "agent",
                    "ask_inspector": "true",
                },
                "inspector": {"auth_section": "ironic", "region_name": REGION},
            }
        )
        controller.configure({"ironic": SYSTEM})
        controller.start_synced()
        # Only ironic-inspector says so: its interface is not one of Ironic's that
        # count here.
        controller.wait_enforced(site.verdicts())
        assert controller.json("policy", lab.mac(OPEN))["rule"] == "introspected"
        assert len(controller.status()["sources"]) == 2


def test_the_endpoint_is_that_of_the_region_and_the_interface(
    lab: Lab, site: Site
) -> None:
    nowhere = "http://127.0.0.1:9"
    region = f"region-{time.time_ns()}"
    lab.keystone.request("PUT", f"/regions/{region}", {"region": {}})
    right = {"internal": nowhere, "public": nowhere, "admin": f"{REAL_IRONIC}/v1"}
    for interface in INTERFACES:
        lab.keystone.create_endpoint("baremetal", interface, right[interface], region)
    there = {**SYSTEM, "region_name": region}
    with controller_for(lab, **there, valid_interfaces="admin,internal") as controller:
        controller.start_synced()
        controller.wait_enforced(site.verdicts())
        before = controller.enforced()

        controller.reload({"ironic": there})  # internal, then public
        assert wait_for(lambda: nowhere in trouble(controller), PATIENCE), controller.log()
        assert controller.enforced() == before
        site.expect_answers()


# --- What Keystone does to a login ------------------------------------------------


@pytest.fixture
def running(lab: Lab, site: Site) -> Iterator[Controller]:
    with controller_for(lab, **SYSTEM) as controller:
        controller.start_synced()
        controller.wait_enforced(site.verdicts())
        yield controller


@pytest.fixture(scope="module")
def short_lived_tokens(lab: Lab) -> Iterator[None]:
    lab.set_token_expiration(TOKEN_LIFE)
    yield
    lab.set_token_expiration(3600)


def test_a_revoked_token_is_replaced(lab: Lab, site: Site, running: Controller) -> None:
    with judged_all_the_time(lab, site):
        for _ in range(2):
            before = logins(lab)
            lab.keystone.revoke_tokens(USER)
            assert wait_for(lambda: logins(lab) > before, PATIENCE), running.log()
            site.expect_open(running)
    assert wait_for(lambda: not trouble(running), PATIENCE)


PAGE = 3


@pytest.fixture
def small_pages(lab: Lab, site: Site) -> Iterator[None]:
    """Ironic's lists have many pages, and no page is answered by what Keystone said
    of the token some seconds ago."""

    def waits_for_the_ramdisk() -> bool:
        """Until then ironic-inspector needs the API, or the inspection fails."""
        path = f"/v1/introspection/{lab.ironic.node(OPEN)['uuid']}"
        try:
            found = lab.ironic.request("GET", path, server=Ironic.INSPECTOR)
        except IronicError:
            return False
        return found["state"] == "waiting"

    assert wait_for(waits_for_the_ramdisk, PATIENCE)
    config = lab.state_dir / "ironic" / "ironic.conf"
    before = config.read_text(encoding="utf-8")
    text = before.replace("[api]\n", f"[api]\nmax_limit = {PAGE}\n")
    text = re.sub("(?m)^token_cache_time = .*$", "token_cache_time = -1", text)
    assert "max_limit" in text and "token_cache_time = -1" in text
    config.write_text(text, encoding="utf-8")
    lab.service("ironic-api", "restart")
    yield
    config.write_text(before, encoding="utf-8")
    lab.service("ironic-api", "restart")


def test_a_token_revoked_between_two_pages_of_a_list_is_replaced(
    lab: Lab, site: Site, small_pages: None
) -> None:
    node = lab.ironic.enroll(f"ports-{time.time_ns()}", [], "manageable")
    more = {f"52:54:00:0e:00:{number:02x}": "deny" for number in range(3 * PAGE)}
    for mac in more:
        lab.ironic.add_port(node, mac)
    statuses: list[tuple[str, int]] = []  # of each request: its target, and how it went

    def revoke(_: Reply) -> None:
        lab.keystone.revoke_tokens(USER)
        # Keystone counts in whole seconds: a token of the same second is revoked, too.
        time.sleep(1.1)

    def passed_on(exchange: Exchange) -> None:
        reply = exchange.forward()
        statuses.append((exchange.target, reply.status))
        exchange.send(reply)

    with (
        FaultProxy(lab.namespace("spine"), Ironic.API) as proxy,
        controller_for(lab, **SYSTEM) as controller,
    ):
        controller.set_defaults(
            {
                "ironic": {"endpoint_override": proxy.url},
                # So that it is hardly ever a poll that is refused.
                "pxe_filter": {"poll_interval": 10},
            }
        )
        controller.configure({"ironic": SYSTEM})
        controller.start_synced()
        controller.wait_enforced({**site.verdicts(), **more})
        with judged_all_the_time(lab, site):
            before = logins(lab)
            in_force = controller.enforced()
            at_first = Fault(fault_proxy.then(revoke), r"^/v1/ports\?(?!.*(marker|node)=)", 1)
            with proxy.faulty(at_first, Fault(passed_on)):
                done = controller.cli("sync", "--timeout", str(PATIENCE))
            assert done.returncode == 0
            assert at_first.hits == 1
            assert logins(lab) > before
            refused = [target for target, status in statuses if status == 401]
            assert refused, statuses
            # What was refused came with the next token, and so did the rest.
            assert (refused[0], 200) in statuses
            pages = {target for target, status in statuses if status == 200}
            assert sum("/ports?" in page and "marker=" in page for page in pages) >= 3
            assert controller.enforced() == in_force
            assert not trouble(controller)
            site.expect_open(controller)
        print(f"a list whose token was revoked between two pages: {done.stdout.strip()}")
    lab.ironic.delete(node)


def test_a_disabled_account_leaves_the_policy_as_it_is(
    lab: Lab, site: Site, running: Controller
) -> None:
    before = running.enforced()
    with judged_all_the_time(lab, site):
        lab.keystone.enable(USER, False)
        try:
            assert wait_for(lambda: bool(trouble(running)), PATIENCE), running.log()
            assert "auth_url" in trouble(running) or URL in trouble(running)
            assert running.enforced() == before
        finally:
            lab.keystone.enable(USER)


def test_a_wrong_password_is_told_by_its_option(
    lab: Lab, site: Site, running: Controller
) -> None:
    before = running.enforced()
    said = len(running.log())
    with judged_all_the_time(lab, site):
        running.reload({"ironic": {**SYSTEM, "password": WRONG_SECRET}})
        assert wait_for(lambda: "password" in trouble(running), PATIENCE), running.log()
        assert re.search(r"HTTP 401", trouble(running))
        assert re.search(r"\[ironic\].*password", trouble(running))
        assert "password" in running.log()[said:]
        assert wait_for(
            lambda: running.cli("status", check=False).returncode == 1, PATIENCE
        )
        assert running.enforced() == before
        # The account, and the right password, are as good as before.
        running.reload({"ironic": SYSTEM})
        assert wait_for(lambda: not trouble(running), PATIENCE), running.log()
        site.expect_open(running)


def test_a_login_that_sees_only_its_own_nodes_is_not_believed(
    lab: Lab, site: Site, running: Controller
) -> None:
    running.reload({"ironic": TENANT})

    def refused() -> bool:
        return "scope" in trouble(running)

    # The nodes of others would be unknown to it, and unknown ones are let in.
    assert running.enforced()["unknown"] == "allow"
    with judged_all_the_time(lab, site):
        assert wait_for(refused, PATIENCE), (trouble(running), running.log())
        failures = running.status()["sources"][0]["consecutive_failures"]
        assert wait_for(
            lambda: running.status()["sources"][0]["consecutive_failures"] > failures,
            PATIENCE,
        )
        assert site.verdicts().items() <= running.enforced().items()
        assert "system_scope" in running.cli("status", check=False).stdout
    assert "system_scope" in running.log()


def test_nothing_is_opened_by_a_login_that_never_saw_everything(
    lab: Lab, site: Site
) -> None:
    with controller_for(lab, **TENANT) as controller:
        controller.cli("teardown")
        controller.start()
        controller.wait_log("system_scope")
        assert not controller.status()["sync"]["synced"]
        assert controller.enforced() == {"unknown": "deny"}
        assert lab.ask(CLOSED[0], 1) is None
        assert lab.ask(OWNED, 1) is None


def test_tokens_that_live_for_seconds_are_renewed_in_time(
    lab: Lab, site: Site, short_lived_tokens: None, running: Controller
) -> None:
    seen: set[str] = set()

    def renewed() -> bool:
        seen.add(trouble(running))
        return logins(lab) >= before + 8

    with judged_all_the_time(lab, site):
        before = logins(lab)
        started = time.monotonic()
        assert wait_for(renewed, PATIENCE * 3, 0.2), running.log()
        lives = (time.monotonic() - started) / TOKEN_LIFE
        site.expect_open(running)
    assert wait_for(lambda: not trouble(running), PATIENCE)
    assert seen == {""}, seen
    assert lives > 1.5, "it logs in far more often than tokens end"


def test_without_keystone_the_policy_stays_and_the_status_says_so(
    lab: Lab, site: Site, short_lived_tokens: None, running: Controller
) -> None:
    before = running.enforced()
    with judged_all_the_time(lab, site):
        lab.service("keystone", "stop")
        try:
            # Ironic fails at once, without the one who knows its tokens; then the
            # last token ends.
            assert wait_for(lambda: URL in trouble(running), PATIENCE), trouble(running)
            assert wait_for(
                lambda: running.cli("status", check=False).returncode == 1, PATIENCE
            )
            assert URL in running.cli("status", check=False).stdout
            assert running.enforced() == before
            # One that starts now knows nothing, and opens nothing.
            running.stop()
            running.start()
            running.wait_log(re.escape(URL), len(running.log()))
            assert not running.status()["sync"]["synced"]
            assert running.enforced() == before
        finally:
            lab.service("keystone", "start")
        running.wait_synced()
        site.expect_open(running)
