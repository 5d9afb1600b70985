# SPDX-License-Identifier: Apache-2.0
"""The lab's Keystone: who has an account there, and its API.

Run as a program, it makes the accounts in a Keystone that has none:

    identity.py DIR        DIR: where to write clouds.yaml
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from namespace import HttpConnection

URL = "http://127.0.0.1:5000/v3"
REGION = "RegionOne"
INTERFACES = ("public", "internal", "admin")
# The catalogue, by service type.
ENDPOINTS = {
    "baremetal": "http://127.0.0.1:6385",
    "baremetal-introspection": "http://127.0.0.1:5050",
}


@dataclass(frozen=True)
class Account:
    """What a user has a role on: the system, or a project."""

    role: str
    project: str | None = None  # None: the system


ACCOUNTS = {
    # The services themselves, to each other. Keystone they ask as one in the
    # project "service".
    "ironic": Account("admin"),
    "ironic-inspector": Account("admin"),
    # What pxegate is meant to have: it may read everything, and nothing else.
    "pxegate": Account("reader"),
    # Application credentials have a project. Ironic lets the role "service" in the
    # project "service" see everything too (rbac_service_role_elevated_access).
    "pxegate-service": Account("service", "service"),
    # Sees the nodes that its project owns, and no others.
    "tenant": Account("reader", "tenant"),
}


def secret_of(name: str) -> str:
    """The password of a user. None is worth keeping: the server listens in a
    network namespace's loopback only."""
    return f"secret-of-{name}"


class KeystoneError(Exception):
    """A request that Keystone refused."""

    def __init__(self, request: str, status: int, body: str) -> None:
        super().__init__(f"{request}: {status}: {body[:500]}")
        self.status = status


