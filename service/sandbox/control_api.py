"""JSON endpoints under /sandbox/ with which tests and tools inspect and change a running sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Final, Self

from pydantic import Field, model_validator

from service.sandbox.auth import AuthMiddleware
from service.sandbox.aws_protocols import Environ, Response, json_response
from service.sandbox.faults import AccountId, Faults, RegionName, Strict
from service.sandbox.fleet import FleetError, parse_model
from service.sandbox.fleet_models import Fragment
from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.seeder import Seeder

__all__ = ["ClockRequest", "ControlApi", "RemovalRequest"]

_PREFIX: Final = "/sandbox/"
_MAX_ADVANCE_S: Final = 365 * 24 * 3600


class RemovalRequest(Strict):
    """Source servers to remove, as if somebody had deleted them in the console."""

    account_id: AccountId
    region: RegionName
    source_server_ids: tuple[str, ...] = Field(min_length=1)


class ClockRequest(Strict):
    """Time by which to move DRS's clock, and whether reads move states from now on."""

    advance_s: float | None = Field(None, ge=0, le=_MAX_ADVANCE_S, allow_inf_nan=False)
    auto_advance: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.advance_s is None and self.auto_advance is None:
            raise ValueError("the request changes nothing. Fix: give advance_s, auto_advance, or both")
        return self


class ControlApi:
    """WSGI application that serves /sandbox/ itself and passes every other request to the auth middleware."""

    def __init__(self, middleware: AuthMiddleware, seeder: Seeder) -> None:
        self.middleware = middleware
        self._seeder = seeder
        self._routes: Mapping[tuple[str, str], Callable[[bytes], Mapping[str, Any]]] = MappingProxyType(
            {
                ("GET", "health"): self._health,
                ("GET", "calls"): self._calls,
                ("DELETE", "calls"): self._clear_calls,
                ("GET", "invocations"): self._invocations,
                ("DELETE", "invocations"): self._clear_invocations,
                ("GET", "fleet"): lambda _body: self.export(),
                ("POST", "fleet"): self._add_fleet,
                ("PUT", "faults"): self._replace_faults,
                ("POST", "remove"): self._remove,
                ("GET", "clock"): self._clock,
                ("POST", "clock"): self._move_clock,
            }
        )

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        path = str(environ.get("PATH_INFO", ""))
        if not path.startswith(_PREFIX):
            return self.middleware(environ, start_response)
        response = self._respond(environ, path.removeprefix(_PREFIX).rstrip("/"))
        start_response(response.status_line, list(response.headers))
        return [response.body]

    def add(self, fragment: Fragment) -> None:
        """Add a fragment to the running fleet, including its roles and disabled regions.

        Raises:
            FleetError: the fragment does not fit the fleet; nothing is added.
        """
        self.middleware.identity_store.load(self._seeder.add(fragment))

    def export(self) -> dict[str, Any]:
        """Return the running fleet as a fleet document."""
        return self._seeder.export(self.middleware.fault_injector.faults)

    def _respond(self, environ: Environ, name: str) -> Response:
        if not ip_address(str(environ.get("REMOTE_ADDR", "0.0.0.0"))).is_loopback:  # noqa: S104  (compared, not bound)
            return json_response(403, {"error": "the control API accepts requests from loopback addresses only"})
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        handler = self._routes.get((str(environ.get("REQUEST_METHOD", "")), name))
        if handler is None:
            known = ", ".join(f"{method} {_PREFIX}{route}" for method, route in self._routes)
            return json_response(404, {"error": f"no such endpoint. Fix: use one of {known}"})
        try:
            return json_response(200, handler(body))
        except FleetError as error:
            return json_response(400, {"error": str(error)})

    def _health(self, _body: bytes) -> Mapping[str, Any]:
        fleet = self._seeder.fleet
        return {
            "status": "ok",
            "hub": fleet.hub.account_id,
            "accounts": len(fleet.accounts),
            "servers": self._seeder.count(),
        }

    def _calls(self, _body: bytes) -> Mapping[str, Any]:
        counts = self.middleware.call_counter.counts()
        return {"total": sum(entry.count for entry in counts), "calls": [asdict(entry) for entry in counts]}

    def _clear_calls(self, body: bytes) -> Mapping[str, Any]:
        self.middleware.call_counter.clear()
        return self._calls(body)

    def _invocations(self, _body: bytes) -> Mapping[str, Any]:
        invocations = self.middleware.lambda_functions.invocations()
        return {"total": len(invocations), "invocations": [asdict(entry) for entry in invocations]}

    def _clear_invocations(self, body: bytes) -> Mapping[str, Any]:
        self.middleware.lambda_functions.clear()
        return self._invocations(body)

    def _add_fleet(self, body: bytes) -> Mapping[str, Any]:
        self.add(parse_model(Fragment, _parse_json(body), "fleet fragment"))
        return self._health(body)

    def _replace_faults(self, body: bytes) -> Mapping[str, Any]:
        faults = parse_model(Faults, _parse_json(body), "faults")
        self.middleware.fault_injector.replace(faults)
        return faults.model_dump(mode="json")

    def _remove(self, body: bytes) -> Mapping[str, Any]:
        removal = parse_model(RemovalRequest, _parse_json(body), "removal")
        return {"removed": self._seeder.remove(removal.account_id, removal.region, removal.source_server_ids)}

    def _clock(self, _body: bytes) -> Mapping[str, Any]:
        return {
            "now": drs_clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "moved_s": drs_clock.offset.total_seconds(),
            "auto_advance": self._seeder.auto_advance,
        }

    def _move_clock(self, body: bytes) -> Mapping[str, Any]:
        request = parse_model(ClockRequest, _parse_json(body), "clock")
        if request.auto_advance is not None:
            self._seeder.set_auto_advance(is_on=request.auto_advance)
        try:
            drs_clock.advance(request.advance_s or 0)
        except ValueError as error:
            raise FleetError(f"advance_s: {error}") from None
        return self._clock(body)


def _parse_json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise FleetError(f"request body: not JSON: {error}") from None
