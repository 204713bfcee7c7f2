"""Log lines and metrics. Both are JSON lines on one stream: stdout in Lambda, stderr everywhere else.

CloudWatch makes metrics of such lines by itself (embedded metric format, no API call) wherever a log agent carries
them: in Lambda, and in a container with the awslogs driver. aws-embedded-metrics would look for an agent outside Lambda
and drop what it cannot deliver, so the environment it writes to is ours, and it is always the same stream.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TextIO

from aws_embedded_metrics.environment import Environment
from aws_embedded_metrics.logger.metrics_context import MetricsContext
from aws_embedded_metrics.logger.metrics_logger import MetricsLogger
from aws_embedded_metrics.serializers.log_serializer import LogSerializer
from aws_embedded_metrics.sinks import Sink
from pythonjsonlogger.json import JsonFormatter

__all__ = ["METRICS", "NAMESPACE", "emit_metrics", "set_up_logging", "stream_for"]

NAMESPACE: Final = "DRSOrchestration/ActiveRegionFiltering"

# Metric -> (member of the run's report, unit). The first five names and units are what existing dashboards read.
METRICS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ActiveRegionCount": ("activeRegionCount", "Count"),
        "RegionsSkipped": ("regionsSkipped", "Count"),
        "APICallReduction": ("apiCallReductionPercent", "Percent"),
        "InventoryDatabaseHits": ("inventoryDatabaseHits", "Count"),
        "InventoryDatabaseMisses": ("inventoryDatabaseMisses", "Count"),
        "RegionsScanned": ("regionsScanned", "Count"),
        "RegionsFailed": ("regionsFailed", "Count"),
        "ScopesFailed": ("scopesFailed", "Count"),
        "ServersSynced": ("serversSynced", "Count"),
        "ApiCallsMade": ("apiCallsTotal", "Count"),
        "ApiCallsThrottled": ("apiCallsThrottled", "Count"),
        "FullScanFallbacks": ("fallback", "Count"),
        "SyncDuration": ("durationSeconds", "Seconds"),
        "SyncTimeSaved": ("timeSavedSeconds", "Seconds"),
    }
)

# At DEBUG these write session tokens into the log, so they never get there.
_TELLTALES: Final = ("botocore", "aiobotocore", "aiohttp", "urllib3", "httpx", "httpcore")
# These warn of a renewal of the hub's own credentials that failed, and add the error, which may quote what came. Where
# it matters the error comes out of the door as well, without that.
_QUOTING: Final = ("aiobotocore.credentials", "aiobotocore.tokens", "botocore.credentials", "botocore.tokens")


def stream_for(lambda_function: str) -> TextIO:
    """Choose the stream: a Lambda function's answer does not travel on stdout, a command's report does."""
    return sys.stdout if lambda_function else sys.stderr


def set_up_logging(stream: TextIO, level: str) -> None:
    """Send this package's log as JSON lines to a stream, and keep the SDK's DEBUG lines out of it."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        JsonFormatter(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
        )
    )
    logger = logging.getLogger("service")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    for name in _TELLTALES:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _QUOTING:
        logging.getLogger(name).addFilter(_without_cause)  # once, however often


def _without_cause(record: logging.LogRecord) -> bool:
    record.exc_info = record.exc_text = None
    return True


class _StreamSink(Sink):
    """Writes each document as one line and flushes, so that a killed process has lost none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def accept(self, context: MetricsContext) -> None:
        for document in LogSerializer.serialize(context):
            self._stream.write(document + "\n")
        self._stream.flush()

    @staticmethod
    def name() -> str:
        return "StreamSink"


class _StreamEnvironment(Environment):
    """The one place metrics go to, whatever the process runs in."""

    def __init__(self, stream: TextIO) -> None:
        self._sink = _StreamSink(stream)

    async def probe(self) -> bool:
        return True

    def get_name(self) -> str:
        return "drs-sync"

    def get_type(self) -> str:
        return "drs-sync"

    def get_log_group_name(self) -> str:
        return ""

    def configure_context(self, context: MetricsContext) -> None:
        """Nothing to add: dimensions are set by the caller."""

    def get_sink(self) -> Sink:
        return self._sink


async def emit_metrics(stream: TextIO, report: Mapping[str, Any], values: Mapping[str, float]) -> None:
    """Write the metrics of a run, each without dimensions (what existing alarms read) and by operation.

    On a terminal there is no agent that would carry them, and a person reads the report: nothing is written there.

    Args:
        stream: where to.
        report: the run's report; carries `operation`.
        values: figures that METRICS names and the report does not hold; None leaves the metric out.
    """
    if stream.isatty():
        return
    environment = _StreamEnvironment(stream)

    async def resolve() -> Environment:
        return environment

    logger = MetricsLogger(resolve)
    logger.set_namespace(NAMESPACE)
    logger.set_dimensions({}, {"Operation": str(report["operation"])}, use_default=False)
    figures = {**report, **values}
    for name, (member, unit) in METRICS.items():
        if figures.get(member) is not None:
            logger.put_metric(name, float(figures[member]), unit)
    await logger.flush()
