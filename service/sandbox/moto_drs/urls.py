"""drs base URL and paths."""

from .responses import DRSResponse

url_bases = [r"https?://drs\.(.+)\.amazonaws\.com"]

_OPERATIONS = (
    "CreateExtendedSourceServer",
    "CreateReplicationConfigurationTemplate",
    "DeleteRecoveryInstance",
    "DeleteSourceServer",
    "DescribeJobs",
    "DescribeRecoveryInstances",
    "DescribeReplicationConfigurationTemplates",
    "DescribeSourceServers",
    "DisconnectRecoveryInstance",
    "DisconnectSourceServer",
    "GetFailbackReplicationConfiguration",
    "GetLaunchConfiguration",
    "GetReplicationConfiguration",
    "InitializeService",
    "ListExtensibleSourceServers",
    "ListStagingAccounts",
    "ReverseReplication",
    "StartRecovery",
    "StartReplication",
    "StopReplication",
    "TerminateRecoveryInstances",
    "UpdateLaunchConfiguration",
    "UpdateReplicationConfiguration",
)

url_paths = {
    **{f"{{0}}/{operation}$": DRSResponse.dispatch for operation in _OPERATIONS},
    "{0}/tags/(?P<resourceArn>.+)$": DRSResponse.dispatch,
}
