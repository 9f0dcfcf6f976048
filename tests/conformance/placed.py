"""One scenario as values: what its records are called in a service, and its policies and principal without one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from authz.formats.iam_json import RESOURCE_POLICY, TRUST_POLICY, parse_policy
from authz.identity.external import ExternalIdentity, Login, ProviderKind
from authz.identity.principal import (
    ANONYMOUS,
    federated_principal,
    login_facts,
    root_principal,
    user_principal,
)
from authz.identity.records import Group, Status, User, external_name
from authz.policy.applicable import Applicable
from authz.policy.arn import assumed_role_arn, policy_holder, role_arn
from authz.policy.canned import CANNED_POLICIES
from authz.policy.compile import (
    CompiledPolicy,
    PolicySet,
    compile_policy,
    compile_policy_set,
    compile_resource_policy,
)
from authz.policy.decide import decide, decide_federated_trust, decide_trust
from authz.policy.decision import Decision, Layer
from authz.policy.request import (
    NO_FACTS,
    AccessRequest,
    Principal,
    PrincipalKind,
    Values,
    fold_key,
)
from tests.access.world import ACCOUNT, ROOT_ID, ROOT_SECRET
from tests.conformance.http_form import NoForm
from tests.conformance.scenarios import Scenario, as_text

SECRET = "the-secret-of-a-scenario"
STRANGER = ("AKIAOFNOBODYOFNOBODY", "a-secret-of-nobody-here")
CANNED = {policy.name: policy for policy in CANNED_POLICIES.values()}


class Placed(NamedTuple):
    """A scenario and what its records are called in its service."""

    scenario: Scenario
    prefix: str

    def user(self, name: str) -> str:
        return name or f"{self.prefix}.user"

    def policy(self, name: str) -> str:
        return f"{self.prefix}.{name}" if name in self.scenario.policies else name

    def access_key(self, name: str) -> str:
        return f"AK{self.prefix.upper()}X{list(self.scenario.users).index(name)}"

    @property
    def credential(self) -> tuple[str, str] | None:
        """What the principal signs with."""
        name = self.scenario.principal
        if name == "anonymous":
            return None
        if name == "root":
            return ROOT_ID, ROOT_SECRET.decode()
        return (self.access_key(name), SECRET) if name in self.scenario.users else STRANGER


def login_of(scenario: Scenario, provider_id: str = "P1") -> Login:
    """Return what a provider says in a scenario."""
    said = scenario.login
    return Login(
        provider_id,
        said["provider"],
        ProviderKind(said.get("kind", "oidc")),
        ExternalIdentity(
            name=said["name"],
            groups=tuple(said.get("groups", ())),
            policies=tuple(said.get("policies", ())),
            facts=read_facts(said.get("facts", {})),
            tags=said.get("tags", {}),
            transitive=(),
            source_identity=said.get("source_identity", ""),
            issuer=said.get("issuer", ""),
        ),
    )


def read_facts(said: Mapping[str, Any]) -> dict[str, Values]:
    return {
        fold_key(key): tuple(map(str, value if isinstance(value, list) else [value]))
        for key, value in said.items()
    }


def assemble(placed: Placed) -> tuple[Principal, dict[str, Any]]:
    """Return the principal of a scenario and all layers that go with it, without any service."""
    scenario = placed.scenario
    given = scenario.given
    session = given.get("session", {})
    if "role" in session:
        principal, layers = _role(scenario, session)
    elif scenario.login:
        principal, layers = _logged_in(scenario)
    else:
        principal, layers = _parent(placed)
    if session.get("policies") or "policy" in session:
        policies = [_compiled(scenario, name) for name in session.get("policies", ())]
        if "policy" in session:
            policies.append(_compile(as_text(session["policy"]), "session"))
        layers["sessions"] = [compile_policy_set(policies, layer=Layer.SESSION_POLICY)]
    if "policy" in given.get("service_account", {}):
        own = _compile(as_text(given["service_account"]["policy"]), "service-account")
        layers["service_account"] = compile_policy_set([own], layer=Layer.SERVICE_ACCOUNT_POLICY)
    return principal, layers


def _role(scenario: Scenario, session: Mapping[str, Any]) -> tuple[Principal, dict[str, Any]]:
    name = session["role"]
    role = scenario.given["roles"][name]
    principal = Principal(
        arn=assumed_role_arn(ACCOUNT, name, session["name"]),
        kind=PrincipalKind.ASSUMED_ROLE,
        account=ACCOUNT,
        id="AROASCENARIO",
        name=session["name"],
        facts=login_facts(login_of(scenario), ACCOUNT) if scenario.login else NO_FACTS,
        role=role_arn(ACCOUNT, name),
    )
    own = [_compiled(scenario, policy) for policy in role.get("policies", ())]
    return principal, {
        "identity": compile_policy_set(own),
        "boundary": _boundary(scenario, role.get("boundary")),
    }


def _logged_in(scenario: Scenario) -> tuple[Principal, dict[str, Any]]:
    """Return somebody whom a provider vouches for, by its session; or asking for one of a role."""
    login = login_of(scenario)
    if trust_of(scenario, scenario.when.get("resource", "")) is not None and is_login(scenario):
        return federated_principal(login, ACCOUNT), {"identity": compile_policy_set(())}
    # What no policy is called grants nothing.
    known = {*scenario.policies, *CANNED}
    granted = [name for name in login.identity.policies if name in known]
    own = [*scenario.login.get("provider_policies", ()), *granted]
    deny_only: list[str] = []
    groups = []
    for name in login.identity.groups:
        called = external_name(login.provider_name, name)
        if called in scenario.groups:
            group = _group(scenario, called)
            groups.append(group)
            is_enabled = group.status is Status.ENABLED
            (own if is_enabled else deny_only).extend(scenario.groups[called].get("policies", ()))
    name = external_name(login.provider_name, login.identity.name)
    user = User(id="AIDASCENARIO", name=name, status=Status.ENABLED, created_at=0.0)
    principal = user_principal(user, groups, ACCOUNT)
    principal = replace(principal, facts={**login_facts(login, ACCOUNT), **principal.facts})
    identity = compile_policy_set(
        [_compiled(scenario, policy) for policy in dict.fromkeys(own)],
        [_compiled(scenario, policy) for policy in dict.fromkeys(deny_only)],
    )
    return principal, {"identity": identity}


def _group(scenario: Scenario, name: str) -> Group:
    status = Status(scenario.groups[name].get("status", "enabled"))
    return Group(id=f"AGPA{name}", name=name, status=status, created_at=0.0)


def is_login(scenario: Scenario) -> bool:
    """Tell whether the question is asked with nothing but a provider's word."""
    return "AssumeRoleWith" in scenario.when.get("action", "") and "session" not in scenario.given


