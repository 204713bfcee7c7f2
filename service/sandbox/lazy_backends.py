"""moto backends that are filled when they are first used, so that a large fleet costs nothing until it is read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Self

from moto.core.base_backend import AccountSpecificBackend, BackendDict

__all__ = ["LazyAccount"]

Fill = Callable[[Any], None]


class LazyAccount(AccountSpecificBackend):
    """Backends of one service in one account. Each is filled at its first use, with everything that was planned for it.

    Every way to a backend goes through here: requests, other backends, tests. Listing the backends fills them all, but
    for `keys`, which moto itself uses to look whether one exists. `lock` must be the one that requests of the service
    hold, if they hold any: a thread that comes while a backend is filled waits for the whole of it.
    """

    def __init__(self, backends: BackendDict, account_id: str, lock: AbstractContextManager[Any]) -> None:
        super().__init__(
            backends.service_name,
            account_id,
            backends.backend,
            use_boto3_regions=False,
            additional_regions=list(backends[account_id].regions),
        )
        self._lock = lock
        self._planned: dict[str, list[Fill]] = {}
        self._filling: set[str] = set()  # a backend that is filled may use others, which use it in turn

    @classmethod
    def of(cls, backends: BackendDict, account_id: str, lock: AbstractContextManager[Any]) -> Self:
        """Return the lazy account of a service, put in place of the account that moto made."""
        account = backends[account_id]
        if not isinstance(account, cls):
            account = cls(backends, account_id, lock)
            backends[account_id] = account
        return account

    def fill(self, region: str, fill: Fill) -> None:
        """Call a function with the backend of a region: when it is first used, or now if it is in use already."""
        with self._lock:
            if region in self.keys() and region not in self._planned:
                fill(self[region])
            else:
                self._planned.setdefault(region, []).append(fill)

    def is_planned(self, region: str) -> bool:
        """Whether the backend of a region will be filled at its first use, i.e. was not used yet."""
        return region in self._planned and region not in self._filling

    def __getitem__(self, region_name: str) -> Any:  # noqa: ANN401  (as in moto)
        """Return the backend of a region, filled."""
        if region_name in self._planned:
            with self._lock:
                self._fill(region_name)
        return super().__getitem__(region_name)

    def _fill(self, region: str) -> None:
        if region in self._filling:
            return  # this very thread fills it: others wait for the lock
        self._filling.add(region)
        try:
            for fill in self._planned.get(region, ()):  # none: another thread has filled it meanwhile
                fill(super().__getitem__(region))
        except BaseException:
            self.pop(region, None)  # half a scope must not pass for the whole: the next use fails in the same way
            raise
        else:
            self._planned.pop(region, None)
        finally:
            self._filling.discard(region)

    def _fill_all(self) -> None:
        for region in list(self._planned):
            self[region]

    def __iter__(self) -> Any:  # noqa: ANN401  (as in moto)
        self._fill_all()
        return super().__iter__()

    def values(self) -> Any:  # noqa: ANN401  (as in dict)
        """Return the backends that exist."""
        self._fill_all()
        return super().values()

    def items(self) -> Any:  # noqa: ANN401  (as in dict)
        """Return the regions and backends that exist."""
        self._fill_all()
        return super().items()

    def clear(self) -> None:
        """Remove all backends, and what was planned for them."""
        self._planned.clear()
        super().clear()

    def reset(self) -> None:
        """Empty all backends, as moto's own reset does."""
        self._planned.clear()
        super().reset()