class Keystone:
    """Its API, used as the administrator unless told otherwise."""

    SERVER = ("127.0.0.1", 5000)

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._token: str | None = None

    # --- tokens

    def token(self, user: str = "admin", scope: Any = "system") -> str:
        """Logs a user in. The scope is "system" or the name of a project."""
        if scope == "system":
            scope = {"system": {"all": True}}
        else:
            scope = {"project": {"name": scope, "domain": {"id": "default"}}}
        login = {
            "name": user,
            "domain": {"id": "default"},
            "password": secret_of(user),
        }
        methods = {"methods": ["password"], "password": {"user": login}}
        body = {"auth": {"identity": methods, "scope": scope}}
        _, headers = self._request_once("POST", "/auth/tokens", body, None)
        return headers["X-Subject-Token"]

    def revoke_tokens(self, user: str) -> None:
        """Ends all tokens that a user has so far."""
        # What setting a password does, were it the same one.
        path = f"/users/{self.id_of('user', user)}"
        self.request("PATCH", path, {"user": {"password": secret_of(user)}})

    # --- who may do what

    def create_user(self, name: str) -> str:
        user = {"name": name, "password": secret_of(name)}
        return self._create("user", user)

    def enable(self, user: str, enabled: bool = True) -> None:
        """Lets a user log in, or not; without, its tokens end as well."""
        path = f"/users/{self.id_of('user', user)}"
        self.request("PATCH", path, {"user": {"enabled": enabled}})

    def grant(self, user: str, account: Account) -> None:
        on = "/system"
        if account.project is not None:
            on = f"/projects/{self.id_of('project', account.project)}"
        role = self.id_of("role", account.role)
        self.request("PUT", f"{on}/users/{self.id_of('user', user)}/roles/{role}")

    def create_application_credential(
        self, user: str, name: str, **fields: Any
    ) -> dict[str, Any]:
        """One for a user's project, with its `id` and `secret`."""
        path = f"/users/{self.id_of('user', user)}/application_credentials"
        fields = {"name": name, "secret": secret_of(f"credential-{name}"), **fields}
        token = self.token(user, ACCOUNTS[user].project)
        body = {"application_credential": fields}
        made, _ = self._request_once("POST", path, body, token)
        return made["application_credential"]

    def delete_application_credential(self, user: str, credential: str) -> None:
        path = f"/users/{self.id_of('user', user)}/application_credentials/{credential}"
        token = self.token(user, ACCOUNTS[user].project)
        self._request_once("DELETE", path, None, token)

    # --- the catalogue

    def create_endpoint(
        self, service: str, interface: str, url: str, region: str = REGION
    ) -> str:
        found = self.request("GET", f"/services?type={service}")["services"]
        endpoint = {
            "service_id": found[0]["id"],
            "interface": interface,
            "url": url,
            "region_id": region,
        }
        return self._create("endpoint", endpoint)

    # --- the API

    def id_of(self, kind: str, name: str) -> str:
        (found,) = self.request("GET", f"/{kind}s?name={name}")[f"{kind}s"]
        return found["id"]

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request as the administrator; returns the decoded answer."""
        for last in False, True:
            self._token = self._token or self.token()
            try:
                return self._request_once(method, path, body, self._token)[0]
            except KeystoneError as error:
                if error.status != 401 or last:
                    raise
                self._token = None  # tokens may live for seconds

    def _create(self, kind: str, fields: Mapping[str, Any]) -> str:
        return self.request("POST", f"/{kind}s", {kind: fields})[kind]["id"]

    def _request_once(
        self, method: str, path: str, body: Any, token: str | None
    ) -> tuple[Any, Mapping[str, str]]:
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["X-Auth-Token"] = token
        connection = HttpConnection(self._namespace, self.SERVER, timeout=30)
        with contextlib.closing(connection):
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/v3{path}", text, headers)
            response = connection.getresponse()
            answer = response.read().decode()
        if response.status >= 400:
            raise KeystoneError(f"{method} {path}", response.status, answer)
        return json.loads(answer) if answer else None, response.headers


def make_accounts(keystone: Keystone) -> None:
    there = {role["name"] for role in keystone.request("GET", "/roles")["roles"]}
    for role in {account.role for account in ACCOUNTS.values()} - there:
        keystone._create("role", {"name": role})
    for project in {account.project for account in ACCOUNTS.values()} - {None}:
        keystone._create("project", {"name": project, "domain_id": "default"})
    for name, account in ACCOUNTS.items():
        keystone.create_user(name)
        keystone.grant(name, account)
    for name in "ironic", "ironic-inspector":
        keystone.grant(name, Account("service", "service"))
    for service, url in ENDPOINTS.items():
        keystone._create("service", {"type": service, "name": service})
        for interface in INTERFACES:
            keystone.create_endpoint(service, interface, url)


def clouds(credential: Mapping[str, Any]) -> dict[str, Any]:
    """A clouds.yaml with a login of each kind."""

    def login(user: str, project: str | None) -> dict[str, Any]:
        auth = {
            "auth_url": URL,
            "username": user,
            "password": secret_of(user),
            "user_domain_name": "Default",
        }
        if project is None:
            auth["system_scope"] = "all"
        else:
            auth |= {"project_name": project, "project_domain_name": "Default"}
        return {"auth": auth, "region_name": REGION}

    by_credential = {
        "auth_url": URL,
        "application_credential_id": credential["id"],
        "application_credential_secret": credential["secret"],
    }
    return {
        "clouds": {
            "admin": login("admin", None),
            **{name: login(name, one.project) for name, one in ACCOUNTS.items()},
            "credential": {
                "auth_type": "v3applicationcredential",
                "auth": by_credential,
                "region_name": REGION,
            },
        }
    }


def main() -> None:
    keystone = Keystone("/proc/self/ns/net")
    make_accounts(keystone)
    credential = keystone.create_application_credential("pxegate-service", "pxegate")
    # JSON is YAML.
    text = json.dumps(clouds(credential), indent=2) + "\n"
    Path(sys.argv[1], "clouds.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
