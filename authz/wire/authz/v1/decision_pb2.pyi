import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_ALLOWED: _ClassVar[Verdict]
    VERDICT_EXPLICITLY_DENIED: _ClassVar[Verdict]
    VERDICT_IMPLICITLY_DENIED: _ClassVar[Verdict]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_STATEMENT: _ClassVar[Reason]
    REASON_ROOT: _ClassVar[Reason]
    REASON_NO_MATCH: _ClassVar[Reason]
    REASON_QUARANTINE: _ClassVar[Reason]
    REASON_PRINCIPAL_UNKNOWN: _ClassVar[Reason]
    REASON_PRINCIPAL_DISABLED: _ClassVar[Reason]
    REASON_PERMISSIONS_BOUNDARY: _ClassVar[Reason]
    REASON_SESSION_POLICY: _ClassVar[Reason]
    REASON_SERVICE_ACCOUNT_POLICY: _ClassVar[Reason]
    REASON_RESOURCE_POLICY: _ClassVar[Reason]
VERDICT_UNSPECIFIED: Verdict
VERDICT_ALLOWED: Verdict
VERDICT_EXPLICITLY_DENIED: Verdict
VERDICT_IMPLICITLY_DENIED: Verdict
REASON_UNSPECIFIED: Reason
REASON_STATEMENT: Reason
REASON_ROOT: Reason
REASON_NO_MATCH: Reason
REASON_QUARANTINE: Reason
REASON_PRINCIPAL_UNKNOWN: Reason
REASON_PRINCIPAL_DISABLED: Reason
REASON_PERMISSIONS_BOUNDARY: Reason
REASON_SESSION_POLICY: Reason
REASON_SERVICE_ACCOUNT_POLICY: Reason
REASON_RESOURCE_POLICY: Reason

class StatementRef(_message.Message):
    __slots__ = ("policy_arn", "version", "index", "sid")
    POLICY_ARN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SID_FIELD_NUMBER: _ClassVar[int]
    policy_arn: str
    version: int
    index: int
    sid: str
    def __init__(self, policy_arn: _Optional[str] = ..., version: _Optional[int] = ..., index: _Optional[int] = ..., sid: _Optional[str] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("verdict", "reason", "statement", "decision_id", "revision", "staleness")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STALENESS_FIELD_NUMBER: _ClassVar[int]
    verdict: Verdict
    reason: Reason
    statement: StatementRef
    decision_id: str
    revision: int
    staleness: _duration_pb2.Duration
    def __init__(self, verdict: _Optional[_Union[Verdict, str]] = ..., reason: _Optional[_Union[Reason, str]] = ..., statement: _Optional[_Union[StatementRef, _Mapping]] = ..., decision_id: _Optional[str] = ..., revision: _Optional[int] = ..., staleness: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ContextValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...
