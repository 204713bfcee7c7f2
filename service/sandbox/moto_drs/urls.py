"""drs base URL and paths."""

from .responses import DRSResponse

url_bases = [
    r"https?://drs(-fips)?\.(.+)\.amazonaws\.com",
    r"https?://drs(-fips)?\.(.+)\.api\.aws",  # dual-stack
]

_OPERATIONS = (
    "CreateExtendedSourceServer",
    "CreateLaunchConfigurationTemplate",
    "CreateReplicationConfigurationTemplate",
    "DeleteJob",
    "DeleteLaunchAction",
    "DeleteLaunchConfigurationTemplate",
    "DeleteRecoveryInstance",
    "DeleteReplicationConfigurationTemplate",
    "DeleteSourceServer",
    "DescribeJobLogItems",
    "DescribeJobs",
    "DescribeLaunchConfigurationTemplates",
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
    "ListLaunchActions",
    "ListStagingAccounts",
    "PutLaunchAction",
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
    "UpdateLaunchConfigurationTemplate",
    "UpdateReplicationConfiguration",
    "UpdateReplicationConfigurationTemplate",
)

url_paths = {
    **{f"{{0}}/{operation}$": DRSResponse.dispatch for operation in _OPERATIONS},
    "{0}/tags/(?P<resourceArn>.+)$": DRSResponse.dispatch,
}
