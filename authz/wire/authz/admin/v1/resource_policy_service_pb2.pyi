import datetime

from authz.wire.authz.admin.v1 import finding_pb2 as _finding_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResourcePolicy(_message.Message):
    __slots__ = ("resource", "version", "document", "is_public", "update_time")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    IS_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    resource: str
    version: int
    document: str
    is_public: bool
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, resource: _Optional[str] = ..., version: _Optional[int] = ..., document: _Optional[str] = ..., is_public: _Optional[bool] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PutResourcePolicyRequest(_message.Message):
    __slots__ = ("resource", "document")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    resource: str
    document: str
    def __init__(self, resource: _Optional[str] = ..., document: _Optional[str] = ...) -> None: ...

class PutResourcePolicyResponse(_message.Message):
    __slots__ = ("resource_policy", "revision", "findings")
    RESOURCE_POLICY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    resource_policy: ResourcePolicy
    revision: int
    findings: _containers.RepeatedCompositeFieldContainer[_finding_pb2.Finding]
    def __init__(self, resource_policy: _Optional[_Union[ResourcePolicy, _Mapping]] = ..., revision: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[_finding_pb2.Finding, _Mapping]]] = ...) -> None: ...

class GetResourcePolicyRequest(_message.Message):
    __slots__ = ("resource",)
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    resource: str
    def __init__(self, resource: _Optional[str] = ...) -> None: ...

class GetResourcePolicyResponse(_message.Message):
    __slots__ = ("resource_policy",)
    RESOURCE_POLICY_FIELD_NUMBER: _ClassVar[int]
    resource_policy: ResourcePolicy
    def __init__(self, resource_policy: _Optional[_Union[ResourcePolicy, _Mapping]] = ...) -> None: ...

class ListResourcePoliciesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListResourcePoliciesResponse(_message.Message):
    __slots__ = ("resource_policies", "next_page_token")
    RESOURCE_POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    resource_policies: _containers.RepeatedCompositeFieldContainer[ResourcePolicy]
    next_page_token: str
    def __init__(self, resource_policies: _Optional[_Iterable[_Union[ResourcePolicy, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteResourcePolicyRequest(_message.Message):
    __slots__ = ("resource",)
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    resource: str
    def __init__(self, resource: _Optional[str] = ...) -> None: ...

class DeleteResourcePolicyResponse(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...
