"""Which right each method of the admin API asks for: one table, a row a method.

The words are AWS's, so that policies written for AWS say here what they say there; beside them stands the
action of MinIO's vocabulary that guards the same thing, `None` where it has none. The resource is what the
call is about, by its ARN, so that a policy can hand out the care of some users only.

A method that speaks of one of several kinds of things (the target of an attachment, the holder of a resource
policy) has a row for each kind.

Sources: AWS, "Service Authorization Reference: IAM"; MinIO, "Policy Management: admin actions".
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from authz.control.limits import SESSION_DURATION_DEFAULT
from authz.errors import InvalidError
from authz.formats.admin_v1 import find_target
from authz.formats.admin_v1_policies import HolderKind, parse_holder
from authz.formats.admin_v1_sessions import parse_duration
from authz.identity.records import TargetKind
from authz.policy.arn import (
    ANY,
    canned_policy_arn,
    group_arn,
    identity_provider_arn,
    policy_arn,
    role_arn,
    user_arn,
)
from authz.policy.canned import CANNED_POLICIES
from authz.policy.request import Values

PACKAGE: Final = "authz.admin.v1"

CALLER: Final = "caller"
"""The kind of a call that is about the caller's own credential."""


class Requirement(NamedTuple):
    """What a call needs: AWS's action, MinIO's, and on what.

    `kind` is what the ARN says (`user`, `group`, …); `name` is the request's field that holds the name, by a
    dotted path, empty for all of the kind (the ARN ends after its slash, as in AWS). Of kind `resource`, the
    field holds the ARN itself, and all of the kind is `*`. Of kind `caller`, the call is about the credential
    that signed it: it needs no right, only an explicit deny of the action on `*` refuses it, and its handler
    is told who calls.
    """

    action: str
    admin_action: str | None
    kind: str
    name: str = ""


def managed_policy_arn(account: str, name: str) -> str:
    """Return the ARN of the policy of this name; the names of canned ones are theirs alone."""
    canned = canned_policy_arn(name)
    return canned if canned in CANNED_POLICIES else policy_arn(account, name)


def _arn_itself(_account: str, arn: str) -> str:
    return arn or ANY


_ARNS: Final = {
    "user": user_arn,
    "group": group_arn,
    "role": role_arn,
    "policy": managed_policy_arn,
    "identity-provider": identity_provider_arn,
    "resource": _arn_itself,
    CALLER: _arn_itself,
}

_USERS: Final[Mapping[str, Requirement]] = {
    "CreateUser": Requirement("iam:CreateUser", "admin:CreateUser", "user", "name"),
    "GetUser": Requirement("iam:GetUser", "admin:GetUser", "user", "name"),
    "ListUsers": Requirement("iam:ListUsers", "admin:ListUsers", "user"),
    # MinIO asks for EnableUser whether a user is enabled or disabled.
    "UpdateUser": Requirement("iam:UpdateUser", "admin:EnableUser", "user", "user.name"),
    "DeleteUser": Requirement("iam:DeleteUser", "admin:DeleteUser", "user", "name"),
    # MinIO knows no boundaries, so that none of its actions hands out the right to lift one.
    "PutPermissionsBoundary": Requirement(
        "iam:PutUserPermissionsBoundary", None, "user", "user_name"
    ),
    "DeletePermissionsBoundary": Requirement(
        "iam:DeleteUserPermissionsBoundary", None, "user", "user_name"
    ),
}

# What MinIO calls a service account is what AWS calls one more access key of a user.
_ACCESS_KEYS: Final[Mapping[str, Requirement]] = {
    "CreateAccessKey": Requirement(
        "iam:CreateAccessKey", "admin:CreateServiceAccount", "user", "user_name"
    ),
    "GetAccessKey": Requirement(
        "iam:GetAccessKeyLastUsed", "admin:ListServiceAccounts", "user", "user_name"
    ),
    "ListAccessKeys": Requirement(
        "iam:ListAccessKeys", "admin:ListServiceAccounts", "user", "user_name"
    ),
    "UpdateAccessKey": Requirement(
        "iam:UpdateAccessKey", "admin:UpdateServiceAccount", "user", "access_key.user_name"
    ),
    "DeleteAccessKey": Requirement(
        "iam:DeleteAccessKey", "admin:RemoveServiceAccount", "user", "user_name"
    ),
}

