from authz.wire.authz.v1 import authentication_pb2 as _authentication_pb2
from authz.wire.authz.v1 import decision_pb2 as _decision_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FactSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FACT_SOURCE_UNSPECIFIED: _ClassVar[FactSource]
    FACT_SOURCE_IDENTITY: _ClassVar[FactSource]
    FACT_SOURCE_SERVER: _ClassVar[FactSource]
    FACT_SOURCE_REQUEST: _ClassVar[FactSource]

class Layer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LAYER_UNSPECIFIED: _ClassVar[Layer]
    LAYER_IDENTITY: _ClassVar[Layer]
    LAYER_PERMISSIONS_BOUNDARY: _ClassVar[Layer]
    LAYER_SESSION_POLICY: _ClassVar[Layer]
    LAYER_SERVICE_ACCOUNT_POLICY: _ClassVar[Layer]
    LAYER_RESOURCE_POLICY: _ClassVar[Layer]

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

class Certainty(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CERTAINTY_UNSPECIFIED: _ClassVar[Certainty]
    CERTAINTY_ALWAYS: _ClassVar[Certainty]
    CERTAINTY_CONDITIONAL: _ClassVar[Certainty]
FACT_SOURCE_UNSPECIFIED: FactSource
FACT_SOURCE_IDENTITY: FactSource
FACT_SOURCE_SERVER: FactSource
FACT_SOURCE_REQUEST: FactSource
LAYER_UNSPECIFIED: Layer
LAYER_IDENTITY: Layer
LAYER_PERMISSIONS_BOUNDARY: Layer
LAYER_SESSION_POLICY: Layer
LAYER_SERVICE_ACCOUNT_POLICY: Layer
LAYER_RESOURCE_POLICY: Layer
EFFECT_UNSPECIFIED: Effect
EFFECT_ALLOW: Effect
EFFECT_DENY: Effect
ELEMENT_OUTCOME_UNSPECIFIED: ElementOutcome
ELEMENT_OUTCOME_MATCHED: ElementOutcome
ELEMENT_OUTCOME_NOT_MATCHED: ElementOutcome
ELEMENT_OUTCOME_UNEVALUABLE: ElementOutcome
CERTAINTY_UNSPECIFIED: Certainty
CERTAINTY_ALWAYS: Certainty
CERTAINTY_CONDITIONAL: Certainty

class AuthorizeRequest(_message.Message):
    __slots__ = ("user_name", "principal_arn", "access_key_id", "anonymous", "bearer_token", "action", "resource", "context", "at_least_revision")
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
    ANONYMOUS_FIELD_NUMBER: _ClassVar[int]
    BEARER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    user_name: str
    principal_arn: str
    access_key_id: str
    anonymous: bool
    bearer_token: str
    action: str
    resource: str
    context: _containers.MessageMap[str, _decision_pb2.ContextValues]
    at_least_revision: int
    def __init__(self, user_name: _Optional[str] = ..., principal_arn: _Optional[str] = ..., access_key_id: _Optional[str] = ..., anonymous: _Optional[bool] = ..., bearer_token: _Optional[str] = ..., action: _Optional[str] = ..., resource: _Optional[str] = ..., context: _Optional[_Mapping[str, _decision_pb2.ContextValues]] = ..., at_least_revision: _Optional[int] = ...) -> None: ...

class AuthorizeResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: _decision_pb2.Decision
    def __init__(self, decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ...) -> None: ...

class Check(_message.Message):
    __slots__ = ("user_name", "principal_arn", "access_key_id", "anonymous", "action", "resource", "context")
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
    ANONYMOUS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    user_name: str
    principal_arn: str
    access_key_id: str
    anonymous: bool
    action: str
    resource: str
    context: _containers.MessageMap[str, _decision_pb2.ContextValues]
    def __init__(self, user_name: _Optional[str] = ..., principal_arn: _Optional[str] = ..., access_key_id: _Optional[str] = ..., anonymous: _Optional[bool] = ..., action: _Optional[str] = ..., resource: _Optional[str] = ..., context: _Optional[_Mapping[str, _decision_pb2.ContextValues]] = ...) -> None: ...

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
    __slots__ = ("check", "at_least_revision", "decision_id", "hypothesis")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    check: Check
    at_least_revision: int
    decision_id: str
    hypothesis: Hypothesis
    def __init__(self, check: _Optional[_Union[Check, _Mapping]] = ..., at_least_revision: _Optional[int] = ..., decision_id: _Optional[str] = ..., hypothesis: _Optional[_Union[Hypothesis, _Mapping]] = ...) -> None: ...

class Hypothesis(_message.Message):
    __slots__ = ("identity_policies", "without_own_policies", "permissions_boundary", "session_policies", "service_account_policy", "resource_policy", "principal_context")
    class PrincipalContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _decision_pb2.ContextValues
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.ContextValues, _Mapping]] = ...) -> None: ...
    IDENTITY_POLICIES_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_OWN_POLICIES_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_BOUNDARY_FIELD_NUMBER: _ClassVar[int]
    SESSION_POLICIES_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_POLICY_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_POLICY_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    identity_policies: _containers.RepeatedScalarFieldContainer[str]
    without_own_policies: bool
    permissions_boundary: str
    session_policies: _containers.RepeatedScalarFieldContainer[str]
    service_account_policy: str
    resource_policy: str
    principal_context: _containers.MessageMap[str, _decision_pb2.ContextValues]
    def __init__(self, identity_policies: _Optional[_Iterable[str]] = ..., without_own_policies: _Optional[bool] = ..., permissions_boundary: _Optional[str] = ..., session_policies: _Optional[_Iterable[str]] = ..., service_account_policy: _Optional[str] = ..., resource_policy: _Optional[str] = ..., principal_context: _Optional[_Mapping[str, _decision_pb2.ContextValues]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision", "policies", "nearest_miss", "changes", "request", "decision_now")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEAREST_MISS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    DECISION_NOW_FIELD_NUMBER: _ClassVar[int]
    decision: _decision_pb2.Decision
    policies: _containers.RepeatedCompositeFieldContainer[PolicyExplanation]
    nearest_miss: StatementExplanation
    changes: _containers.RepeatedScalarFieldContainer[str]
    request: ExplainedRequest
    decision_now: _decision_pb2.Decision
    def __init__(self, decision: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ..., policies: _Optional[_Iterable[_Union[PolicyExplanation, _Mapping]]] = ..., nearest_miss: _Optional[_Union[StatementExplanation, _Mapping]] = ..., changes: _Optional[_Iterable[str]] = ..., request: _Optional[_Union[ExplainedRequest, _Mapping]] = ..., decision_now: _Optional[_Union[_decision_pb2.Decision, _Mapping]] = ...) -> None: ...

class ExplainedRequest(_message.Message):
    __slots__ = ("principal", "action", "resource", "is_prefix", "facts")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    IS_PREFIX_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    principal: _authentication_pb2.Principal
    action: str
    resource: str
    is_prefix: bool
    facts: _containers.RepeatedCompositeFieldContainer[Fact]
    def __init__(self, principal: _Optional[_Union[_authentication_pb2.Principal, _Mapping]] = ..., action: _Optional[str] = ..., resource: _Optional[str] = ..., is_prefix: _Optional[bool] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("key", "values", "source")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    key: str
    values: _containers.RepeatedScalarFieldContainer[str]
    source: FactSource
    def __init__(self, key: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ..., source: _Optional[_Union[FactSource, str]] = ...) -> None: ...

class PolicyExplanation(_message.Message):
    __slots__ = ("policy_arn", "version", "deny_only", "problem", "statements", "layer")
    POLICY_ARN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DENY_ONLY_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    policy_arn: str
    version: int
    deny_only: bool
    problem: str
    statements: _containers.RepeatedCompositeFieldContainer[StatementExplanation]
    layer: Layer
    def __init__(self, policy_arn: _Optional[str] = ..., version: _Optional[int] = ..., deny_only: _Optional[bool] = ..., problem: _Optional[str] = ..., statements: _Optional[_Iterable[_Union[StatementExplanation, _Mapping]]] = ..., layer: _Optional[_Union[Layer, str]] = ...) -> None: ...

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

class ListAllowedActionsRequest(_message.Message):
    __slots__ = ("user_name", "principal_arn", "access_key_id", "anonymous", "resource", "context", "at_least_revision")
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
    ANONYMOUS_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    user_name: str
    principal_arn: str
    access_key_id: str
    anonymous: bool
    resource: str
    context: _containers.MessageMap[str, _decision_pb2.ContextValues]
    at_least_revision: int
    def __init__(self, user_name: _Optional[str] = ..., principal_arn: _Optional[str] = ..., access_key_id: _Optional[str] = ..., anonymous: _Optional[bool] = ..., resource: _Optional[str] = ..., context: _Optional[_Mapping[str, _decision_pb2.ContextValues]] = ..., at_least_revision: _Optional[int] = ...) -> None: ...

class ListAllowedActionsResponse(_message.Message):
    __slots__ = ("actions", "revision")
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    actions: _containers.RepeatedCompositeFieldContainer[AllowedAction]
    revision: int
    def __init__(self, actions: _Optional[_Iterable[_Union[AllowedAction, _Mapping]]] = ..., revision: _Optional[int] = ...) -> None: ...

class AllowedAction(_message.Message):
    __slots__ = ("action", "certainty")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CERTAINTY_FIELD_NUMBER: _ClassVar[int]
    action: str
    certainty: Certainty
    def __init__(self, action: _Optional[str] = ..., certainty: _Optional[_Union[Certainty, str]] = ...) -> None: ...

class WhoCanRequest(_message.Message):
    __slots__ = ("action", "resource", "context", "page_size", "page_token", "at_least_revision")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _decision_pb2.ContextValues
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.ContextValues, _Mapping]] = ...) -> None: ...
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_REVISION_FIELD_NUMBER: _ClassVar[int]
    action: str
    resource: str
    context: _containers.MessageMap[str, _decision_pb2.ContextValues]
    page_size: int
    page_token: str
    at_least_revision: int
    def __init__(self, action: _Optional[str] = ..., resource: _Optional[str] = ..., context: _Optional[_Mapping[str, _decision_pb2.ContextValues]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., at_least_revision: _Optional[int] = ...) -> None: ...

class WhoCanResponse(_message.Message):
    __slots__ = ("principals", "next_page_token", "revision")
    PRINCIPALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    principals: _containers.RepeatedCompositeFieldContainer[AllowedPrincipal]
    next_page_token: str
    revision: int
    def __init__(self, principals: _Optional[_Iterable[_Union[AllowedPrincipal, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class AllowedPrincipal(_message.Message):
    __slots__ = ("principal", "certainty")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    CERTAINTY_FIELD_NUMBER: _ClassVar[int]
    principal: _authentication_pb2.Principal
    certainty: Certainty
    def __init__(self, principal: _Optional[_Union[_authentication_pb2.Principal, _Mapping]] = ..., certainty: _Optional[_Union[Certainty, str]] = ...) -> None: ...
