"""Recovery of source networks: stacks that are deployed or associated by jobs, and exported templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from . import network_services, shapes
from .exceptions import ConflictException, ResourceNotFoundException, ValidationException
from .network_replication import NetworkReplicationBackend, SourceNetwork
from .records import Job
from .shapes import Record

# The middle of the names of the events: DEPLOY_NETWORK_CONFIGURATION_START, _END, _FAILED.
_DEPLOY, _UPDATE = "DEPLOY_NETWORK_CONFIGURATION", "UPDATE_NETWORK_CONFIGURATION"


class NetworksBackend(NetworkReplicationBackend):
    """Source networks of one account and region."""

    def start_source_network_recovery(
        self,
        stack_names: Sequence[tuple[str, str | None]],
        *,
        deploy_as_new: bool,
        tags: Mapping[str, str] | None = None,
    ) -> Job:
        """Deploy protected networks, each as the named stack, its present one, or a new one.

        The operation does not model ResourceNotFoundException: unknown networks are conflicts, as are those that are
        not protected and stacks of others. The job updates when all stacks exist, else it creates (all inferred).
        """
        networks = [self._recoverable(network_id) for network_id, _ in stack_names]
        chosen = {
            network.network_id: name or self._stack_name(network, deploy_as_new=deploy_as_new)
            for network, (_, name) in zip(networks, stack_names, strict=True)
        }
        if len(chosen) < len(networks) or len(set(chosen.values())) < len(chosen):
            raise ValidationException(
                "A source network or stack is named twice.", ("sourceNetworks", "has the same network or stack twice")
            )
        is_new = {
            each.network_id: self._is_new_stack(each, chosen[each.network_id], deploy_as_new) for each in networks
        }
        return self._new_network_job(
            "CREATE_NETWORK_RECOVERY" if any(is_new.values()) else "UPDATE_NETWORK_RECOVERY",
            networks,
            begin=partial(self._begin_deployment, is_new=is_new, stack_names=chosen),
            finish=partial(self._finish_deployment, is_new=is_new, stack_names=chosen),
            tags=tags,
        )

    def _recoverable(self, network_id: str) -> SourceNetwork:
        network = self.source_networks.get(network_id)
        if network is None:
            raise ConflictException("There is no such source network.", "SourceNetwork", network_id)
        if network.status != "PROTECTED":
            raise ConflictException("The source network is not protected.", "SourceNetwork", network_id)
        self.require_no_network_job(network)
        return network

    def _stack_name(self, network: SourceNetwork, *, deploy_as_new: bool) -> str:
        """Return the network's stack, or the first free name drs-ID, drs-ID-2 and so on (inferred)."""
        present = network.record.get("cfnStackName")
        if present and not deploy_as_new:
            return str(present)
        name, number = f"drs-{network.network_id}", 1
        while self._has_stack(name):
            number += 1
            name = f"drs-{network.network_id}-{number}"
        return name

    def _is_new_stack(self, network: SourceNetwork, name: str, deploy_as_new: bool) -> bool:
        if not self._has_stack(name):
            return True
        if deploy_as_new or network.record.get("cfnStackName") != name:
            raise ConflictException("There is another stack with this name.", "Stack", name)
        return False

    def _has_stack(self, name: str) -> bool:
        return network_services.stack_exists(self.account_id, self.region_name, name)

    def _new_network_job(
        self,
        initiated_by: str,
        networks: Sequence[SourceNetwork],
        *,
        begin: Callable[[Job], None],
        finish: Callable[[Job], None],
        tags: Mapping[str, str] | None = None,
    ) -> Job:
        """Create a job for networks; its type is inferred."""
        resources: list[Record] = [{"sourceNetworkID": each.network_id} for each in networks]
        job = self.new_job("LAUNCH", initiated_by, (), resources=resources, begin=begin, finish=finish, tags=tags)
        for network in networks:
            network.record["lastRecovery"] = {
                "apiCallDateTime": job.record["creationDateTime"],
                "jobID": job.job_id,
                "lastRecoveryResult": "NOT_STARTED",
            }
        return job

    def _begin_deployment(self, job: Job, *, is_new: Mapping[str, bool], stack_names: Mapping[str, str]) -> None:
        for entry in job.record["participatingResources"]:
            network = self._network_of(entry)
            self._set_result(network, entry, "IN_PROGRESS", "IN_PROGRESS")
            event = _DEPLOY if is_new[network.network_id] else _UPDATE
            job.log(f"{event}_START", **_data(network, stack_names[network.network_id]))

    def _finish_deployment(self, job: Job, *, is_new: Mapping[str, bool], stack_names: Mapping[str, str]) -> None:
        for entry in job.record["participatingResources"]:
            network = self._network_of(entry)
            name, new = stack_names[network.network_id], is_new[network.network_id]
            event = _DEPLOY if new else _UPDATE
            try:
                vpc_id = network_services.deploy_stack(
                    self.account_id, self.region_name, name, network.newest_template() or {}, is_new=new
                )
            except network_services.StackError as error:
                job.log(f"{event}_FAILED", **_data(network, name), rawError=str(error))
                job.log("NETWORK_RECOVERY_FAIL", **_data(network, name))
                self._set_result(network, entry, "FAILED", "FAIL")
                continue
            job.log(f"{event}_END", **_data(network, name, vpc_id))
            self._use_stack(job, network, name, vpc_id)
            self._set_result(network, entry, "LAUNCHED", "SUCCESS")

    def associate_source_network_stack(self, network_id: str, stack_name: str) -> Job:
        """Make an existing stack the network's; it needs a VPC (inferred). The network may be stopped (inferred)."""
        network = self.source_network(network_id)
        self.require_no_network_job(network)
        if not self._has_stack(stack_name):
            raise ResourceNotFoundException("Stack", stack_name)
        if network_services.vpc_of_stack(self.account_id, self.region_name, stack_name) is None:
            raise ValidationException("The stack has no VPC.", ("cfnStackName", "names a stack without a VPC"))
        return self._new_network_job(
            "ASSOCIATE_NETWORK_RECOVERY",
            [network],
            begin=self._begin_association,
            finish=partial(self._finish_association, stack_name=stack_name),
        )

    def _begin_association(self, job: Job) -> None:
        (entry,) = job.record["participatingResources"]
        self._set_result(self._network_of(entry), entry, "IN_PROGRESS", "IN_PROGRESS")

    def _finish_association(self, job: Job, *, stack_name: str) -> None:
        (entry,) = job.record["participatingResources"]
        network = self._network_of(entry)
        vpc_id = network_services.vpc_of_stack(self.account_id, self.region_name, stack_name)
        if vpc_id is None:
            job.log(
                "NETWORK_RECOVERY_FAIL", **_data(network, stack_name), rawError="The stack does not exist any more."
            )
            self._set_result(network, entry, "FAILED", "ASSOCIATE_FAIL")
            return
        self._use_stack(job, network, stack_name, vpc_id)
        self._set_result(network, entry, "LAUNCHED", "ASSOCIATE_SUCCESS")

    def _use_stack(self, job: Job, network: SourceNetwork, stack_name: str, vpc_id: str) -> None:
        """Remember the recovered VPC. The EC2 launch templates of its servers change only in the log (inferred)."""
        network.record.update(cfnStackName=stack_name, launchedVpcID=vpc_id)
        for server in self.servers_of_network(network.network_id):
            data = {"sourceServerID": server.source_server_id, **_data(network, stack_name, vpc_id)}
            job.log("UPDATE_LAUNCH_TEMPLATE_START", **data)
            job.log("UPDATE_LAUNCH_TEMPLATE_END", **data)

    def _network_of(self, entry: Record) -> SourceNetwork:
        return self.source_networks[entry["participatingResourceID"]["sourceNetworkID"]]

    @staticmethod
    def _set_result(network: SourceNetwork, entry: Record, status: str, result: str) -> None:
        entry["launchStatus"] = status
        network.record["lastRecovery"]["lastRecoveryResult"] = result

    def export_source_network_cfn_template(self, network_id: str) -> str:
        """Write the template into the bucket that the launch configuration template names; returns its URL.

        Inferred: the key (drs-ID.json), a conflict without a bucket or a replication, and that the bucket is the
        account's own.
        """
        network = self.source_network(network_id)
        content = network.newest_template()
        if content is None:
            raise ConflictException("The source network was never replicated.", "SourceNetwork", network_id)
        template = next(iter(self.launch_templates.values()), None)
        bucket_arn = template.record.get("exportBucketArn") if template else None
        if not bucket_arn:
            raise ConflictException(
                "The launch configuration template has no exportBucketArn.", "SourceNetwork", network_id
            )
        bucket, key = str(bucket_arn).rpartition(":")[2], f"drs-{network_id}.json"
        url = network_services.put_template(self.account_id, self.region_name, bucket, key, content)
        if url is None:
            raise ResourceNotFoundException("Bucket", bucket)
        return url


def _data(network: SourceNetwork, stack_name: str, vpc_id: str | None = None) -> Record:
    """Return the event data that name a network, its stack and the recovered VPC."""
    data = {"sourceNetworkID": network.network_id, "sourceVpc": network.vpc_id, "stackName": stack_name}
    return shapes.merged({}, {"eventResourceData": {"sourceNetworkData": {**data, "targetVpc": vpc_id}}})
