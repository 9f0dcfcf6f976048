from authz.wire.authz.v1 import decision_pb2 as _decision_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_UNSPECIFIED: _ClassVar[Effect]
    EFFECT_ALLOW: _ClassVar[Effect]
    EFFECT_DENY: _ClassVar[Effect]

class ElementOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ELEMENT_OUTCOME_UNSPECIFIED: _ClassVar[ElementOutcome]
    ELEMENT_OUTCOME_MATCHED: _ClassVar[ElementOutcome]
    ELEMENT_OUTCOME_NOT_MATCHED: _ClassVar[ElementOutcome]
    ELEMENT_OUTCOME_UNEVALUABLE: _ClassVar[ElementOutcome]
EFFECT_UNSPECIFIED: Effect
EFFECT_ALLOW: Effect
EFFECT_DENY: Effect
ELEMENT_OUTCOME_UNSPECIFIED: ElementOutcome
ELEMENT_OUTCOME_MATCHED: ElementOutcome
ELEMENT_OUTCOME_NOT_MATCHED: ElementOutcome
ELEMENT_OUTCOME_UNEVALUABLE: ElementOutcome

class AuthorizeRequest(_message.Message):
    __slots__ = ("user_name", "principal_arn", "access_key_id", "action", "resource", "context", "at_least_revision")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _decision_pb2.ContextValues
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.ContextValues, _Mapping]] = ...) -> None: ...
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_ARN_FIELD_NUMBER: _ClassVar[int]
    ACCESS_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    user_name: str
    principal_arn: str
    access_key_id: str
    action: str
    resource: str
    context: _containers.MessageMap[str, _decision_pb2.ContextValues]
    at_least_revision: int
    def __init__(self, user_name: _Optional[str] = ..., principal_arn: _Optional[str] = ..., access_key_id: _Optional[str] = ..., action: _Optional[str] = ..., resource: _Optional[str] = ..., context: _Optional[_Mapping[str, _decision_pb2.ContextValues]] = ..., at_least_revision: _Optional[int] = ...) -> None: ...

class AuthorizeResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: _decision_pb2.Decision
    def __init__(self, decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ...) -> None: ...

class Check(_message.Message):
    __slots__ = ("user_name", "principal_arn", "access_key_id", "action", "resource", "context")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _decision_pb2.ContextValues
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.ContextValues, _Mapping]] = ...) -> None: ...
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_ARN_FIELD_NUMBER: _ClassVar[int]
    ACCESS_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    user_name: str
    principal_arn: str
    access_key_id: str
    action: str
    resource: str
    context: _containers.MessageMap[str, _decision_pb2.ContextValues]
    def __init__(self, user_name: _Optional[str] = ..., principal_arn: _Optional[str] = ..., access_key_id: _Optional[str] = ..., action: _Optional[str] = ..., resource: _Optional[str] = ..., context: _Optional[_Mapping[str, _decision_pb2.ContextValues]] = ...) -> None: ...

class BatchAuthorizeRequest(_message.Message):
    __slots__ = ("checks", "at_least_revision")
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    checks: _containers.RepeatedCompositeFieldContainer[Check]
    at_least_revision: int
    def __init__(self, checks: _Optional[_Iterable[_Union[Check, _Mapping]]] = ..., at_least_revision: _Optional[int] = ...) -> None: ...

class BatchAuthorizeResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[CheckAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[CheckAnswer, _Mapping]]] = ...) -> None: ...

class CheckAnswer(_message.Message):
    __slots__ = ("decision", "error")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    decision: _decision_pb2.Decision
    error: _status_pb2.Status
    def __init__(self, decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("check", "at_least_revision")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    check: Check
    at_least_revision: int
    def __init__(self, check: _Optional[_Union[Check, _Mapping]] = ..., at_least_revision: _Optional[int] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision", "policies", "nearest_miss")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEAREST_MISS_FIELD_NUMBER: _ClassVar[int]
    decision: _decision_pb2.Decision
    policies: _containers.RepeatedCompositeFieldContainer[PolicyExplanation]
    nearest_miss: StatementExplanation
    def __init__(self, decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ..., policies: _Optional[_Iterable[_Union[PolicyExplanation, _Mapping]]] = ..., nearest_miss: _Optional[_Union[StatementExplanation, _Mapping]] = ...) -> None: ...

class PolicyExplanation(_message.Message):
    __slots__ = ("policy_arn", "version", "deny_only", "problem", "statements")
    POLICY_ARN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DENY_ONLY_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    policy_arn: str
    version: int
    deny_only: bool
    problem: str
    statements: _containers.RepeatedCompositeFieldContainer[StatementExplanation]
    def __init__(self, policy_arn: _Optional[str] = ..., version: _Optional[int] = ..., deny_only: _Optional[bool] = ..., problem: _Optional[str] = ..., statements: _Optional[_Iterable[_Union[StatementExplanation, _Mapping]]] = ...) -> None: ...

class StatementExplanation(_message.Message):
    __slots__ = ("statement", "effect", "matched", "elements")
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    statement: _decision_pb2.StatementRef
    effect: Effect
    matched: bool
    elements: _containers.RepeatedCompositeFieldContainer[ElementExplanation]
    def __init__(self, statement: _Optional[_Union[_decision_pb2.StatementRef, _Mapping]] = ..., effect: _Optional[_Union[Effect, str]] = ..., matched: _Optional[bool] = ..., elements: _Optional[_Iterable[_Union[ElementExplanation, _Mapping]]] = ...) -> None: ...

class ElementExplanation(_message.Message):
    __slots__ = ("element", "outcome", "detail")
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    element: str
    outcome: ElementOutcome
    detail: str
    def __init__(self, element: _Optional[str] = ..., outcome: _Optional[_Union[ElementOutcome, str]] = ..., detail: _Optional[str] = ...) -> None: ...
