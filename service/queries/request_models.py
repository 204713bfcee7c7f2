"""Request models of the queries: each parameter's name, type, constraint and description, declared once.

The check of a query string or a direct event and the OpenAPI page both read these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from service.accounts.fields import AccountId, ExternalId, RoleArn
from service.accounts.records import EXTERNAL_ID_FORM, is_external_id
from service.errors import RefusalError
from service.models import ACCOUNT_ID_PATTERN
from service.queries.filters import MAX_TEXT, REPLICATION_STATES, UNKNOWN_STATE, Filters, invalid, parse_filters
from service.queries.paging import read_token
from service.queries.params import (
    MAX_SERVERS,
    InventoryParams,
    ScopesParams,
    ServersParams,
    account_list_param,
    account_param,
    limit_param,
    missing,
    region_list_param,
    region_param,
    required_text_param,
    text_param,
)
from service.settings import Settings, load_settings

__all__ = [
    "FailbackRequest",
    "InventoryRequest",
    "QueryRequest",
    "ScopesRequest",
    "ServersRequest",
    "StagingValidationRequest",
    "TargetRequest",
]

Parameters = Mapping[str, Any]
Reader = Callable[[Parameters, str, Settings], object]


class QueryRequest(BaseModel):
    """Base of the request models. A member is named in camel case, and reads as null when it is not there."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    @classmethod
    def member_names(cls) -> frozenset[str]:
        """Names of the members, as callers write them."""
        return frozenset(map(to_camel, cls.model_fields))

    @classmethod
    def parse(cls, given: Parameters | None, settings: Settings | None = None, *, has_body: bool = True) -> Self:  # noqa: ARG003 - for those whose members come in a body
        """Check a query string, a body, or the same members of a direct event.

        Args:
            given: the members; unknown ones are ignored.
            settings: name the known regions; None reads them from the environment.
            has_body: whether the request has a body.

        Raises:
            RefusalError: a member is missing or wrong; the details say which, and what is accepted.
            ConfigurationError: the settings are wrong.
        """
        members = {to_camel(name): (given or {}).get(to_camel(name)) for name in cls.model_fields}
        return cls.model_validate(members, context=settings or load_settings())


def _read_by(read: Reader) -> Callable[[object, ValidationInfo[Settings]], object]:
    """Make a validator of a function of `params`, which names the member in its RefusalError."""

    def validate(value: object, info: ValidationInfo[Settings]) -> object:
        name = to_camel(str(info.field_name))
        return read({name: value}, name, info.context)

    return validate


def _optional_account(given: Parameters, name: str, _: Settings) -> str | None:
    return account_param(given, name) if text_param(given, name) else None


def _external_id(given: Parameters, name: str, _: Settings) -> str:
    value = text_param(given, name)
    if not value:
        raise missing(name)
    if not is_external_id(value):
        raise invalid(name, value, EXTERNAL_ID_FORM)
    return value


# The filters are a JSON object written as text.
_FILTERS = WithJsonSchema(
    {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "hostname": {"type": "string", "maxLength": MAX_TEXT},
                "replicationState": {"type": "string", "enum": [*REPLICATION_STATES, UNKNOWN_STATE]},
                "stagingAccountId": {"type": "string", "pattern": f"^{ACCOUNT_ID_PATTERN}$"},
                "sourceAccountId": {"type": "string", "pattern": f"^{ACCOUNT_ID_PATTERN}$"},
                "minCpuCores": {"type": "number", "minimum": 0},
                "minRamBytes": {"type": "number", "minimum": 0},
                "unhealthy": {"type": "boolean"},
                "lagOverSeconds": {"type": "number", "minimum": 0},
                "notDrilledForDays": {"type": "number", "minimum": 0, "maximum": 36_500},
            },
        },
    }
)
_TEXT = WithJsonSchema({"type": "string"})  # of a member that is a text in the request, and something else here

