"""Identities of access keys, and the roles that may be assumed."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from moto.iam.models import iam_backends
from moto.utilities.utils import get_partition

from service.sandbox import error_responses
from service.sandbox.aws_protocols import Call, Response
from service.sandbox.fleet_models import Fleet, Role
from service.sandbox.policies import PolicyError, SessionPolicy, TrustPolicy

__all__ = ["CallerIdentity", "IdentityStore", "administrator_key"]

_ROLE_ARN: Final = re.compile(r"arn:[a-z-]+:iam::(\d{12}):role/(.+)")
_ISSUED_KEY: Final = re.compile(rb"<AccessKeyId>([^<]+)</AccessKeyId>")
_ADMINISTRATOR_KEY: Final = "AKIA0000"
_DEFAULT_SESSION_DURATION_S: Final = 3600


def administrator_key(account_id: str) -> str:
    """Return the access key of the administrator of a declared account."""
    return f"{_ADMINISTRATOR_KEY}{account_id}"


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """Identity of an access key. `issued_at` (clock seconds), `duration_s` and `policy` are those of sessions only."""

    account_id: str
    arn: str
    issued_at: float | None = None
    duration_s: float = 0.0
    policy: SessionPolicy | None = None


class IdentityStore:
    """Identities of one sandbox: the hub, its role sessions in other accounts, and the declared roles.

    Any access key that this sandbox's STS did not issue belongs to the hub, so a client needs no particular key, except
    that `AKIA0000` and the id of a declared account are a key of that account's administrator.
    """

    def __init__(self, fleet: Fleet, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[str, CallerIdentity] = {}
        self._lock = threading.Lock()
        self.load(fleet)

    def load(self, fleet: Fleet) -> None:
        """Load roles and disabled regions from a fleet; sessions already issued stay valid."""
        # This is the ARN that moto's GetCallerIdentity returns for a key that it has not issued.
        self._region = fleet.hub.region
        partition = get_partition(self._region)
        self._hub = CallerIdentity(fleet.hub.account_id, f"arn:{partition}:sts::{fleet.hub.account_id}:user/moto")
        self._administrators = {
            administrator_key(account.account_id): CallerIdentity(
                account.account_id, f"arn:{partition}:iam::{account.account_id}:user/administrator"
            )
            for account in fleet.accounts
        }
        self._context = {"aws:PrincipalArn": fleet.hub.principal_arn or self._hub.arn}
        if fleet.hub.organization_id:
            self._context["aws:PrincipalOrgID"] = fleet.hub.organization_id
        self._hub_root = f"arn:{partition}:iam::{fleet.hub.account_id}:root"
        self._roles: dict[str, Role] = {account.account_id: account.role for account in fleet.accounts if account.role}
        self._disabled_regions = {account.account_id: account.regions_off for account in fleet.accounts}

    def identity_of(self, access_key: str) -> CallerIdentity:
        """Return the identity of an access key."""
        with self._lock:
            return self._sessions.get(access_key) or self._administrators.get(access_key, self._hub)

    def is_region_disabled(self, account_id: str, region: str) -> bool:
        """Whether an account has a region disabled."""
        return region in self._disabled_regions.get(account_id, frozenset())

    def disabled_regions(self, account_id: str) -> frozenset[str]:
        """Return the regions an account has disabled."""
        return self._disabled_regions.get(account_id, frozenset())

    def is_expired(self, caller: CallerIdentity, lifetime_s: float | None) -> bool:
        """Whether a session has expired, by its own duration or by the shorter lifetime of the faults."""
        if caller.issued_at is None:
            return False
        duration_s = caller.duration_s if lifetime_s is None else min(caller.duration_s, lifetime_s)
        return self._clock() >= caller.issued_at + duration_s

    def check_assume_role(self, call: Call, caller: CallerIdentity) -> Response | None:
        """Return the error response of an AssumeRole call, or None when it is allowed.

        It is allowed when the role is declared or was created in the account, the caller is the hub, and the trust
        policy of the role is met: by default, it requires the external id.
        """
        match = _ROLE_ARN.fullmatch(call.form.get("RoleArn", ""))
        role = (self._roles.get(match[1]) or self._created_role(match[1], match[2])) if match else None
        if match is None or role is None or match[2] != role.name or caller != self._hub:
            return error_responses.assume_role_denied(call, caller.arn)
        if not self._is_trusted(role, call):
            return error_responses.assume_role_denied(call, caller.arn)
        try:
            _session_policy(call)
        except PolicyError as error:
            return error_responses.malformed_policy(call, str(error))
        return error_responses.session_duration_exceeded(call) if _duration_s(call) > role.max_session_s else None

    def _created_role(self, account_id: str, name: str) -> Role | None:
        """Return a role that IAM or a stack has created."""
        roles = iam_backends[account_id][get_partition(self._region)].roles.values()
        created = next((role for role in roles if role.name == name), None)
        return Role(name=name, trust_policy=json.loads(created.assume_role_policy_document)) if created else None

    def _is_trusted(self, role: Role, call: Call) -> bool:
        external_id = call.form.get("ExternalId")
        if role.trust_policy is None:
            return role.external_id is None or external_id == role.external_id
        context = self._context if external_id is None else {**self._context, "sts:ExternalId": external_id}
        return TrustPolicy.parse(role.trust_policy).trusts(self._hub_root, context)

    def store_session(self, call: Call, response: Response) -> None:
        """Store the session that an AssumeRole which `check_assume_role` let through has issued, by its access key."""
        _, partition, _, _, account_id, role = call.form["RoleArn"].split(":", 5)
        name, session_name = role.rpartition("/")[2], call.form["RoleSessionName"]
        arn = f"arn:{partition}:sts::{account_id}:assumed-role/{name}/{session_name}"
        session = CallerIdentity(account_id, arn, self._clock(), _duration_s(call), _session_policy(call))
        with self._lock:
            self._sessions |= {key.decode(): session for key in _ISSUED_KEY.findall(response.body)}


def _session_policy(call: Call) -> SessionPolicy | None:
    return SessionPolicy.parse(call.form["Policy"]) if "Policy" in call.form else None


def _duration_s(call: Call) -> int:
    text = call.form.get("DurationSeconds", "")
    return int(text) if text.isascii() and text.isdigit() else _DEFAULT_SESSION_DURATION_S
