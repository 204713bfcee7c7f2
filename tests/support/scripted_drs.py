"""DRS and STS by hand: records by account and region as a test sets them. It shares no code with the sandbox."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

from tests.support.scripted import Answer, Request, answer, refusal

__all__ = ["ScriptedDrs"]

_CREDENTIAL: Final = re.compile(r"Credential=(\w+)/\d+/([a-z0-9-]+)/")
_LISTS: Final = {
    "DescribeSourceServers": "servers",
    "DescribeRecoveryInstances": "instances",
    "DescribeReplicationConfigurationTemplates": "templates",
}


@dataclass(slots=True)
class ScriptedDrs:
    """What DRS answers.

    `servers`, `instances` and `templates` have records by account; `configurations` by server id. `denied` has pairs
    of account and operation; `answers` replaces the whole answer of an operation. `roles` are the roles that were
    assumed, with their external ids; `calls` counts the DRS calls by account and operation.
    """

    hub: str
    servers: dict[str, list[Any]] = field(default_factory=dict)
    instances: dict[str, list[Any]] = field(default_factory=dict)
    templates: dict[str, list[Any]] = field(default_factory=dict)
    configurations: dict[str, dict[str, Any]] = field(default_factory=dict)
    denied: set[tuple[str, str]] = field(default_factory=set)
    answers: dict[str, Answer] = field(default_factory=dict)
    roles: set[tuple[str, str]] = field(default_factory=set)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        match = _CREDENTIAL.search(request.headers.get("authorization", ""))
        assert match is not None
        if b"Action=" in request.body:
            return self._query_protocol(parse_qs(request.body.decode()))
        account_id = match[1].removeprefix("ASIA") if match[1].startswith("ASIA") else self.hub
        self.calls[account_id, request.operation] += 1
        if (account_id, request.operation) in self.denied:
            return refusal("AccessDeniedException", 403, "not authorized")
        return self.answers.get(request.operation) or self._drs(account_id, request)

    def _query_protocol(self, form: Mapping[str, list[str]]) -> Answer:
        action = form["Action"][0]
        if action == "GetCallerIdentity":
            inside = f"<Account>{self.hub}</Account><Arn>arn:aws:iam::{self.hub}:user/test</Arn><UserId>U</UserId>"
        elif action == "AssumeRole":
            role = form["RoleArn"][0]
            self.roles.add((role, form.get("ExternalId", [""])[0]))
            account_id = role.split(":")[4]
            if (account_id, "AssumeRole") in self.denied:
                body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
                return 403, {"Content-Type": "text/xml"}, body.encode()
            inside = (
                f"<Credentials><AccessKeyId>ASIA{account_id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            )
        else:
            return answer(f"<{action}Response><reservationSet/></{action}Response>".encode())
        return answer(f"<{action}Response><{action}Result>{inside}</{action}Result></{action}Response>".encode())

    def _drs(self, account_id: str, request: Request) -> Answer:
        if request.operation == "GetReplicationConfiguration":
            server_id = request.params["sourceServerID"]
            found = self.configurations.get(f"{account_id}/{server_id}")
            return answer(found) if found else refusal("ResourceNotFoundException", 404)
        records = getattr(self, _LISTS[request.operation]).get(account_id, [])
        ids = (request.params.get("filters") or {}).get("sourceServerIDs")
        return answer({"items": [each for each in records if not ids or each["sourceServerID"] in ids]})
