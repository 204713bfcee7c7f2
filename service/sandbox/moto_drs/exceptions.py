"""Errors of the DRS service model, with the members of their shapes; HTTP status codes come from the model."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class UninitializedAccountException(ServiceException):
    code = "UninitializedAccountException"

    def __init__(self) -> None:
        super().__init__("Account not initialized. Use the DRS console or the InitializeService API to initialize it.")


class UnrecognizedClientException(ServiceException):
    """What a region says that is not enabled for an account, and this service of a region that does not exist."""

    code = "UnrecognizedClientException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class AccessDeniedException(ServiceException):
    code = "AccessDeniedException"


class ResourceNotFoundException(ServiceException):
    code = "ResourceNotFoundException"

    def __init__(self, resource_type: str, resource_id: str) -> None:
        super().__init__(f"{resource_type} {resource_id} not found.")
        self.resourceType = resource_type
        self.resourceId = resource_id


class ConflictException(ServiceException):
    code = "ConflictException"

    def __init__(self, message: str, resource_type: str, resource_id: str) -> None:
        super().__init__(message)
        self.resourceType = resource_type
        self.resourceId = resource_id


class ValidationException(ServiceException):
    code = "ValidationException"

    def __init__(self, message: str, *fields: tuple[str, str], reason: str = "fieldValidationFailed") -> None:
        """Take (field name, problem) pairs. Field values are never included: tags are sensitive."""
        super().__init__(message)
        self.reason = reason
        if fields:
            self.fieldList = [{"name": name, "message": problem} for name, problem in fields]


class ServiceQuotaExceededException(ServiceException):
    code = "ServiceQuotaExceededException"

    def __init__(self, message: str, quota_code: str | None = None, resource_type: str = "SourceServer") -> None:
        """Take the code of the quota, unless AWS publishes none."""
        super().__init__(message)
        self.resourceType = resource_type
        if quota_code is not None:
            self.quotaCode = quota_code
        self.serviceCode = "drs"


class ThrottlingException(ServiceException):
    code = "ThrottlingException"

    def __init__(self, retry_after_s: int | None = None) -> None:
        super().__init__("Rate exceeded")
        self.serviceCode = "drs"
        self.retryAfterSeconds = retry_after_s


class InternalServerException(ServiceException):
    code = "InternalServerException"

    def __init__(self, retry_after_s: int | None = None) -> None:
        super().__init__("Internal server error")
        self.retryAfterSeconds = retry_after_s
