"""drs base URL and paths."""

from .responses import DRSResponse

url_bases = [
    r"https?://drs(-fips)?\.(.+)\.amazonaws\.com",
    r"https?://drs(-fips)?\.(.+)\.api\.aws",  # dual-stack
]

_OPERATIONS = (
    "CreateExtendedSourceServer",
    "CreateReplicationConfigurationTemplate",
    "DeleteJob",
    "DeleteRecoveryInstance",
    "DeleteReplicationConfigurationTemplate",
    "DeleteSourceServer",
    "DescribeJobs",
    "DescribeRecoveryInstances",
    "DescribeRecoverySnapshots",
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
    "RetryDataReplication",
    "ReverseReplication",
    "StartFailbackLaunch",
    "StartRecovery",
    "StartReplication",
    "StopFailback",
    "StopReplication",
    "TerminateRecoveryInstances",
    "UpdateFailbackReplicationConfiguration",
    "UpdateLaunchConfiguration",
    "UpdateReplicationConfiguration",
    "UpdateReplicationConfigurationTemplate",
)

url_paths = {
    **{f"{{0}}/{operation}$": DRSResponse.dispatch for operation in _OPERATIONS},
    "{0}/tags/(?P<resourceArn>.+)$": DRSResponse.dispatch,
}