# In MinIO a group comes with its first member and goes with its last.
_GROUPS: Final[Mapping[str, Requirement]] = {
    "CreateGroup": Requirement("iam:CreateGroup", "admin:AddUserToGroup", "group", "name"),
    "GetGroup": Requirement("iam:GetGroup", "admin:GetGroup", "group", "name"),
    "ListGroups": Requirement("iam:ListGroups", "admin:ListGroups", "group"),
    "UpdateGroup": Requirement("iam:UpdateGroup", "admin:EnableGroup", "group", "group.name"),
    "DeleteGroup": Requirement("iam:DeleteGroup", "admin:RemoveUserFromGroup", "group", "name"),
    "AddGroupMembers": Requirement(
        "iam:AddUserToGroup", "admin:AddUserToGroup", "group", "group_name"
    ),
    "RemoveGroupMembers": Requirement(
        "iam:RemoveUserFromGroup", "admin:RemoveUserFromGroup", "group", "group_name"
    ),
    "ListGroupMembers": Requirement("iam:GetGroup", "admin:GetGroup", "group", "group_name"),
    "ListGroupsForUser": Requirement("iam:ListGroupsForUser", "admin:GetUser", "user", "user_name"),
}

# MinIO keeps no roles, so none of its actions hands out the right to become one.
_ROLES: Final[Mapping[str, Requirement]] = {
    "CreateRole": Requirement("iam:CreateRole", None, "role", "name"),
    "GetRole": Requirement("iam:GetRole", None, "role", "name"),
    "ListRoles": Requirement("iam:ListRoles", None, "role"),
    "UpdateRole": Requirement("iam:UpdateRole", None, "role", "role.name"),
    "UpdateTrustPolicy": Requirement("iam:UpdateAssumeRolePolicy", None, "role", "role_name"),
    "PutRolePermissionsBoundary": Requirement(
        "iam:PutRolePermissionsBoundary", None, "role", "role_name"
    ),
    "DeleteRolePermissionsBoundary": Requirement(
        "iam:DeleteRolePermissionsBoundary", None, "role", "role_name"
    ),
    "DeleteRole": Requirement("iam:DeleteRole", None, "role", "name"),
}

_POLICIES: Final[Mapping[str, Requirement]] = {
    "CreatePolicy": Requirement("iam:CreatePolicy", "admin:CreatePolicy", "policy", "name"),
    "GetPolicy": Requirement("iam:GetPolicy", "admin:GetPolicy", "policy", "name"),
    "ListPolicies": Requirement("iam:ListPolicies", "admin:ListUserPolicies", "policy"),
    "UpdatePolicy": Requirement(
        "iam:CreatePolicyVersion", "admin:CreatePolicy", "policy", "policy.name"
    ),
    "DeletePolicy": Requirement("iam:DeletePolicy", "admin:DeletePolicy", "policy", "name"),
    # Also where the version is put in force at once: AWS asks for no iam:SetDefaultPolicyVersion then.
    "CreatePolicyVersion": Requirement(
        "iam:CreatePolicyVersion", "admin:CreatePolicy", "policy", "policy_name"
    ),
    "GetPolicyVersion": Requirement(
        "iam:GetPolicyVersion", "admin:GetPolicy", "policy", "policy_name"
    ),
    "ListPolicyVersions": Requirement(
        "iam:ListPolicyVersions", "admin:GetPolicy", "policy", "policy_name"
    ),
    "SetDefaultPolicyVersion": Requirement(
        "iam:SetDefaultPolicyVersion", "admin:CreatePolicy", "policy", "policy_name"
    ),
    "DeletePolicyVersion": Requirement(
        "iam:DeletePolicyVersion", "admin:DeletePolicy", "policy", "policy_name"
    ),
}

