"""Asks this engine what the scenarios ask: by `decide`, through `authz.v1`, through `ext_authz`.

`decide` gets documents compiled in memory; the two surfaces stand over a service whose records the control
plane's use cases made, in one transaction for all. Scenarios that give two users or groups of one name go to
different services.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest

from authz.bootstrap.documents import check_document, check_resource_document
from authz.control.access_keys import AccessKeys
from authz.control.attachments import Attachments
from authz.control.groups import Groups
from authz.control.policies import Policies
from authz.control.resource_policies import ResourcePolicies
from authz.control.users import Users
from authz.errors import ParseError
from authz.formats.check import Check
from authz.formats.context_facts import is_reserved
from authz.formats.envoy_v3 import parse_check
from authz.formats.s3_http import S3Config, S3RequestError, parse_s3
from authz.identity.credential import Secret
from authz.identity.records import Status, TargetKind
from authz.identity.sigv4 import find_proof
from authz.policy.applicable import Applicable
from authz.policy.arn import root_arn
from authz.policy.decision import Decision
from authz.policy.request import (
    NO_FACTS,
    AccessRequest,
    Context,
    Values,
    fold_key,
)
from authz.store.sql.store import SqlStore
from authz.wire.authz.v1 import authorization_pb2, decision_pb2
from tests.access.world import ACCOUNT, ROOT_ID, InTransaction, World
from tests.conformance.derived import create_derived, create_provider, issue, names_of
from tests.conformance.http_form import HOST, NoForm, check_request, request_of, text_of
from tests.conformance.placed import (
    SECRET,
    Placed,
    assemble,
    decide_in,
    of_resource,
    require_enabled,
    trust_of,
)
from tests.conformance.scenarios import SOLE_USER, Scenario, as_text
from tests.serving.surfaces import AUTHORIZATION, Surfaces
from tests.store.fixtures import LowerCaseNames

# The scenarios are about the mapping of all keys, and of requests whose bodies are not at hand.
ENGINE = S3Config(endpoints=(HOST,), keeps_leading_slash=True, requires_bodies=False)

NOW = 1_700_000_000.0
"""What time it is where a scenario does not say."""
NOT_WRITTEN = "the document is refused when it is written, so nothing is asked under it"


class Outcome(NamedTuple):
    """What a surface said; members it does not say are `None`."""

    verdict: str
    policy: str | None = None
    statement: int | None = None
    sid: str | None = None
    code: str | None = None


def place(scenarios: Sequence[Scenario]) -> list[list[Placed]]:
    """Spread scenarios over as few services as their users' and groups' names need."""
    services: list[tuple[list[Placed], set[str], str]] = []
    for number, scenario in enumerate(scenarios):
        names = {f"user {name.casefold()}" for name in scenario.users if name != SOLE_USER}
        names |= {f"group {name.casefold()}" for name in scenario.groups} | names_of(scenario)
        # A resource policy is in force for everybody, so all of a service have the same ones.
        of_resources = json.dumps(scenario.resource_policies, sort_keys=True)
        if not scenario.login and scenario.principal not in {*scenario.users, "root", "anonymous"}:
            names.add(f"user {scenario.principal.casefold()}")
        found = next(
            (one for one in services if one[2] == of_resources and not names & one[1]), None
        )
        if found is None:
            found = ([], set(), of_resources)
            services.append(found)
        found[0].append(Placed(scenario, f"s{number}"))
        found[1].update(names)
    return [placed for placed, _, _ in services]


async def create_records(world: World, scenarios: Sequence[Placed]) -> None:
    """Create what the scenarios give by the control plane's use cases, in one transaction."""
    clock, ring = world.control.clock, world.control.ring

    async def change(unit) -> None:
        store = InTransaction(unit)
        users, groups = Users(store, clock), Groups(store, clock, LowerCaseNames())
        policies, attachments = Policies(store, clock, check_document), Attachments(store)
        of_resources = ResourcePolicies(store, clock, check_resource_document)
        keys = AccessKeys(store, clock, ring, check_document, root_access_key_id=ROOT_ID)
        for resource, document in scenarios[0].scenario.resource_policies.items():
            await of_resources.put(resource, document)
        for placed in scenarios:
            scenario = placed.scenario
            for name, document in scenario.policies.items():
                try:
                    await policies.create(placed.policy(name), document)
                except ParseError as error:
                    raise AssertionError(f"{scenario.id}: policy {name}: {error.message}") from None
            await create_provider(world, store, scenario)
            for name, group in scenario.groups.items():
                await groups.create(name, status=Status(group.get("status", "enabled")))
                for policy in group.get("policies", ()):
                    await attachments.attach(placed.policy(policy), TargetKind.GROUP, name)
            await _create_users(placed, users, groups, attachments, keys)
            await create_derived(world, store, placed)

    await SqlStore(world.database).write(change)


