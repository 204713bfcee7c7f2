"""Jobs, and the simulated progress of jobs and replications.

`advance` moves every active job and every replication that an operation started on by one step. Each minute that a test
moves the clock does so, and while `auto_advance` is true, the first page of a Describe call; real time does not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from . import shapes
from .clock import drs_clock
from .exceptions import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from .records import Job, RecoveryInstance, Resource, locked
from .shapes import Record
from .staging import StagingBackend
from .validation import check_tags


class JobsBackend(StagingBackend):
    """Jobs of one account and region."""

    auto_advance = True
    max_jobs_in_progress = 20
    max_servers_in_job = 100
    max_servers_in_jobs = 500

    def resources(self) -> Iterator[Resource]:
        yield from super().resources()
        yield from self.jobs.values()

    def advance_on_read(self) -> None:
        """Advance one step before a read, unless only the clock moves states; end what the clock has passed."""
        if self.auto_advance and not drs_clock.is_manual(self.account_id):
            self.advance()
        else:
            self.catch_up()

    @property
    def is_moving(self) -> bool:
        """Whether further steps change anything without another operation."""
        return any(each.is_moving for each in self.resources())

    def catch_up(self) -> None:
        """End what ends at a time that the clock has passed, without a step; layers with such times do that."""

    @locked
    def advance(self) -> None:
        """Advance all servers, recovery instances and jobs by one step."""
        for server in self.source_servers.values():
            server.step()
        for instance in list(self.recovery_instances.values()):
            instance.step()
            self._update_failback_state(instance)
        for job in list(self.jobs.values()):
            job.step()

    def _update_failback_state(self, instance: RecoveryInstance) -> None:
        """Mark a failback whose replication is continuous as ready to launch (state names inferred, not documented)."""
        if instance.failback["state"] != "FAILBACK_IN_PROGRESS":
            return
        reversed_server = self.peer_server(instance.reversed_arn) if instance.reversed_arn else None
        if (reversed_server or instance).state == "CONTINUOUS":
            instance.failback["state"] = "FAILBACK_READY_FOR_LAUNCH"

    def describe_jobs(self, job_ids: Collection[str], since: str | None, until: str | None) -> list[Job]:
        """List jobs; ids that do not exist are left out (inferred)."""
        return [
            job
            for job in self.jobs.values()
            if (not job_ids or job.job_id in job_ids)
            and shapes.is_within(str(job.record["creationDateTime"]), since, until)
        ]

    def job_log_of(self, job_id: str) -> list[Record]:
        """Return the log of a job, oldest item first; a job that has not started has none.

        The operation does not model ResourceNotFoundException; that an unknown job is invalid input is inferred.
        """
        job = self.jobs.get(job_id)
        if job is None:
            raise ValidationException(f"Job {job_id} not found.", ("jobID", "names no job"), reason="other")
        return job.log_items

    def delete_job(self, job_id: str) -> None:
        job = self.jobs.get(job_id)
        if job is None:
            raise ResourceNotFoundException("Job", job_id)
        if job.is_active:
            raise ConflictException("The job is in progress.", "Job", job_id)
        del self.jobs[job_id]

    def new_job(
        self,
        kind: str,
        initiated_by: str,
        participants: Iterable[Record],
        *,
        resources: Iterable[Record] = (),
        begin: Callable[[Job], None],
        finish: Callable[[Job], None],
        tags: Mapping[str, str] | None = None,
    ) -> Job:
        """Create a job, within the quotas, for servers that are in no other active job, or for other `resources`."""
        servers: list[Record] = [{**each, "launchStatus": "PENDING"} for each in participants]
        others = [{"participatingResourceID": each, "launchStatus": "PENDING"} for each in resources]
        check_tags(tags or {})
        self._require_capacity([str(each["sourceServerID"]) for each in servers])
        job_id = shapes.new_id("drsjob-")
        job = Job(
            {
                "jobID": job_id,
                "arn": self.arn_of("job", job_id),
                "type": kind,
                "initiatedBy": initiated_by,
                "creationDateTime": shapes.now(),
                "status": "PENDING",
                "participatingServers": servers,
                **({"participatingResources": others} if others else {}),
                "tags": dict(tags or {}),
            },
            begin,
            finish,
        )
        self.jobs[job_id] = job
        return job

    def busy_servers(self) -> set[str]:
        """Return the ids of servers that are in an active job."""
        return {str(each["sourceServerID"]) for job in self.jobs.values() if job.is_active for each in job.participants}

    def _require_capacity(self, server_ids: Collection[str]) -> None:
        active_jobs = [job for job in self.jobs.values() if job.is_active]
        busy_servers = self.busy_servers()
        for server_id in server_ids:
            if server_id in busy_servers:
                raise ConflictException("A job is in progress for the source server.", "SourceServer", server_id)
        if len(server_ids) > self.max_servers_in_job:
            raise ServiceQuotaExceededException("Too many source servers in one job.", "L-B827C881")
        if len(active_jobs) >= self.max_jobs_in_progress:
            raise ServiceQuotaExceededException("Too many jobs in progress.", "L-D88FAC3A", "Job")
        if len(busy_servers) + len(server_ids) > self.max_servers_in_jobs:
            raise ServiceQuotaExceededException("Too many source servers in all jobs.", "L-05AFA8C6")
