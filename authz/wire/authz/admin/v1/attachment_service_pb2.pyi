from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Attachment(_message.Message):
    __slots__ = ("policy_name", "user_name", "group_name", "role_name", "provider_name")
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    policy_name: str
    user_name: str
    group_name: str
    role_name: str
    provider_name: str
    def __init__(self, policy_name: _Optional[str] = ..., user_name: _Optional[str] = ..., group_name: _Optional[str] = ..., role_name: _Optional[str] = ..., provider_name: _Optional[str] = ...) -> None: ...

class AttachPolicyRequest(_message.Message):
    __slots__ = ("policy_name", "user_name", "group_name", "role_name", "provider_name")
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    policy_name: str
    user_name: str
    group_name: str
    role_name: str
    provider_name: str
    def __init__(self, policy_name: _Optional[str] = ..., user_name: _Optional[str] = ..., group_name: _Optional[str] = ..., role_name: _Optional[str] = ..., provider_name: _Optional[str] = ...) -> None: ...

class AttachPolicyResponse(_message.Message):
    __slots__ = ("attachment", "revision")
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    attachment: Attachment
    revision: int
    def __init__(self, attachment: _Optional[_Union[Attachment, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class DetachPolicyRequest(_message.Message):
    __slots__ = ("policy_name", "user_name", "group_name", "role_name", "provider_name")
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    policy_name: str
    user_name: str
    group_name: str
    role_name: str
    provider_name: str
    def __init__(self, policy_name: _Optional[str] = ..., user_name: _Optional[str] = ..., group_name: _Optional[str] = ..., role_name: _Optional[str] = ..., provider_name: _Optional[str] = ...) -> None: ...

class DetachPolicyResponse(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class ListAttachmentsRequest(_message.Message):
    __slots__ = ("user_name", "group_name", "policy_name", "role_name", "provider_name", "page_size", "page_token")
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    POLICY_NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    user_name: str
    group_name: str
    policy_name: str
    role_name: str
    provider_name: str
    page_size: int
    page_token: str
    def __init__(self, user_name: _Optional[str] = ..., group_name: _Optional[str] = ..., policy_name: _Optional[str] = ..., role_name: _Optional[str] = ..., provider_name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAttachmentsResponse(_message.Message):
    __slots__ = ("attachments", "next_page_token")
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    attachments: _containers.RepeatedCompositeFieldContainer[Attachment]
    next_page_token: str
    def __init__(self, attachments: _Optional[_Iterable[_Union[Attachment, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
