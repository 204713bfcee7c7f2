"""The errors that DRS models, each with the members of its shape."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class UninitializedAccountException(ServiceException):
    code = "UninitializedAccountException"

    def __init__(self) -> None:
        super().__init__("Account not initialized. Use the DRS console or the InitializeService API to initialize it.")


class ResourceNotFoundException(ServiceException):
    code = "ResourceNotFoundException"

    def __init__(self, resource_type: str, resource_id: str) -> None:
        super().__init__(f"{resource_type} {resource_id} not found.")
        self.resourceType = resource_type
        self.resourceId = resource_id


class ValidationException(ServiceException):
    code = "ValidationException"

    def __init__(self, message: str, field: str = "", reason: str = "fieldValidationFailed") -> None:
        super().__init__(message)
        self.reason = reason
        if field:
            self.fieldList = [{"name": field, "message": message}]


class ConflictException(ServiceException):
    code = "ConflictException"

    def __init__(self, message: str, resource_type: str = "", resource_id: str = "") -> None:
        super().__init__(message)
        if resource_id:
            self.resourceType = resource_type
            self.resourceId = resource_id


class AccessDeniedException(ServiceException):
    code = "AccessDeniedException"


class ServiceQuotaExceededException(ServiceException):
    code = "ServiceQuotaExceededException"

    def __init__(self, message: str, quota_code: str) -> None:
        super().__init__(message)
        self.quotaCode = quota_code
        self.serviceCode = "drs"
