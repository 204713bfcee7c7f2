"""`credential_process` of an AWS profile: run without input and within a time limit; no child process is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, Final

import anyio
from aiobotocore.credentials import AioCredentials, AioProcessProvider
from botocore.exceptions import CredentialRetrievalError

from service.aws.credential_errors import CredentialSourceError

__all__ = ["ProcessProvider"]

_MAX_OUTPUT: Final = 1 << 20  # bytes; credentials take less than ten thousand


class ProcessProvider(AioProcessProvider):
    """The SDK's provider for `credential_process`, with a time limit.

    The process has no input and no terminal, so it cannot wait for somebody to type. What it writes is never shown,
    since it may be credentials.

    Args:
        profile_name: the profile that names the process.
        load_config: returns the parsed AWS configuration.
        time_limit_s: the process and its children are ended after this time, in seconds.
    """

    def __init__(self, profile_name: str, load_config: Callable[[], Mapping[str, Any]], time_limit_s: float) -> None:
        super().__init__(profile_name=profile_name, load_config=load_config, popen=self._run)
        self._what = f"the credential_process of the profile {profile_name}"
        self._see = f"run `aws sts get-caller-identity --profile {profile_name}` to see what it writes"
        self._time_limit_s = time_limit_s

    async def load(self) -> AioCredentials | None:
        """Return the credentials that the process writes; None if the profile has no process.

        Raises:
            CredentialSourceError: the process failed, took too long, or wrote no credentials.
        """
        with self._rejecting_output():
            credentials: AioCredentials | None = await super().load()
        return credentials

    async def _retrieve_credentials_using(self, credential_process: str) -> dict[str, Any]:
        with self._rejecting_output():
            members: dict[str, Any] = await super()._retrieve_credentials_using(credential_process)
        return members

    @contextmanager
    def _rejecting_output(self) -> Iterator[None]:
        try:
            yield
        except (CredentialRetrievalError, ValueError, LookupError, TypeError, AttributeError):
            # The error is not shown: it may quote what was written.
            raise CredentialSourceError(
                f"{self._what} did not write credentials in the format of the AWS SDKs",
                "it has to write JSON with Version 1, AccessKeyId and SecretAccessKey, for a session also SessionToken "
                f"and Expiration; {self._see}",
            ) from None

    async def _run(self, *arguments: str, **_: object) -> _Completed:
        """Run the process; takes the place of `asyncio.create_subprocess_exec` in the SDK's provider."""
        process = self._started(arguments)  # not awaited: no cancellation comes between the start and `try`
        has_ended = False
        try:
            with anyio.fail_after(self._time_limit_s):
                output = await _Collector(process).output()
            if len(output) > _MAX_OUTPUT:
                raise ValueError("more output than credentials can be")
            has_ended = True
        except TimeoutError:
            raise CredentialSourceError(
                f"{self._what} did not end within {self._time_limit_s:g} s and was ended",
                f"it must not ask for input: log in with its tool first, then {self._see}; if it only is slow, raise "
                "CREDENTIAL_TIMEOUT_SECONDS",
            ) from None
        finally:  # also when the caller is cancelled
            if not has_ended:
                _kill(process)
        if process.returncode:
            ended = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
            fix = f"{self._see}, and log in with its tool if it asks for that"
            raise CredentialSourceError(f"{self._what} failed with {ended}", fix)
        return _Completed(output)

    def _started(self, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - the command of the user's own profile, without a shell
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=os.name == "posix",  # a process group of its own, which can be ended as a whole
            )
        except OSError as error:
            raise CredentialSourceError(
                f"{self._what} cannot be started: {arguments[0]}: {error.strerror}",
                "install the program, or correct credential_process in the profile (a path with blanks needs quotes)",
            ) from None


class _Collector:
    """Reads what a process writes and waits for its end, in a thread.

    The thread does not keep this process from ending: a child of the process that left its group may hold the pipe.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._output: asyncio.Future[bytes] = self._loop.create_future()

    async def output(self) -> bytes:
        """Return what the process wrote, once it has ended or has written more than credentials can be."""
        Thread(target=self._collect, name="credential_process", daemon=True).start()
        return await self._output

    def _collect(self) -> None:
        with self._process:  # waits for the end of the process
            assert self._process.stdout is not None  # noqa: S101 - it was opened with a pipe
            output = self._process.stdout.read(_MAX_OUTPUT + 1)
            if len(output) <= _MAX_OUTPUT:
                self._process.wait()
            with suppress(RuntimeError):  # the event loop was closed in the meantime
                self._loop.call_soon_threadsafe(self._hand_over, output)

    def _hand_over(self, output: bytes) -> None:
        if not self._output.done():
            self._output.set_result(output)


class _Completed:
    """A process that has ended, as the SDK's provider reads it."""

    returncode: Final = 0

    def __init__(self, output: bytes) -> None:
        self._output = output

    async def communicate(self) -> tuple[bytes, bytes]:
        return self._output, b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where there are process groups, its children."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass  # it ended by itself in the meantime
