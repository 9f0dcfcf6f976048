import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PrincipalKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRINCIPAL_KIND_UNSPECIFIED: _ClassVar[PrincipalKind]
    PRINCIPAL_KIND_ROOT: _ClassVar[PrincipalKind]
    PRINCIPAL_KIND_USER: _ClassVar[PrincipalKind]
    PRINCIPAL_KIND_ASSUMED_ROLE: _ClassVar[PrincipalKind]
    PRINCIPAL_KIND_ANONYMOUS: _ClassVar[PrincipalKind]
PRINCIPAL_KIND_UNSPECIFIED: PrincipalKind
PRINCIPAL_KIND_ROOT: PrincipalKind
PRINCIPAL_KIND_USER: PrincipalKind
PRINCIPAL_KIND_ASSUMED_ROLE: PrincipalKind
PRINCIPAL_KIND_ANONYMOUS: PrincipalKind

class HttpHeader(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: bytes
    def __init__(self, name: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class HttpRequest(_message.Message):
    __slots__ = ("method", "raw_path", "raw_query", "headers", "scheme", "source_ip")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    RAW_PATH_FIELD_NUMBER: _ClassVar[int]
    RAW_QUERY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_IP_FIELD_NUMBER: _ClassVar[int]
    method: str
    raw_path: str
    raw_query: str
    headers: _containers.RepeatedCompositeFieldContainer[HttpHeader]
    scheme: str
    source_ip: str
    def __init__(self, method: _Optional[str] = ..., raw_path: _Optional[str] = ..., raw_query: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[HttpHeader, _Mapping]]] = ..., scheme: _Optional[str] = ..., source_ip: _Optional[str] = ...) -> None: ...

class AuthenticateRequest(_message.Message):
    __slots__ = ("request", "bearer_token", "client_certificate", "services", "at_least_revision", "accepts_narrowed")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    BEARER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    ACCEPTS_NARROWED_FIELD_NUMBER: _ClassVar[int]
    request: HttpRequest
    bearer_token: str
    client_certificate: bytes
    services: _containers.RepeatedScalarFieldContainer[str]
    at_least_revision: int
    accepts_narrowed: bool
    def __init__(self, request: _Optional[_Union[HttpRequest, _Mapping]] = ..., bearer_token: _Optional[str] = ..., client_certificate: _Optional[bytes] = ..., services: _Optional[_Iterable[str]] = ..., at_least_revision: _Optional[int] = ..., accepts_narrowed: _Optional[bool] = ...) -> None: ...

class AuthenticateResponse(_message.Message):
    __slots__ = ("authentication", "failure", "revision", "staleness")
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STALENESS_FIELD_NUMBER: _ClassVar[int]
    authentication: Authentication
    failure: AuthenticationFailure
    revision: int
    staleness: _duration_pb2.Duration
    def __init__(self, authentication: _Optional[_Union[Authentication, _Mapping]] = ..., failure: _Optional[_Union[AuthenticationFailure, _Mapping]] = ..., revision: _Optional[int] = ..., staleness: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Authentication(_message.Message):
    __slots__ = ("principal", "access_key_id", "narrowed")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ACCESS_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    NARROWED_FIELD_NUMBER: _ClassVar[int]
    principal: Principal
    access_key_id: str
    narrowed: bool
    def __init__(self, principal: _Optional[_Union[Principal, _Mapping]] = ..., access_key_id: _Optional[str] = ..., narrowed: _Optional[bool] = ...) -> None: ...

class AuthenticationFailure(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Principal(_message.Message):
    __slots__ = ("arn", "kind", "account", "id", "name")
    ARN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    arn: str
    kind: PrincipalKind
    account: str
    id: str
    name: str
    def __init__(self, arn: _Optional[str] = ..., kind: _Optional[_Union[PrincipalKind, str]] = ..., account: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...