Account = Annotated[AccountId, BeforeValidator(_read_by(lambda given, name, _: account_param(given, name)))]
OptionalAccount = Annotated[AccountId | SkipJsonSchema[None], BeforeValidator(_read_by(_optional_account))]
AccountList = Annotated[
    tuple[str, ...], PlainValidator(_read_by(lambda given, name, _: account_list_param(given, name))), _TEXT
]
Region = Annotated[str, BeforeValidator(_read_by(region_param)), Field(description="region name, such as us-west-2")]
RegionList = Annotated[
    tuple[str, ...],
    PlainValidator(_read_by(region_list_param)),
    _TEXT,
    Field(description="regions, separated by commas; default: the active ones"),
]
Text = Annotated[str, BeforeValidator(_read_by(lambda given, name, _: text_param(given, name)))]
Limit = Annotated[
    Annotated[int, Field(ge=1, le=MAX_SERVERS)] | SkipJsonSchema[None],
    BeforeValidator(_read_by(lambda given, name, _: limit_param(given, name))),
]


class ScopesRequest(QueryRequest):
    """Members of a query that name accounts and regions. `region` takes precedence over `regions`."""

    region: RegionList = ()
    regions: RegionList = ()
    account_id: Annotated[
        AccountList, Field(description="account ids, separated by commas; default: all target accounts")
    ] = ()

    @model_validator(mode="before")
    @classmethod
    def _prefer_region(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {**given, "regions": None} if text_param(given, "region") else given

    @property
    def scopes(self) -> ScopesParams:
        """The accounts and regions of the query."""
        return ScopesParams(accounts=self.account_id, regions=self.region or self.regions)


class InventoryRequest(ScopesRequest):
    """Members of a query of the inventory."""

    filters: Annotated[
        Filters,
        PlainValidator(parse_filters),
        _FILTERS,
        Field(description="JSON object of conditions, which a server must all meet"),
    ] = Filters()
    source_account_id: OptionalAccount = None
    limit: Limit = None
    next_token: Annotated[Text, Field(description="nextToken of the page before")] = ""

    @model_validator(mode="after")
    def _check_token(self) -> Self:
        _ = self.params
        return self

    @property
    def params(self) -> InventoryParams:
        """The query. Raises RefusalError when the token is not one of this query."""
        params = InventoryParams(
            scopes=self.scopes,
            filters=self.filters,
            source_account=self.source_account_id or "",
            limit=self.limit,
        )
        return replace(params, cursor=read_token(self.next_token, params.digest)) if self.next_token else params


class ServersRequest(QueryRequest):
    """Members of a query of the servers in one region."""

    region: Region
    account_id: OptionalAccount = None
    current_protection_group_id: Annotated[
        Text, Field(description="the protection group that is being edited, whose servers stay selectable")
    ] = ""

    @property
    def params(self) -> ServersParams:
        """The query."""
        return ServersParams(self.region, self.account_id or "", self.current_protection_group_id)


class FailbackRequest(QueryRequest):
    """Members of a query of a server's failback."""

    id: Annotated[
        str,
        BeforeValidator(_read_by(lambda given, name, _: required_text_param(given, name))),
        Field(description="any name of a server: ARN, id, instance id, host name"),
    ]


class TargetRequest(QueryRequest):
    """Members of a query about one target account."""

    target_account_id: Account


class StagingValidationRequest(QueryRequest):
    """Body that describes an account which is to serve as a staging account."""

    account_id: Account
    external_id: Annotated[ExternalId, BeforeValidator(_read_by(_external_id))]
    region: Region
    role_arn: Annotated[RoleArn, BeforeValidator(_read_by(lambda given, name, _: text_param(given, name)))] = ""

    @classmethod
    def parse(cls, given: object, settings: Settings | None = None, *, has_body: bool = True) -> Self:
        """Check a body; as the base does, and `details.valid` of a refusal is false."""
        try:
            if not has_body or not isinstance(given, Mapping):
                raise invalid("body", given if has_body else None, "a JSON object")
            return super().parse(given, settings)
        except RefusalError as refusal:
            refusal.details["valid"] = False
            raise
