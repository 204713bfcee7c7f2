"""drs base URL and paths."""

from .responses import DRSResponse

url_bases = [
    r"https?://drs(-fips)?\.(.+)\.amazonaws\.com",
    r"https?://drs(-fips)?\.(.+)\.api\.aws",  # dual-stack
]

_OPERATIONS = (
    "AssociateSourceNetworkStack",
    "CreateExtendedSourceServer",
    "CreateLaunchConfigurationTemplate",
    "CreateReplicationConfigurationTemplate",
    "CreateSourceNetwork",
    "DeleteJob",
    "DeleteLaunchAction",
    "DeleteLaunchConfigurationTemplate",
    "DeleteRecoveryInstance",
    "DeleteReplicationConfigurationTemplate",
    "DeleteSourceNetwork",
    "DeleteSourceServer",
    "DescribeJobLogItems",
    "DescribeJobs",
    "DescribeLaunchConfigurationTemplates",
    "DescribeRecoveryInstances",
    "DescribeRecoverySnapshots",
    "DescribeReplicationConfigurationTemplates",
    "DescribeSourceNetworks",
    "DescribeSourceServers",
    "DisconnectRecoveryInstance",
    "DisconnectSourceServer",
    "ExportSourceNetworkCfnTemplate",
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
    "StartSourceNetworkRecovery",
    "StartSourceNetworkReplication",
    "StopFailback",
    "StopReplication",
    "StopSourceNetworkReplication",
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
