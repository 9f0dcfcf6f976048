"""What credentials bring themselves: compiled once for all who have it, and never more of it than a bound."""

import json

import pytest

from authz.access import own_sets
from authz.access.own_sets import OwnSets
from authz.identity.records import TargetKind
from authz.policy.decision import Layer, Reason
from tests.access.world import GET, OBJECT, PUT, policy
from tests.policy.builders import a_policy, a_statement

SESSION = Layer.SESSION_POLICY


@pytest.fixture
async def alice(world):
    control = world.control
    await control.users.create("alice")
    await control.policies.create("all", policy())
    await control.attachments.attach("all", TargetKind.USER, "alice")
    await control.policies.create("reads", policy(action=GET))
    await world.settle()


def narrowing_of(world, credential):
    return world.authorizer.policies_for(credential.acting, OBJECT).narrowing[-1]


async def test_sessions_with_equal_documents_share_what_is_compiled(world, alice):
    first, second = [
        await world.credential(await world.session(policy=policy(action=GET))) for _ in range(2)
    ]
    assert first is not second
    assert narrowing_of(world, first) is narrowing_of(world, second)
    assert len(world.policies.own) == 1


async def test_sessions_with_managed_policies_only_share_the_set_of_all_who_name_them(world, alice):
    first, second = [
        await world.credential(await world.session(policy_names=["reads"])) for _ in range(2)
    ]
    assert narrowing_of(world, first) is narrowing_of(world, second)
    assert len(world.policies.own) == 0
    assert world.decide(first.acting, GET).is_allowed
    assert world.decide(first.acting, PUT).reason is Reason.SESSION_POLICY


async def test_a_document_beside_managed_policies_compiles_nothing_of_them(world, alice):
    alone = await world.credential(await world.session(policy_names=["reads"]))
    beside = await world.credential(
        await world.session(policy=policy(action=PUT), policy_names=["reads"])
    )
    managed, joined = narrowing_of(world, alone), narrowing_of(world, beside)
    assert joined.policies[: len(managed.policies)] == managed.policies
    assert all(one is two for one, two in zip(joined.statements, managed.statements, strict=False))
    assert [world.decide(beside.acting, action).is_allowed for action in (GET, PUT)] == [True, True]
    assert world.decide(beside.acting, "s3:DeleteObject").reason is Reason.SESSION_POLICY


async def test_a_deny_of_the_document_or_of_a_managed_policy_denies_for_both(world, alice):
    await world.control.policies.create("no-puts", policy("Deny", PUT))
    await world.settle()
    by_document = await world.credential(
        await world.session(policy=policy("Deny", GET), policy_names=["reads"])
    )
    by_managed = await world.credential(
        await world.session(policy=policy(), policy_names=["no-puts"])
    )
    for credential, action in ((by_document, GET), (by_managed, PUT)):
        decision = world.decide(credential.acting, action)
        assert (decision.verdict, decision.reason) == ("EXPLICITLY_DENIED", Reason.SESSION_POLICY)


async def test_decisions_name_a_document_by_its_digest_not_by_who_had_it_first(world, alice):
    document = policy("Deny", GET)
    for _ in range(2):
        found = await world.credential(await world.session(policy=document))
        name = world.decide(found.acting, GET).statement.policy
        assert name.startswith("session_policy/")
        assert found.id not in name


def test_what_is_held_compiled_is_bounded_by_the_text_and_made_anew(monkeypatch):
    documents = [json.dumps(number).rjust(100) for number in range(5)]
    monkeypatch.setattr(own_sets, "COMPILED_OWN_BYTES", 300)
    compiled = []

    def compile_own(document, layer):
        compiled.append(document)
        return a_policy(a_statement(), arn=document)

    sets = OwnSets(compile_own)
    first = sets.find(SESSION, (documents[0],))
    for document in documents[1:3]:
        sets.find(SESSION, (document,))
    assert sets.find(SESSION, (documents[0],)) is first
    sets.find(SESSION, (documents[3],))
    assert len(sets) == 3
    assert sets.find(SESSION, (documents[0],)) is first
    sets.find(SESSION, (documents[1],))
    assert compiled == [*documents[:4], documents[1]]