def trust_of(scenario: Scenario, resource: str) -> PolicySet | None:
    """Return the trust policy of the role that a question is about, if it is about one."""
    prefix = role_arn(ACCOUNT, "")
    role = scenario.given.get("roles", {}).get(resource.removeprefix(prefix), {})
    if not resource.startswith(prefix) or "trust" not in role:
        return None
    document = parse_policy(as_text(role["trust"]), kind=TRUST_POLICY)
    compiled = compile_resource_policy(document, arn=resource, version=1)
    return compile_policy_set([compiled], layer=Layer.RESOURCE_POLICY)


def decide_in(scenario: Scenario, request: AccessRequest, applicable: Applicable) -> Decision:
    """Decide as the question is meant: about a role, whom it trusts."""
    trust = trust_of(scenario, request.resource)
    if trust is None:
        return decide(request, applicable)
    if request.principal.kind is PrincipalKind.FEDERATED:
        return decide_federated_trust(request, trust)
    return decide_trust(request, applicable.with_resource(trust))


def _boundary(scenario: Scenario, name: str | None) -> PolicySet | None:
    if name is None:
        return None
    return compile_policy_set([_compiled(scenario, name)], layer=Layer.PERMISSIONS_BOUNDARY)


def of_resource(scenario: Scenario, resource: str) -> PolicySet | None:
    holder = policy_holder(resource)
    document = scenario.resource_policies.get(holder)
    if document is None:
        return None
    compiled = compile_resource_policy(
        parse_policy(document, kind=RESOURCE_POLICY), arn=holder, version=1
    )
    return compile_policy_set([compiled], layer=Layer.RESOURCE_POLICY)


def _parent(placed: Placed) -> tuple[Principal, dict[str, Any]]:
    """Return who acts, or whose session or service account it is, with its own layers."""
    scenario = placed.scenario
    name = scenario.principal
    if name == "root":
        return root_principal(ACCOUNT), {}
    if name == "anonymous":
        return ANONYMOUS, {}
    require_enabled(scenario)
    user = scenario.users[name]
    groups = {group: _group(scenario, group) for group in user.get("groups", ())}
    record = User(
        id="AIDASCENARIO",
        name=placed.user(name),
        status=Status.ENABLED,
        created_at=0.0,
        tags=user.get("tags", {}),
    )
    own = list(user["policies"])
    deny_only: list[str] = []
    for group, found in groups.items():
        listed = scenario.groups[group].get("policies", ())
        (own if found.status is Status.ENABLED else deny_only).extend(listed)
    principal = user_principal(record, groups.values(), ACCOUNT)
    identity = compile_policy_set(
        [_compiled(scenario, policy) for policy in dict.fromkeys(own)],
        [_compiled(scenario, policy) for policy in dict.fromkeys(deny_only)],
    )
    return principal, {"identity": identity, "boundary": _boundary(scenario, user.get("boundary"))}


def _compiled(scenario: Scenario, name: str) -> CompiledPolicy:
    return _compile(scenario.policies.get(name) or CANNED[name].document, name)


def _compile(document: str, name: str) -> CompiledPolicy:
    return compile_policy(parse_policy(document), arn=f"policy/{name}", version=1)


def require_enabled(scenario: Scenario) -> None:
    name = scenario.principal
    if name in {"root", "anonymous"} or scenario.login:
        return
    if name not in scenario.users or scenario.users[name].get("status") == "disabled":
        raise NoForm("who does not exist or is disabled is refused before anything is asked")
