"""moto's dispatcher of requests to services, with a cache, and an error response for services moto does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

from moto.core import responses
from moto.core.utils import method_names_from_class
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from service.sandbox.aws_protocols import Environ, json_response

__all__ = ["Dispatcher"]


_method_names: Final = cache(method_names_from_class)


class _UnknownServiceError(LookupError):
    """moto has no backend for a host."""


class Dispatcher(DomainDispatcherApplication):
    """Router of each request to the backend of its service."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        # moto would look at each attribute of a handler's class on every request.
        responses.method_names_from_class = _method_names
        self._backends: dict[str, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:  # noqa: ANN401  (as in moto)
        """Find the backend of a host name, cached: moto would match some 200 patterns on every request."""
        if host is None:
            return None
        backend = self._backends.get(host) or super().get_backend_for_host(host)
        if backend is None:
            raise _UnknownServiceError(host)
        self._backends[host] = backend
        return backend

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        try:
            application = self.get_application(environ)
        except _UnknownServiceError as error:
            response = json_response(
                501,
                {"message": f"this sandbox has no service at {error}"},
                {"x-amzn-ErrorType": "NotImplementedException"},
            )
            start_response(response.status_line, list(response.headers))
            return [response.body]
        parts: Iterable[bytes] = application(environ, start_response)
        return parts
