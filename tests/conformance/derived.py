"""What a scenario's principal acts through, made in a service: service accounts, sessions, roles, logins."""

from typing import Any

from authz.bootstrap.documents import check_trust_document
from authz.control.attachments import Attachments
from authz.control.logins import Logins
from authz.control.ports import Store
from authz.control.providers import Providers
from authz.control.roles import Roles
from authz.control.sessions import IssuedSession, Parent, SessionTags
from authz.identity.external import ProviderKind
from authz.identity.principal import federated_principal, login_facts
from authz.identity.records import TargetKind, external_name
from tests.access.world import ACCOUNT, World
from tests.conformance.http_form import NoForm
from tests.conformance.placed import Placed, login_of, trust_of
from tests.conformance.scenarios import Scenario, as_text

TRUSTS_ALL = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:*"}]}'
)
STRANGER = Parent(principal_id="AIDASTRANGER", expires_at=None, is_narrowed=False, is_session=False)


def is_about_trust(scenario: Scenario) -> bool:
    """Tell whether it is asked whom a role trusts, which needs no records: only `decide` is asked."""
    return trust_of(scenario, scenario.when.get("resource", "")) is not None


def names_of(scenario: Scenario) -> set[str]:
    """Return the names of what a scenario needs to itself, beside users and groups."""
    if is_about_trust(scenario):
        return set()
    names = {f"role {name.casefold()}" for name in scenario.given.get("roles", {})}
    if scenario.login:
        names.add(f"provider {scenario.login['provider']}")
    return names


async def create_derived(world: World, store: Store, placed: Placed) -> None:
    """Create the roles and the provider of a scenario; its groups are there already."""
    scenario, clock = placed.scenario, world.control.clock
    if is_about_trust(scenario):
        return
    attachments = Attachments(store)
    for name, role in scenario.given.get("roles", {}).items():
        trust = as_text(role["trust"]) if "trust" in role else TRUSTS_ALL
        boundary = placed.policy(role["boundary"]) if "boundary" in role else None
        await Roles(store, clock, check_trust_document).create(name, trust, boundary=boundary)
        for policy in role.get("policies", ()):
            await attachments.attach(placed.policy(policy), TargetKind.ROLE, name)
    if not scenario.login:
        return
    provider = scenario.login["provider"]
    for policy in scenario.login.get("provider_policies", ()):
        await attachments.attach(placed.policy(policy), TargetKind.PROVIDER, provider)


async def create_provider(world: World, store: Store, scenario: Scenario) -> None:
    """Create the provider of a scenario, if it has one; its groups are called by its name."""
    if scenario.login and not is_about_trust(scenario):
        providers = Providers(store, world.control.clock, world.control.ring, lambda *_: None)
        kind = ProviderKind(scenario.login.get("kind", "oidc"))
        await providers.create(scenario.login["provider"], kind, "{}")


async def issue(world: World, placed: Placed) -> IssuedSession:
    """Issue the session that a scenario's principal acts through."""
    scenario = placed.scenario
    session = scenario.given.get("session", {})
    narrowed = {
        "policy": as_text(session["policy"]) if "policy" in session else "",
        "policy_names": [placed.policy(name) for name in session.get("policies", ())],
    }
    if scenario.login:
        return await _log_in(world, placed, narrowed)
    if "role" in session:
        return await world.assumed(session["role"], STRANGER, session["name"], **narrowed)
    name = scenario.principal
    if name == "anonymous":
        raise NoForm("who presents nothing has no session")
    return await world.session("" if name == "root" else placed.user(name), **narrowed)


async def _log_in(world: World, placed: Placed, narrowed: dict[str, Any]) -> IssuedSession:
    control, scenario = world.control, placed.scenario
    provider = await control.providers.get(scenario.login["provider"])
    login = login_of(scenario, provider.id)
    session = scenario.given.get("session", {})
    if "role" in session:
        facts = {
            key: values
            for key, values in federated_principal(login, ACCOUNT).facts.items()
            if key != "aws:principaltype"
        }
        caller = Parent(
            principal_id=provider.id, expires_at=None, is_narrowed=False, is_session=False,
            provider=provider.id, facts=facts,
        )  # fmt: skip
        tags = SessionTags(tags=login.identity.tags, source_identity=login.identity.source_identity)
        return await world.assumed(session["role"], caller, session["name"], tags=tags, **narrowed)
    names = [placed.policy(name) for name in login.identity.policies]
    granted = await control.logins.find_policies(names)
    user = (
        await Logins(control.store, control.clock).adopt(
            provider.id, login.identity, has_policies=True
        )
    ).value
    assert user.name == external_name(provider.name, login.identity.name)
    parent = Parent(
        principal_id=user.id, expires_at=None, is_narrowed=False, is_session=False,
        provider=provider.id, granted=granted, facts=login_facts(login, ACCOUNT),
    )  # fmt: skip
    issued = await control.sessions.issue(parent, **narrowed)
    await world.settle()
    return issued
