"""Metrics of runs and queries in the CloudWatch embedded metric format, as lines of the log.

CloudWatch extracts them from the log, without an API call, in Lambda and in containers with the awslogs driver. Outside
Lambda, aws-embedded-metrics looks for an agent and drops metrics if there is none, so this module gives it an
environment that always writes to the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TextIO

from aws_embedded_metrics.environment import Environment
from aws_embedded_metrics.logger.metrics_context import MetricsContext
from aws_embedded_metrics.logger.metrics_logger import MetricsLogger
from aws_embedded_metrics.serializers.log_serializer import LogSerializer
from aws_embedded_metrics.sinks import Sink

from service.settings import Settings
from service.telemetry import stream_for

__all__ = ["METRICS", "NAMESPACE", "Installation", "emit_metrics", "publish_metrics"]

NAMESPACE: Final = "DRSOrchestration/ActiveRegionFiltering"

# Metric -> (member of the report, unit). Existing dashboards read the first five names and units.
METRICS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ActiveRegionCount": ("activeRegionCount", "Count"),
        "RegionsSkipped": ("regionsSkipped", "Count"),
        "APICallReduction": ("apiCallReductionPercent", "Percent"),
        "InstancesUnprotected": ("instancesUnprotected", "Count"),
        "InventoryDatabaseHits": ("inventoryDatabaseHits", "Count"),
        "InventoryDatabaseMisses": ("inventoryDatabaseMisses", "Count"),
        "RegionsScanned": ("regionsScanned", "Count"),
        "RegionsFailed": ("regionsFailed", "Count"),
        "ScopesFailed": ("scopesFailed", "Count"),
        "ScopesToRepair": ("scopesToRepair", "Count"),
        "ScopesUnknown": ("scopesUnknown", "Count"),
        "ScopesUncounted": ("scopesUncounted", "Count"),
        "ServersHeldBack": ("serversNotExtended", "Count"),
        "ServersReady": ("serversReady", "Count"),
        "ServersSyncing": ("serversSyncing", "Count"),
        "ServersStalled": ("serversStalled", "Count"),
        "ServersDisconnected": ("serversDisconnected", "Count"),
        "ServersExtensionError": ("serversExtensionError", "Count"),
        "ServersUnknown": ("serversUnknown", "Count"),
        "ServersOverLagObjective": ("serversOverLagObjective", "Count"),
        "ServersWithoutRecentDrill": ("serversWithoutRecentDrill", "Count"),
        "WorstLagSeconds": ("worstLagSeconds", "Seconds"),
        "OldestCompleteScanSeconds": ("oldestCompleteScanSeconds", "Seconds"),
        "StagingFillPercent": ("stagingFillPercent", "Percent"),
        "ServersSynced": ("serversSynced", "Count"),
        "ApiCallsMade": ("apiCallsTotal", "Count"),
        "ApiCallsThrottled": ("apiCallsThrottled", "Count"),
        "FullScanFallbacks": ("fallback", "Count"),
        "SyncDuration": ("durationSeconds", "Seconds"),
        "SyncTimeSaved": ("timeSavedSeconds", "Seconds"),
    }
)
_MAX_DIMENSION: Final = 250


class _StreamSink(Sink):
    """Writes each document as one line and flushes, so that none is lost if the process is killed."""

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
    """Environment of aws-embedded-metrics that writes to a stream."""

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
        """Do nothing: the caller sets the dimensions."""

    def get_sink(self) -> Sink:
        return self._sink


class Installation(NamedTuple):
    """What tells the metrics of two installations in one account apart."""

    project: str
    environment: str


async def emit_metrics(
    stream: TextIO, report: Mapping[str, Any], values: Mapping[str, float], installation: Installation
) -> None:
    """Write the metrics of a run: without dimensions, by operation, and by installation and operation.

    Alarms of an existing platform read the first two, in which all installations of an account are one; alarms and
    dashboard of deploy/templates read the last. Nothing is written to a terminal, where nothing collects metrics.

    Args:
        stream: stream to write to.
        report: report of the run, with `operation`.
        values: values of METRICS that are not in the report; None leaves the metric out.
        installation: whose run it was.
    """
    if stream.isatty():
        return
    environment = _StreamEnvironment(stream)

    async def resolve() -> Environment:
        return environment

    logger = MetricsLogger(resolve)
    logger.set_namespace(NAMESPACE)
    operation = {"Operation": str(report["operation"])}
    names = {"Project": _dimension(installation.project), "Environment": _dimension(installation.environment)}
    logger.set_dimensions({}, operation, {**names, **operation}, use_default=False)
    figures = {**report, **values}
    for name, (member, unit) in METRICS.items():
        if figures.get(member) is not None:
            logger.put_metric(name, float(figures[member]), unit)
    await logger.flush()


def _dimension(value: str) -> str:
    """Return a setting as the value of a dimension, which is ASCII: an odd name must not fail a run."""
    return "".join(each if " " < each <= "~" else "?" for each in value)[:_MAX_DIMENSION] or "?"


async def publish_metrics(settings: Settings, report: Mapping[str, Any], values: Mapping[str, float]) -> None:
    """Write the metrics of a run or a query to where this process logs. The arguments are those of `emit_metrics`."""
    installation = Installation(settings.project_name, settings.environment)
    await emit_metrics(stream_for(settings.aws_lambda_function_name), report, values, installation)