async def _create_users(
    placed: Placed, users: Users, groups: Groups, attachments: Attachments, keys: AccessKeys
) -> None:
    for name, user in placed.scenario.users.items():
        real = placed.user(name)
        await users.create(
            real,
            status=Status(user.get("status", "enabled")),
            tags=user.get("tags"),
            boundary=placed.policy(user["boundary"]) if "boundary" in user else None,
        )
        for group in user.get("groups", ()):
            await groups.add_members(group, [real])
        for policy in user["policies"]:
            await attachments.attach(placed.policy(policy), TargetKind.USER, real)
        own = placed.scenario.given.get("service_account", {}).get("policy")
        await keys.create(
            real,
            access_key_id=placed.access_key(name),
            secret=Secret(SECRET),
            policy="" if own is None else as_text(own),
        )


class Engine:
    """One service, and the same scenarios without it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.surfaces = Surfaces(world, s3=ENGINE)

    async def ask(self, surface: str, placed: Placed) -> Outcome:
        """Ask one scenario; raises `NoForm` where it cannot be asked."""
        when = placed.scenario.when
        self.world.clock._now = moment(when)
        try:
            return await getattr(self, f"_{surface}")(placed, when)
        except S3RequestError as error:
            return Outcome("refused", code=error.code)

    # --- the three ways ---

    async def _decide(self, placed: Placed, when: Mapping[str, Any]) -> Outcome:
        principal, layers = assemble(placed)
        requests = [
            AccessRequest(
                principal,
                check.action,
                check.resource,
                Context(principal.facts, NO_FACTS, check.facts, moment(when)),
                is_prefix=check.is_prefix,
            )
            for check in questions(placed)
        ]
        return outcome_of(
            [
                decide_in(
                    placed.scenario,
                    request,
                    Applicable(**layers, resource=of_resource(placed.scenario, request.resource)),
                )
                for request in requests
            ]
        )

    async def _authz_v1(self, placed: Placed, when: Mapping[str, Any]) -> Outcome:
        name = placed.scenario.principal
        _require_askable(placed.scenario)
        given = placed.scenario.given
        if "session" in given or "login" in given:
            raise NoForm(
                "a session is known by its token alone, and callers of authz.v1 name whom they mean"
            )
        outcomes = []
        for check in questions(placed):
            if check.is_prefix:
                raise NoForm("authz.v1 asks about one resource, not about all below a prefix")
            request = authorization_pb2.AuthorizeRequest(
                action=check.action, resource=check.resource
            )
            if name == "anonymous":
                request.anonymous = True
            elif "service_account" in given:
                request.access_key_id = placed.access_key(name)
            elif name == "root":
                request.principal_arn = root_arn(ACCOUNT)
            else:
                request.user_name = placed.user(name)
            for key, values in check.facts.items():
                request.context[key].values.extend(values)
            answer = await self.surfaces.ask(
                f"{AUTHORIZATION}/Authorize", request, authorization_pb2.AuthorizeResponse
            )
            outcomes.append(answer.decision)
        return outcome_of_v1(outcomes)

    async def _ext_authz(self, placed: Placed, when: Mapping[str, Any]) -> Outcome:
        _require_askable(placed.scenario)
        request = when.get("request")
        if request is None:
            require_enabled(placed.scenario)
            request = request_of(placed.scenario)
        signature = when.get("signature", {})
        credential = await self._credential(placed, when)
        raw = check_request(request, signature, credential, moment(when))
        answer = await self.surfaces.check(raw)
        facts = {key: value.string_value for key, value in answer.dynamic_metadata.fields.items()}
        if answer.HasField("ok_response"):
            return Outcome("allowed", policy=facts.get("policy"), sid=facts.get("sid"))
        if "verdict" not in facts:
            body = answer.denied_response.body
            code = ET.fromstring(body).findtext("Code") if body else facts["code"]
            return Outcome("refused", code=code)
        verdict = facts["verdict"].lower().replace("_", "-")
        return Outcome(verdict, policy=facts.get("policy"), sid=facts.get("sid"))

    async def _credential(self, placed: Placed, when: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return what the principal signs with: id, secret, and a session's token."""
        if not placed.scenario.given.keys() & {"session", "login"}:
            return placed.credential
        self.world.control.clock._now = moment(when)
        issued = await issue(self.world, placed)
        return issued.session.access_key_id, issued.secret.reveal(), issued.token


