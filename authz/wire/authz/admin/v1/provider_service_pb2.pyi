import datetime

from authz.wire.authz.admin.v1 import attachment_service_pb2 as _attachment_service_pb2
from authz.wire.authz.admin.v1 import status_pb2 as _status_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProviderKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROVIDER_KIND_UNSPECIFIED: _ClassVar[ProviderKind]
    PROVIDER_KIND_OIDC: _ClassVar[ProviderKind]
    PROVIDER_KIND_LDAP: _ClassVar[ProviderKind]
    PROVIDER_KIND_CERTIFICATE: _ClassVar[ProviderKind]
    PROVIDER_KIND_WEBHOOK: _ClassVar[ProviderKind]

class LoginUser(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOGIN_USER_UNSPECIFIED: _ClassVar[LoginUser]
    LOGIN_USER_NEW: _ClassVar[LoginUser]
    LOGIN_USER_KNOWN: _ClassVar[LoginUser]
    LOGIN_USER_DISABLED: _ClassVar[LoginUser]
    LOGIN_USER_ABSENT: _ClassVar[LoginUser]
PROVIDER_KIND_UNSPECIFIED: ProviderKind
PROVIDER_KIND_OIDC: ProviderKind
PROVIDER_KIND_LDAP: ProviderKind
PROVIDER_KIND_CERTIFICATE: ProviderKind
PROVIDER_KIND_WEBHOOK: ProviderKind
LOGIN_USER_UNSPECIFIED: LoginUser
LOGIN_USER_NEW: LoginUser
LOGIN_USER_KNOWN: LoginUser
LOGIN_USER_DISABLED: LoginUser
LOGIN_USER_ABSENT: LoginUser

class Provider(_message.Message):
    __slots__ = ("name", "id", "arn", "federated_arn", "kind", "status", "config", "description", "has_secret", "create_time", "update_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ARN_FIELD_NUMBER: _ClassVar[int]
    FEDERATED_ARN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    HAS_SECRET_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: str
    arn: str
    federated_arn: str
    kind: ProviderKind
    status: _status_pb2.Status
    config: str
    description: str
    has_secret: bool
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., id: _Optional[str] = ..., arn: _Optional[str] = ..., federated_arn: _Optional[str] = ..., kind: _Optional[_Union[ProviderKind, str]] = ..., status: _Optional[_Union[_status_pb2.Status, str]] = ..., config: _Optional[str] = ..., description: _Optional[str] = ..., has_secret: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateProviderRequest(_message.Message):
    __slots__ = ("name", "kind", "config", "secret", "description", "status")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: ProviderKind
    config: str
    secret: str
    description: str
    status: _status_pb2.Status
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[ProviderKind, str]] = ..., config: _Optional[str] = ..., secret: _Optional[str] = ..., description: _Optional[str] = ..., status: _Optional[_Union[_status_pb2.Status, str]] = ...) -> None: ...

class CreateProviderResponse(_message.Message):
    __slots__ = ("provider", "revision")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    provider: Provider
    revision: int
    def __init__(self, provider: _Optional[_Union[Provider, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class GetProviderRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetProviderResponse(_message.Message):
    __slots__ = ("provider",)
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    provider: Provider
    def __init__(self, provider: _Optional[_Union[Provider, _Mapping]] = ...) -> None: ...

class ListProvidersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListProvidersResponse(_message.Message):
    __slots__ = ("providers", "next_page_token")
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    providers: _containers.RepeatedCompositeFieldContainer[Provider]
    next_page_token: str
    def __init__(self, providers: _Optional[_Iterable[_Union[Provider, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateProviderRequest(_message.Message):
    __slots__ = ("provider", "update_mask", "secret")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    provider: Provider
    update_mask: _field_mask_pb2.FieldMask
    secret: str
    def __init__(self, provider: _Optional[_Union[Provider, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class UpdateProviderResponse(_message.Message):
    __slots__ = ("provider", "revision")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    provider: Provider
    revision: int
    def __init__(self, provider: _Optional[_Union[Provider, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class DeleteProviderRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteProviderResponse(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class TokenProof(_message.Message):
    __slots__ = ("id_token", "access_token")
    ID_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    id_token: str
    access_token: str
    def __init__(self, id_token: _Optional[str] = ..., access_token: _Optional[str] = ...) -> None: ...

class PasswordProof(_message.Message):
    __slots__ = ("username", "password")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class TestProviderRequest(_message.Message):
    __slots__ = ("name", "token", "password", "client_certificate", "custom_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    token: TokenProof
    password: PasswordProof
    client_certificate: str
    custom_token: str
    def __init__(self, name: _Optional[str] = ..., token: _Optional[_Union[TokenProof, _Mapping]] = ..., password: _Optional[_Union[PasswordProof, _Mapping]] = ..., client_certificate: _Optional[str] = ..., custom_token: _Optional[str] = ...) -> None: ...

class LoginStep(_message.Message):
    __slots__ = ("name", "ok", "detail")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    ok: bool
    detail: str
    def __init__(self, name: _Optional[str] = ..., ok: _Optional[bool] = ..., detail: _Optional[str] = ...) -> None: ...

class LoginFact(_message.Message):
    __slots__ = ("key", "values")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    key: str
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, key: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class TestProviderResponse(_message.Message):
    __slots__ = ("steps", "ok", "refusal", "external_name", "user_name", "display_name", "user", "external_groups", "group_names", "facts", "granted_policies", "missing_policies", "attachments", "expire_time")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_GROUPS_FIELD_NUMBER: _ClassVar[int]
    GROUP_NAMES_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    GRANTED_POLICIES_FIELD_NUMBER: _ClassVar[int]
    MISSING_POLICIES_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[LoginStep]
    ok: bool
    refusal: str
    external_name: str
    user_name: str
    display_name: str
    user: LoginUser
    external_groups: _containers.RepeatedScalarFieldContainer[str]
    group_names: _containers.RepeatedScalarFieldContainer[str]
    facts: _containers.RepeatedCompositeFieldContainer[LoginFact]
    granted_policies: _containers.RepeatedScalarFieldContainer[str]
    missing_policies: _containers.RepeatedScalarFieldContainer[str]
    attachments: _containers.RepeatedCompositeFieldContainer[_attachment_service_pb2.Attachment]
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, steps: _Optional[_Iterable[_Union[LoginStep, _Mapping]]] = ..., ok: _Optional[bool] = ..., refusal: _Optional[str] = ..., external_name: _Optional[str] = ..., user_name: _Optional[str] = ..., display_name: _Optional[str] = ..., user: _Optional[_Union[LoginUser, str]] = ..., external_groups: _Optional[_Iterable[str]] = ..., group_names: _Optional[_Iterable[str]] = ..., facts: _Optional[_Iterable[_Union[LoginFact, _Mapping]]] = ..., granted_policies: _Optional[_Iterable[str]] = ..., missing_policies: _Optional[_Iterable[str]] = ..., attachments: _Optional[_Iterable[_Union[_attachment_service_pb2.Attachment, _Mapping]]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