# Who may write a bucket's policy in S3 may write it here, and that policy itself has its say in it.
_RESOURCE_POLICIES: Final[Mapping[str, Requirement]] = {
    "PutResourcePolicy/bucket": Requirement("s3:PutBucketPolicy", None, "resource", "resource"),
    "PutResourcePolicy/other": Requirement("authz:PutResourcePolicy", None, "resource", "resource"),
    "GetResourcePolicy/bucket": Requirement("s3:GetBucketPolicy", None, "resource", "resource"),
    "GetResourcePolicy/other": Requirement("authz:GetResourcePolicy", None, "resource", "resource"),
    "ListResourcePolicies": Requirement("authz:ListResourcePolicies", None, "resource"),
    "DeleteResourcePolicy/bucket": Requirement(
        "s3:DeleteBucketPolicy", None, "resource", "resource"
    ),
    "DeleteResourcePolicy/other": Requirement(
        "authz:DeleteResourcePolicy", None, "resource", "resource"
    ),
}

_ATTACH: Final = "admin:AttachUserOrGroupPolicy"
_ATTACHMENTS: Final[Mapping[str, Requirement]] = {
    "AttachPolicy/user_name": Requirement("iam:AttachUserPolicy", _ATTACH, "user", "user_name"),
    "AttachPolicy/group_name": Requirement("iam:AttachGroupPolicy", _ATTACH, "group", "group_name"),
    "AttachPolicy/role_name": Requirement("iam:AttachRolePolicy", None, "role", "role_name"),
    "DetachPolicy/user_name": Requirement("iam:DetachUserPolicy", _ATTACH, "user", "user_name"),
    "DetachPolicy/group_name": Requirement("iam:DetachGroupPolicy", _ATTACH, "group", "group_name"),
    "DetachPolicy/role_name": Requirement("iam:DetachRolePolicy", None, "role", "role_name"),
    # All users of a provider are what a group is, to policies that were written without a thought of them, too.
    "AttachPolicy/provider_name": Requirement(
        "iam:AttachGroupPolicy", _ATTACH, "identity-provider", "provider_name"
    ),
    "DetachPolicy/provider_name": Requirement(
        "iam:DetachGroupPolicy", _ATTACH, "identity-provider", "provider_name"
    ),
    "ListAttachments/user_name": Requirement(
        "iam:ListAttachedUserPolicies", "admin:GetUser", "user", "user_name"
    ),
    "ListAttachments/group_name": Requirement(
        "iam:ListAttachedGroupPolicies", "admin:GetGroup", "group", "group_name"
    ),
    "ListAttachments/role_name": Requirement(
        "iam:ListAttachedRolePolicies", None, "role", "role_name"
    ),
    "ListAttachments/provider_name": Requirement(
        "iam:ListAttachedGroupPolicies", "admin:GetGroup", "identity-provider", "provider_name"
    ),
    "ListAttachments/policy_name": Requirement(
        "iam:ListEntitiesForPolicy", "admin:ListUserPolicies", "policy", "policy_name"
    ),
}

# MinIO has no right for ending sessions; it asks for that to remove service accounts.
_END_SESSIONS: Final = ("authz:RevokeSessions", "admin:RemoveServiceAccount")
_LIST_SESSIONS: Final = ("authz:ListSessions", "admin:ListTemporaryAccounts")
_OF_PROVIDER: Final = ("identity-provider", "provider_name")
_SESSIONS: Final[Mapping[str, Requirement]] = {
    "CreateSession": Requirement("sts:GetSessionToken", None, CALLER),
    "RevokeSessions/user_name": Requirement(*_END_SESSIONS, "user", "user_name"),
    "RevokeSessions/role_name": Requirement("authz:RevokeSessions", None, "role", "role_name"),
    "RevokeSessions/provider_name": Requirement(*_END_SESSIONS, *_OF_PROVIDER),
    # Whose it is stands in a token that nobody has kept: who may end one may end anybody's.
    "RevokeSessions/access_key_id": Requirement(*_END_SESSIONS, "resource"),
    "ListSessions/user_name": Requirement(*_LIST_SESSIONS, "user", "user_name"),
    "ListSessions/role_name": Requirement("authz:ListSessions", None, "role", "role_name"),
    "ListSessions/provider_name": Requirement(*_LIST_SESSIONS, *_OF_PROVIDER),
    "ListSessions/all": Requirement(*_LIST_SESSIONS, "resource"),
}

