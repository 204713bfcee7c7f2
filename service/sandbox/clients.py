"""boto3 clients of a sandbox, whatever the environment and the configuration files say."""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config

__all__ = ["Clients"]

# Without the variables and files of the user: a profile that does not exist would be an error, a real one no better.
_SETTINGS: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class Clients:
    """Clients of one sandbox, closed together."""

    def __init__(self) -> None:
        self._clients: list[Any] = []
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None

    def client(
        self,
        service: str,
        *,
        endpoint_url: str,
        access_key: str,
        secret_key: str,
        region: str,
        **options: Any,  # noqa: ANN401  (those of boto3)
    ) -> Any:  # noqa: ANN401  (boto3's clients have no type)
        """Return a new boto3 client; `options` are those of boto3."""
        config = Config(proxies={}).merge(options.pop("config", None) or Config())
        with self._lock:  # sessions are not made for several threads at a time
            if self._session is None:
                self._session = boto3.Session(botocore_session=botocore.session.Session(_SETTINGS))
            client = self._session.client(
                service,
                region_name=region,
                endpoint_url=endpoint_url,
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key,
                config=config,
                **options,
            )
            self._clients.append(client)
        return client

    def close(self) -> None:
        """Close the clients, and the connections that they keep open."""
        with self._lock:
            clients, self._clients = self._clients, []
        for client in clients:
            client.close()