def moment(when: Mapping[str, Any]) -> float:
    """Return the time of a question in epoch seconds."""
    return datetime.fromisoformat(when["at"]).timestamp() if "at" in when else NOW


def _require_askable(scenario: Scenario) -> None:
    if scenario.principal == "root" and "service_account" in scenario.given:
        raise NoForm("root has no service accounts here")
    if trust_of(scenario, scenario.when.get("resource", "")) is not None:
        raise NoForm("roles are assumed through STS")


def questions(placed: Placed) -> list[Check]:
    """Return the IAM-level questions of a scenario: its own, or those its request means."""
    scenario, when = placed.scenario, placed.scenario.when
    if scenario.then.get("verdict") == "refused":
        raise NoForm("no question comes of a request that is refused")
    if "request" not in when:
        return [Check(when["action"], when["resource"], read_context(when.get("context", {})))]
    now = moment(when)
    raw = check_request(when["request"], when.get("signature", {}), placed.credential, now)
    request = parse_check(raw).request
    proof = find_proof(request, now)
    checks = parse_s3(request, proof, ENGINE).checks
    server = {
        "aws:securetransport": ("true" if request.scheme == "https" else "false",),
        "aws:sourceip": (request.source_ip,),
    }
    if proof is not None:
        server["aws:requestedregion"] = (proof.region,)
    return [check._replace(facts={**check.facts, **server}) for check in checks]


def read_context(context: Mapping[str, Any]) -> dict[str, Values]:
    facts = {}
    for key, value in context.items():
        folded = fold_key(key)
        assert not is_reserved(folded), f"{key} comes from who asks and when, not from the context"
        facts[folded] = tuple(map(text_of, value if isinstance(value, list) else [value]))
    return facts


# --- what was said ---


def outcome_of(decisions: Sequence[Decision]) -> Outcome:
    """Return the outcome of questions that must all be allowed."""
    decision = next((one for one in decisions if not one.is_allowed), decisions[0])
    ref = decision.statement
    verdict = decision.verdict.value.lower().replace("_", "-")
    return Outcome(verdict, ref.policy, ref.index, ref.sid) if ref else Outcome(verdict)


def outcome_of_v1(decisions: Sequence[Any]) -> Outcome:
    allowed = decision_pb2.VERDICT_ALLOWED
    decision = next((one for one in decisions if one.verdict != allowed), decisions[0])
    name = decision_pb2.Verdict.Name(decision.verdict).removeprefix("VERDICT_")
    verdict = name.lower().replace("_", "-")
    if not decision.HasField("statement"):
        return Outcome(verdict)
    ref = decision.statement
    return Outcome(verdict, ref.policy_arn, ref.index, ref.sid)


def compare(placed: Placed, outcome: Outcome) -> None:
    """Assert that `outcome` is what the scenario says."""
    then = placed.scenario.then
    said = f"{outcome.verdict} {outcome.code or ''}".strip()
    assert outcome.verdict == then["verdict"], f"{said} instead of {json.dumps(then)}"
    if "code" in then:
        assert outcome.code == then["code"]
    by = then.get("by", {})
    if "policy" in by:
        assert outcome.policy is not None
        assert outcome.policy.rpartition("/")[2] in {by["policy"], placed.policy(by["policy"])}
    if "statement" in by and outcome.statement is not None:
        assert outcome.statement == by["statement"]
    if "sid" in by:
        assert outcome.sid == by["sid"]


def check_invalid(scenario: Scenario) -> None:
    """Assert that every write path refuses the scenario's document where it says."""
    expected = scenario.then["invalid"]
    (document,) = scenario.policies.values()
    with pytest.raises(ParseError) as refused:
        check_document(document)
    error = refused.value
    assert error.place == expected.get("place", error.place), error.message
    assert expected.get("message", "") in error.message
