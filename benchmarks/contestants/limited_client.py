"""Bare signed HTTP client under the engine's rate limits, for floors of jobs that those limits slow down."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from benchmarks.contestants.signed_client import Destination, SignedClient
from service.aws.rate_limit import RateLimiter, RateSettings, start_rates
from service.models import Call
from service.settings import Settings

__all__ = ["LimitedClient"]


class LimitedClient(SignedClient):
    """The same client under the engine's rate limits."""

    def __init__(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        super().__init__(session)
        drs = RateSettings(
            settings.drs_calls_per_second,
            settings.drs_burst,
            settings.drs_calls_at_once,
            settings.drs_most_calls_per_second,
        )
        self._rates = start_rates(drs)
        self._limiters: dict[Call, RateLimiter] = {}

    async def send(self, destination: Destination, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Send one request when its rate limit allows it."""
        call = Call(destination.service, "", destination.keys.access_key, destination.region)
        if call not in self._limiters:
            self._limiters[call] = RateLimiter(self._rates[call.service])
        limiter = self._limiters[call]
        await limiter.wait(call)
        async with limiter.slots:
            answer = await super().send(destination, body, headers)
        limiter.rate.succeeded()
        return answer