# The words for OpenID Connect's providers are those of every kind. To change one is to say anew who its users
# are: AWS has that for SAML's alone; of OpenID Connect's it replaces thumbprints, and who may do that must not
# get the whole. All are words of `iam:`, so that "all but `iam:*`" (AWS's PowerUserAccess) hands out none.
_CONFIGURE: Final = "admin:ConfigUpdate"
_PROVIDERS: Final[Mapping[str, Requirement]] = {
    "CreateProvider": Requirement(
        "iam:CreateOpenIDConnectProvider", _CONFIGURE, "identity-provider", "name"
    ),
    "GetProvider": Requirement(
        "iam:GetOpenIDConnectProvider", _CONFIGURE, "identity-provider", "name"
    ),
    "ListProviders": Requirement("iam:ListOpenIDConnectProviders", _CONFIGURE, "identity-provider"),
    "UpdateProvider": Requirement(
        "iam:UpdateSAMLProvider", _CONFIGURE, "identity-provider", "provider.name"
    ),
    "DeleteProvider": Requirement(
        "iam:DeleteOpenIDConnectProvider", _CONFIGURE, "identity-provider", "name"
    ),
    # Tells what nobody is told who logs in. Neither vocabulary has a word for it.
    "TestProvider": Requirement("authz:TestProvider", None, "identity-provider", "name"),
}

_SERVICES: Final = {
    "UserService": _USERS,
    "AccessKeyService": _ACCESS_KEYS,
    "GroupService": _GROUPS,
    "RoleService": _ROLES,
    "PolicyService": _POLICIES,
    "ResourcePolicyService": _RESOURCE_POLICIES,
    "AttachmentService": _ATTACHMENTS,
    "SessionService": _SESSIONS,
    "ProviderService": _PROVIDERS,
}

REQUIREMENTS: Final[Mapping[str, Requirement]] = {
    f"/{PACKAGE}.{service}/{method}": needed
    for service, methods in _SERVICES.items()
    for method, needed in methods.items()
}
"""Full method name, with the kind of what it is about after one more slash where that varies → what it needs.

The kind is the set field of the request's oneof, or a `HolderKind`.
"""


def find_requirement(method: str, request: Message) -> Requirement:
    """Return what `request` to `method` needs; raises `InvalidError` when it does not say what it is about."""
    return REQUIREMENTS.get(method) or REQUIREMENTS[f"{method}/{_kind_of(request)}"]


def _kind_of(request: Message) -> str:
    # Only a method whose request has one choice of what it is about, or a holder, has no row of its own.
    if not request.DESCRIPTOR.oneofs:
        holder: HolderKind = parse_holder(request.resource)  # type: ignore[attr-defined]  # as just said
        return holder.value
    choice = request.DESCRIPTOR.oneofs[0]
    chosen = request.WhichOneof(choice.name)
    if chosen is None:
        kinds = " or ".join(field.name for field in choice.fields)
        raise InvalidError(f"set one of {kinds}", field=choice.name)
    return str(chosen)


def resource_of(needed: Requirement, request: Message, account: str) -> str:
    """Return the ARN of what `request` is about, in `account`."""
    name: object = ""
    if needed.name:
        name = request
        for part in needed.name.split("."):
            name = getattr(name, part)
    return _ARNS[needed.kind](account, str(name))


_TAGS: Final = "tags"
_TAGGED: Final = frozenset({"User", "Role"})


