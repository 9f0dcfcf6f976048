"""Which right each method of the admin API asks for: one table, a row a method.

The words are AWS's, so that policies written for AWS say here what they say there; beside them stands the
action of MinIO's vocabulary that guards the same thing, `None` where it has none. The resource is what the
call is about, by its ARN, so that a policy can hand out the care of some users only.

A method that speaks of one of several kinds of things (the target of an attachment) has a row for each kind.
Sources: AWS, "Service Authorization Reference: IAM"; MinIO, "Policy Management: admin actions".
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from google.protobuf.message import Message

from authz.errors import InvalidError
from authz.policy.arn import group_arn, policy_arn, user_arn

PACKAGE: Final = "authz.admin.v1"


class Rule(NamedTuple):
    """What a call needs: AWS's action, MinIO's, and on what.

    `kind` is `user`, `group` or `policy`; `name` is the request's field that holds the name, by a dotted path,
    empty for all of the kind (the ARN ends after its slash, as in AWS).
    """

    action: str
    admin_action: str | None
    kind: str
    name: str = ""


_ARNS: Final = {"user": user_arn, "group": group_arn, "policy": policy_arn}

_USERS: Final[Mapping[str, Rule]] = {
    "CreateUser": Rule("iam:CreateUser", "admin:CreateUser", "user", "name"),
    "GetUser": Rule("iam:GetUser", "admin:GetUser", "user", "name"),
    "ListUsers": Rule("iam:ListUsers", "admin:ListUsers", "user"),
    # MinIO asks for EnableUser whether a user is enabled or disabled.
    "UpdateUser": Rule("iam:UpdateUser", "admin:EnableUser", "user", "user.name"),
    "DeleteUser": Rule("iam:DeleteUser", "admin:DeleteUser", "user", "name"),
}

# What MinIO calls a service account is what AWS calls one more access key of a user.
_ACCESS_KEYS: Final[Mapping[str, Rule]] = {
    "CreateAccessKey": Rule(
        "iam:CreateAccessKey", "admin:CreateServiceAccount", "user", "user_name"
    ),
    "GetAccessKey": Rule(
        "iam:GetAccessKeyLastUsed", "admin:ListServiceAccounts", "user", "user_name"
    ),
    "ListAccessKeys": Rule("iam:ListAccessKeys", "admin:ListServiceAccounts", "user", "user_name"),
    "UpdateAccessKey": Rule(
        "iam:UpdateAccessKey", "admin:UpdateServiceAccount", "user", "access_key.user_name"
    ),
    "DeleteAccessKey": Rule(
        "iam:DeleteAccessKey", "admin:RemoveServiceAccount", "user", "user_name"
    ),
}

# In MinIO a group comes with its first member and goes with its last.
_GROUPS: Final[Mapping[str, Rule]] = {
    "CreateGroup": Rule("iam:CreateGroup", "admin:AddUserToGroup", "group", "name"),
    "GetGroup": Rule("iam:GetGroup", "admin:GetGroup", "group", "name"),
    "ListGroups": Rule("iam:ListGroups", "admin:ListGroups", "group"),
    "UpdateGroup": Rule("iam:UpdateGroup", "admin:EnableGroup", "group", "group.name"),
    "DeleteGroup": Rule("iam:DeleteGroup", "admin:RemoveUserFromGroup", "group", "name"),
    "AddGroupMembers": Rule("iam:AddUserToGroup", "admin:AddUserToGroup", "group", "group_name"),
    "RemoveGroupMembers": Rule(
        "iam:RemoveUserFromGroup", "admin:RemoveUserFromGroup", "group", "group_name"
    ),
    "ListGroupMembers": Rule("iam:GetGroup", "admin:GetGroup", "group", "group_name"),
    "ListGroupsForUser": Rule("iam:ListGroupsForUser", "admin:GetUser", "user", "user_name"),
}

_POLICIES: Final[Mapping[str, Rule]] = {
    "CreatePolicy": Rule("iam:CreatePolicy", "admin:CreatePolicy", "policy", "name"),
    "GetPolicy": Rule("iam:GetPolicy", "admin:GetPolicy", "policy", "name"),
    "ListPolicies": Rule("iam:ListPolicies", "admin:ListUserPolicies", "policy"),
    "UpdatePolicy": Rule("iam:CreatePolicyVersion", "admin:CreatePolicy", "policy", "policy.name"),
    "DeletePolicy": Rule("iam:DeletePolicy", "admin:DeletePolicy", "policy", "name"),
}

_ATTACH: Final = "admin:AttachUserOrGroupPolicy"
_ATTACHMENTS: Final[Mapping[str, Rule]] = {
    "AttachPolicy/user_name": Rule("iam:AttachUserPolicy", _ATTACH, "user", "user_name"),
    "AttachPolicy/group_name": Rule("iam:AttachGroupPolicy", _ATTACH, "group", "group_name"),
    "DetachPolicy/user_name": Rule("iam:DetachUserPolicy", _ATTACH, "user", "user_name"),
    "DetachPolicy/group_name": Rule("iam:DetachGroupPolicy", _ATTACH, "group", "group_name"),
    "ListAttachments/user_name": Rule(
        "iam:ListAttachedUserPolicies", "admin:GetUser", "user", "user_name"
    ),
    "ListAttachments/group_name": Rule(
        "iam:ListAttachedGroupPolicies", "admin:GetGroup", "group", "group_name"
    ),
    "ListAttachments/policy_name": Rule(
        "iam:ListEntitiesForPolicy", "admin:ListUserPolicies", "policy", "policy_name"
    ),
}

_SERVICES: Final = {
    "UserService": _USERS,
    "AccessKeyService": _ACCESS_KEYS,
    "GroupService": _GROUPS,
    "PolicyService": _POLICIES,
    "AttachmentService": _ATTACHMENTS,
}

RULES: Final[Mapping[str, Rule]] = {
    f"/{PACKAGE}.{service}/{method}": rule
    for service, rules in _SERVICES.items()
    for method, rule in rules.items()
}
"""Full method name, with the set field of a oneof after one more slash → what the call needs."""


def find_rule(method: str, request: Message) -> Rule:
    """Return what `request` to `method` needs; raises `InvalidError` when it does not say what it is about."""
    rule = RULES.get(method)
    if rule is not None:
        return rule
    # Only a method whose request has one choice of what it is about has no row of its own.
    choice = request.DESCRIPTOR.oneofs[0].name
    chosen = request.WhichOneof(choice)
    if chosen is None:
        kinds = " or ".join(field.name for field in request.DESCRIPTOR.oneofs[0].fields)
        raise InvalidError(f"set one of {kinds}", field=choice)
    return RULES[f"{method}/{chosen}"]


def resource_of(rule: Rule, request: Message, account: str) -> str:
    """Return the ARN of what `request` is about, in `account`."""
    name: object = ""
    if rule.name:
        name = request
        for part in rule.name.split("."):
            name = getattr(name, part)
    return _ARNS[rule.kind](account, str(name))