def needed_for_tags(method: str, request: Message) -> tuple[str, ...]:
    """Return what a call that writes tags needs besides, since policies may decide by tags (as in AWS)."""
    name = method.rpartition("/")[2]
    kind = name.removeprefix("Create").removeprefix("Update")
    if kind not in _TAGGED:
        return ()
    if name.startswith("Create"):
        return (f"iam:Tag{kind}",) if getattr(request, _TAGS) else ()
    # An update replaces all tags, so it may take some away.
    is_tagging = _TAGS in request.update_mask.paths  # type: ignore[attr-defined]  # this request has one
    return (f"iam:Tag{kind}", f"iam:Untag{kind}") if is_tagging else ()


_ATTACHING: Final = frozenset({"AttachPolicyRequest", "DetachPolicyRequest"})


def facts_of(request: Message, account: str) -> dict[str, Values]:
    """Return the condition values of a call: the policy it binds, the tags it writes, how long it asks for.

    Source: AWS, "Service Authorization Reference: IAM", condition keys.
    """
    facts: dict[str, Values] = {}
    policy, boundary = _policies_of(request)
    if policy:
        facts["iam:policyarn"] = (managed_policy_arn(account, policy),)
    if boundary:
        facts[BOUNDARY_KEY] = (managed_policy_arn(account, boundary),)
    written = getattr(request, "user", getattr(request, "role", request))
    tags: Mapping[str, str] = getattr(written, _TAGS, {})
    if tags:
        facts["aws:tagkeys"] = tuple(tags)
        facts |= {f"aws:requesttag/{key}": (value,) for key, value in tags.items()}
    if request.DESCRIPTOR.name == "CreateSessionRequest":
        # As over STS, so that a deny of long sessions holds here, too.
        duration = parse_duration(request)  # type: ignore[arg-type]  # as just said
        facts["sts:durationseconds"] = (
            str(int(SESSION_DURATION_DEFAULT if duration is None else duration)),
        )
    return facts


def _policies_of(request: Any) -> tuple[str, str]:
    """Return the name of the policy that a call attaches or detaches, and of the one it makes a boundary."""
    kind = request.DESCRIPTOR.name
    if kind in _ATTACHING:
        return request.policy_name, ""
    if kind in {"PutPermissionsBoundaryRequest", "PutRolePermissionsBoundaryRequest"}:
        return "", request.policy_name
    if kind in {"CreateUserRequest", "CreateRoleRequest"}:
        return "", request.permissions_boundary
    return "", ""


BOUNDARY_KEY: Final = "iam:permissionsboundary"
"""The permissions boundary of whom a call is about: the one it sets, or else the one there is."""


def bounded_of(request: Any) -> tuple[TargetKind, str] | None:
    """Return whose present boundary is a condition value of the call, `None` for nobody's.

    So whoever may attach policies only to users within a boundary cannot attach any to others. Source: AWS, IAM
    user guide, "Delegating responsibility to others using permissions boundaries".
    """
    kind = request.DESCRIPTOR.name
    if kind == "DeletePermissionsBoundaryRequest":
        return TargetKind.USER, request.user_name
    if kind == "DeleteRolePermissionsBoundaryRequest":
        return TargetKind.ROLE, request.role_name
    return find_target(request) if kind in _ATTACHING else None


_CHANGING_KEYS: Final[Mapping[str, Callable[[Any], str]]] = {
    "CreateAccessKeyRequest": lambda request: request.user_name,
    "UpdateAccessKeyRequest": lambda request: request.access_key.user_name,
}


def keys_owner_of(request: Any) -> str | None:
    """Return whose access keys a call creates or changes, `None` for a call that does neither.

    A credential with a policy of its own does neither for its own owner, whatever that policy says: by a key
    without that policy, or the same key with another one, restricted service accounts got rid of their
    restrictions in MinIO (CVE-2025-62506, CVE-2024-24747).
    """
    read = _CHANGING_KEYS.get(request.DESCRIPTOR.name)
    return None if read is None else read(request)
