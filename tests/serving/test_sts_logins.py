"""Sessions on the word of identity providers: what a proof is worth at the surface, and what it is not."""

import asyncio
import base64
import json
import os
from datetime import UTC, datetime
from urllib.parse import quote_plus, urlencode

import pytest
from sqlalchemy import event

from authz.control.providers import ProviderChange, Providers
from authz.formats.provider_configs import check_config
from authz.identity.credential import Secret
from authz.identity.external import ProviderKind
from authz.identity.records import Status, TargetKind
from authz.identity.session import TOKEN_LIMIT
from tests.access.world import ACCOUNT, GET, policy, trust
from tests.servers.client_certificates import Authority
from tests.servers.issuer import CLIENT_ID, OTHER_RSA, Issuer, sign
from tests.servers.slapd import ADMIN, ADMIN_PASSWORD, SUFFIX, running_slapd
from tests.serving.sts_clients import MAX_DURATION, VERSION, StsClient, build_sts, error_of
from tests.serving.surfaces import Surfaces, question

WEB = "AssumeRoleWithWebIdentity"
GRANTS = "AssumeRoleWithClientGrants"
LDAP = "AssumeRoleWithLDAPIdentity"
CERTIFICATE = "AssumeRoleWithCertificate"
CUSTOM = "AssumeRoleWithCustomToken"
DUMMY = "arn:xxx:xxx:xxx:xxxx"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/auditor"
PASSWORD = "correct horse, battery/staple"
DENIED = ("AccessDenied", 403)
OPEN = policy(action=GET, resource="arn:aws:s3:::box/open")
GETS = policy(action="s3:Get*", resource="arn:aws:s3:::box/*")


class Site:
    """Providers as an administrator makes them, and the client of somebody who signs nothing."""

    def __init__(self, world, surfaces) -> None:
        self.world = world
        self.surfaces = surfaces
        control = world.control
        self.providers = Providers(control.store, control.clock, control.ring, check_config)
        self.surface = build_sts(world, surfaces.registry)
        self.client = StsClient(self.surface, world.clock, None)

    async def provide(self, name, kind, config, *, policies=(), secret=None):
        """Create a provider whose users all get `policies`: name → document."""
        given = Secret(secret) if secret else None
        await self.providers.create(name, kind, json.dumps(config), secret=given)
        for policy_name, document in dict(policies).items():
            await self.world.control.policies.create(policy_name, document)
            await self.attach(policy_name, TargetKind.PROVIDER, name)
        await self.world.settle()

    async def attach(self, policy_name, kind, target):
        await self.world.control.attachments.attach(policy_name, kind, target)
        await self.world.settle()

    async def change(self, name, **changes):
        await self.providers.update(name, ProviderChange(**changes))
        await self.world.settle()

    async def role(self, document, name="auditor", policies=(("role-reads", GETS),)):
        control = self.world.control
        await control.roles.create(name, document)
        for policy_name, text in dict(policies).items():
            await control.policies.create(policy_name, text)
            await control.attachments.attach(policy_name, TargetKind.ROLE, name)
        await self.world.settle()

    async def refused(self, action, **parameters):
        return error_of(await self.client.send(action, **parameters))

    async def ask(self, action, **parameters):
        """Return the document; botocore knows only one of these actions."""
        answer = await self.client.send(action, **parameters)
        assert answer.status == 200, answer.body
        return answer.body.decode()

    async def session(self, action=WEB, **parameters) -> StsClient:
        text = await self.ask(action, **parameters)
        credential = tuple(
            text.partition(f"<{name}>")[2].partition("<")[0]
            for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        )
        return StsClient(self.surface, self.world.clock, credential)


@pytest.fixture
async def site(world):
    surfaces = Surfaces(world)
    yield Site(world, surfaces)
    await surfaces.registry.close()


@pytest.fixture
def surfaces(site):
    """All other surfaces; they ask the same providers."""
    return site.surfaces


@pytest.fixture
def issuer():
    with Issuer() as running:
        yield running


@pytest.fixture
def token(issuer, world):
    """Make ID tokens by the world's clock."""

    def make(key=None, seconds=600, **claims):
        now = int(world.clock.now())
        made = issuer.claims(**{"iat": now, "exp": now + seconds, **claims})
        return sign(made) if key is None else sign(made, key)

    return make


def oidc(issuer, **members):
    return {
        "issuer": issuer.url, "client_ids": [CLIENT_ID], "insecure_http": True,
        "groups_claim": "groups", **members,
    }  # fmt: skip


@pytest.fixture
async def corp(site, issuer):
    """A provider whose users may get what is in the box."""
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer), policies={"gets": GETS})
    return site


@pytest.fixture
def gets(surfaces, world):
    """Tell whether Envoy would let through who gets this object."""

    async def ask(client: StsClient, path="/box/open", method="GET") -> bool:
        key_id, secret, *token = client.credential
        asked = question(
            (key_id, secret), world.clock.now(), method, path,
            signed=(("x-amz-security-token", token[0]),),
        )  # fmt: skip
        return (await surfaces.check(asked.SerializeToString())).status.code == 0

    return ask


def counted(world):
    """Count the statements that the database is sent from now on."""
    seen = []

    def note(_, __, statement, *___):
        seen.append(statement.split()[0].upper())

    for engine in vars(world.database).values():
        if hasattr(engine, "sync_engine"):
            event.listen(engine.sync_engine, "before_cursor_execute", note)
    return seen


# --- who gets what ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "name"), [(WEB, "WebIdentityToken"), (WEB, "Token"), (GRANTS, "Token")])  # fmt: skip
async def test_a_token_is_worth_what_its_provider_has(corp, token, gets, action, name):
    session = await corp.session(action, **{name: token()})
    assert await gets(session)
    assert not await gets(session, method="PUT")
    assert not await gets(session, "/other/open")
    assert (await session.ask())["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/corp=alice"


async def test_botocore_reads_the_answer(corp, token, issuer, world):
    told = await corp.client.ask(
        WEB, WebIdentityToken=token(), RoleArn=DUMMY, RoleSessionName="ci", DurationSeconds="900"
    )
    assert told["SubjectFromWebIdentityToken"] == "alice"
    assert told["Provider"] == issuer.url
    assert told["Audience"] == CLIENT_ID
    assert told["AssumedRoleUser"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/corp=alice"
    assert told["AssumedRoleUser"]["AssumedRoleId"].endswith(":ci")
    assert 0 < told["PackedPolicySize"] <= 100
    ends = datetime.fromtimestamp(world.clock.now() + 600, UTC)
    assert told["Credentials"]["Expiration"] == ends  # not beyond the proof


async def test_a_session_lasts_as_long_as_is_asked_and_never_beyond_the_proof(corp, token, world):
    for asked, proof, seconds in (
        ({}, 9_000, 3_600),
        ({"DurationSeconds": "900"}, 9_000, 900),
        ({"DurationSeconds": "43200"}, 9_000, 9_000),
        ({}, 30, 30),
    ):
        told = await corp.client.ask(WEB, WebIdentityToken=token(seconds=proof), **asked)
        ends = datetime.fromtimestamp(world.clock.now() + seconds, UTC)
        assert told["Credentials"]["Expiration"] == ends
    for seconds in ("0", "899", str(int(MAX_DURATION) + 1), "x", "-900", "900.5", "9" * 20):
        refusal = await corp.refused(WEB, WebIdentityToken=token(), DurationSeconds=seconds)
        assert refusal == ("ValidationError", 400)


async def test_a_groups_policies_are_its_members_as_the_provider_says(corp, token, gets, world):
    await world.control.groups.create("corp=ops")
    await world.control.policies.create("puts", policy(action="s3:PutObject"))
    await corp.attach("puts", TargetKind.GROUP, "corp=ops")
    session = await corp.session(WebIdentityToken=token(groups=["ops", "unknown"]))
    assert await gets(session, method="PUT")
    # Who is in it no more, is not: also with the session that was issued before.
    later = await corp.session(WebIdentityToken=token(groups=["unknown"]))
    assert not await gets(later, method="PUT")
    assert not await gets(session, method="PUT")
    assert await gets(session)


async def test_policies_of_a_claim_are_the_sessions_alone(site, issuer, token, gets, world):
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer, policy_claim="policy"))
    await world.control.policies.create("gets", GETS)
    await world.control.policies.create("puts", policy(action="s3:PutObject"))
    assert await site.refused(WEB, WebIdentityToken=token()) == DENIED
    assert await site.refused(WEB, WebIdentityToken=token(policy="none,../x, a b")) == DENIED
    both = await site.session(WebIdentityToken=token(policy=["gets,puts", "none"]))
    one = await site.session(WebIdentityToken=token(policy="gets"))
    assert (await gets(both), await gets(both, method="PUT")) == (True, True)
    assert (await gets(one), await gets(one, method="PUT")) == (True, False)
    await world.control.policies.delete("puts")
    await world.settle()
    assert not await gets(both, method="PUT")


async def test_a_session_policy_leaves_exactly_the_intersection(corp, token, gets, world):
    session = await corp.session(WebIdentityToken=token(), Policy=policy(resource="arn:aws:s3:::box/open"))  # fmt: skip
    assert [await gets(session, path) for path in ("/box/open", "/box/other")] == [True, False]
    assert not await gets(session, method="PUT")
    await world.control.policies.create("open", OPEN)
    await world.settle()
    named = {"PolicyArns.member.1.arn": f"arn:aws:iam::{ACCOUNT}:policy/open"}
    session = await corp.session(WebIdentityToken=token(), **named)
    assert [await gets(session, path) for path in ("/box/open", "/box/other")] == [True, False]
    both = await corp.session(WebIdentityToken=token(), Policy=GETS, **named)
    assert await gets(both, "/box/other")  # what one of its policies allows
    nothing = await corp.session(WebIdentityToken=token(), Policy=policy(action="s3:PutObject"))
    assert not await gets(nothing)
    assert not await gets(nothing, method="PUT")


async def test_a_narrowed_session_makes_no_wider_one(corp, token):
    """As CVE-2025-62506: nor does a plain one."""
    for narrow in ({}, {"Policy": OPEN}):
        session = await corp.session(WebIdentityToken=token(), **narrow)
        for action in ("AssumeRole", "GetSessionToken"):
            assert error_of(await session.send(action)) == DENIED


async def test_a_claim_and_a_tag_are_facts_for_policies(site, issuer, token, gets):
    document = json.loads(policy(action=GET, resource="arn:aws:s3:::box/${jwt:dept}/*"))
    document["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer), policies={"own": json.dumps(document)})  # fmt: skip
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}}}
    session = await site.session(WebIdentityToken=token(dept="7", **tags))
    assert [await gets(session, path) for path in ("/box/7/a", "/box/8/a")] == [True, False]
    plain = await site.session(WebIdentityToken=token(dept="7"))
    assert not await gets(plain, "/box/7/a")


async def test_a_deny_refuses_the_session_itself(corp, token):
    document = json.loads(policy("Deny", "sts:AssumeRoleWithWebIdentity"))
    document["Statement"][0]["Condition"] = {"StringEquals": {"jwt:sub": "bob"}}
    await corp.world.control.policies.create("no", json.dumps(document))
    await corp.attach("no", TargetKind.PROVIDER, "corp")
    assert await corp.refused(WEB, WebIdentityToken=token(sub="bob")) == DENIED
    await corp.session(WebIdentityToken=token())


async def test_who_the_provider_tells_apart_is_apart_here(corp, token, gets, world):
    names = (
        "Alice",
        "alice",
        "ALICE",
        "\uff41lice",
        "e\u0301",
        "\u00e9",
        "corp=alice",
        "a,b",
        "x" * 255,
        "root",
    )
    ids = {}
    for name in names:
        session = await corp.session(WebIdentityToken=token(sub=name))
        ids[(await session.ask())["UserId"]] = session
    assert len(ids) == len(names)
    await world.control.users.update("corp=alice", status=Status.DISABLED)
    await world.settle()
    assert [await gets(session) for session in ids.values()].count(False) == 1


async def test_a_user_of_ours_is_not_the_providers_of_the_same_name(corp, token, gets, world):
    await world.control.users.create("alice")
    await world.control.policies.create("all", policy())
    await corp.attach("all", TargetKind.USER, "alice")
    session = await corp.session(WebIdentityToken=token())
    assert await gets(session)
    assert not await gets(session, method="PUT")


# --- roles --------------------------------------------------------------------------------------------------


def federated(issuer, condition=None, action="sts:AssumeRoleWithWebIdentity"):
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer.url}"
    return trust({"Federated": arn}, action, condition=condition)


def named(**more):
    return {"RoleArn": ROLE, "RoleSessionName": "ci", **more}


async def test_a_role_is_assumed_by_whom_it_trusts_as_it_says(corp, issuer, token, gets):
    key = issuer.url.partition("://")[2]
    condition = {
        "StringEquals": {f"{key}:aud": CLIENT_ID, f"{key}:sub": "alice", "jwt:dept": "7"},
        "NumericLessThanEquals": {"sts:DurationSeconds": "3600"},
    }
    await corp.role(federated(issuer, condition))
    good = {"dept": "7"}
    told = await corp.client.ask(WEB, WebIdentityToken=token(**good), **named())
    assert told["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/ci"
    session = await corp.session(WebIdentityToken=token(**good), **named(Policy=OPEN))
    assert [await gets(session, path) for path in ("/box/open", "/box/other")] == [True, False]
    assert await corp.world.user("corp=alice") is None  # a role's session is of the role
    for claims in ({"dept": "8"}, {}, {"dept": "7", "sub": "bob"}):
        assert await corp.refused(WEB, WebIdentityToken=token(**claims), **named()) == DENIED
    longer = {**named(), "DurationSeconds": "3601"}
    assert await corp.refused(WEB, WebIdentityToken=token(**good), **longer) == DENIED
    # Another operation is another action.
    assert await corp.refused(GRANTS, Token=token(**good), **named()) == DENIED


@pytest.mark.parametrize("document", [
    trust({"AWS": "*"}), trust("*", "sts:AssumeRole"),
    trust({"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/elsewhere.example"}),
    trust({"AWS": ACCOUNT}),
])  # fmt: skip
async def test_a_role_that_does_not_name_the_provider_trusts_nobody_of_it(corp, token, document):
    await corp.role(document)
    assert await corp.refused(WEB, WebIdentityToken=token(), **named()) == DENIED
    nowhere = f"{ROLE}s"
    refusal = await corp.refused(WEB, WebIdentityToken=token(), RoleArn=nowhere, RoleSessionName="ci")  # fmt: skip
    assert refusal == DENIED


async def test_a_claims_tags_are_the_roles_sessions_where_the_role_lets_them(corp, issuer, token, gets):  # fmt: skip
    tags = {
        "https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]},
        "https://aws.amazon.com/source_identity": "alice-7",
    }  # fmt: skip
    await corp.role(federated(issuer), policies={})
    # Neither tags nor a source identity are let.
    assert await corp.refused(WEB, WebIdentityToken=token(**tags), **named()) == DENIED
    both = [f"sts:{name}" for name in ("AssumeRoleWithWebIdentity", "TagSession", "SetSourceIdentity")]  # fmt: skip
    document = json.loads(policy(action=GET))
    document["Statement"][0]["Condition"] = {
        "StringEquals": {"aws:PrincipalTag/team": "red", "aws:SourceIdentity": "alice-7"}
    }
    await corp.role(federated(issuer, action=both), "tagged", {"red": json.dumps(document)})
    asked = {"RoleArn": f"{ROLE[: -len('auditor')]}tagged", "RoleSessionName": "ci"}
    text = await corp.ask(WEB, WebIdentityToken=token(**tags), **asked)
    assert "<SourceIdentity>alice-7</SourceIdentity>" in text
    assert await gets(await corp.session(WebIdentityToken=token(**tags), **asked))
    assert not await gets(await corp.session(WebIdentityToken=token(), **asked))


async def test_a_role_wants_a_name_for_its_session_and_keeps_to_its_duration(corp, issuer, token):
    await corp.role(federated(issuer))
    assert await corp.refused(WEB, WebIdentityToken=token(), RoleArn=ROLE) == ("MissingParameter", 400)  # fmt: skip
    for bad in ("x", "a b", "ü" * 3, "a" * 65):
        asked = {"RoleArn": ROLE, "RoleSessionName": bad}
        assert (await corp.refused(WEB, WebIdentityToken=token(), **asked))[0] == "ValidationError"
    longer = named(DurationSeconds="3601")
    assert (await corp.refused(WEB, WebIdentityToken=token(), **longer))[0] == "ValidationError"


@pytest.mark.parametrize("arn", [
    DUMMY, "", "arn:minio:iam:::role/dummy-internal", "arn:minio:iam:us-east-1:role/abc_-9", "x" * 2048,
])  # fmt: skip
async def test_what_names_no_role_of_ours_is_a_session_of_ones_own(corp, token, arn):
    told = await corp.client.ask(
        WEB, WebIdentityToken=token(), RoleArn=arn, RoleSessionName="minio"
    )
    assert told["AssumedRoleUser"]["Arn"].endswith(":user/corp=alice")


async def test_what_could_be_meant_as_a_role_is_never_passed_over(corp, token):
    for arn in (f"ARN:AWS:IAM::{ACCOUNT}:ROLE/none", "arn:aws:iam::1:role/", " " + ROLE):
        asked = {"RoleArn": arn, "RoleSessionName": "ci"}
        assert await corp.refused(WEB, WebIdentityToken=token(), **asked) == DENIED


# --- error codes --------------------------------------------------------------------------------------------


async def test_each_refusal_has_the_code_that_aws_gives_it(corp, issuer, token, world):
    async def code(**parameters):
        return await corp.refused(WEB, **parameters)

    invalid = ("InvalidIdentityToken", 400)
    assert await code(WebIdentityToken=token(seconds=-61)) == ("ExpiredTokenException", 400)
    # Within what clocks may differ, but nothing is left for a session.
    assert await code(WebIdentityToken=token(seconds=-1)) == ("ExpiredTokenException", 400)
    assert await code(WebIdentityToken=token(seconds=0)) == ("ExpiredTokenException", 400)
    assert await code(WebIdentityToken=token(key=OTHER_RSA)) == invalid
    assert await code(WebIdentityToken=token(aud="another")) == invalid
    assert await code(WebIdentityToken=token(iss="https://elsewhere.example")) == invalid
    for garbage in ("x", "a.b.c", "." * 20_000, "é.ü.ö", "\x00", "eyJhbGciOiJub25lIn0.e30."):
        assert await code(WebIdentityToken=garbage) == invalid
    assert await code(WebIdentityToken=token(sub=None)) == ("IDPRejectedClaim", 403)
    assert await code(WebIdentityToken=token(groups=[1])) == ("IDPRejectedClaim", 403)
    assert await code() == ("MissingParameter", 400)
    assert await code(WebIdentityToken="") == ("MissingParameter", 400)
    assert await code(WebIdentityToken=token(), Token=token()) == ("MalformedInput", 400)
    assert await code(WebIdentityToken=token(), Policy="{}") == ("MalformedPolicyDocument", 400)
    assert await code(WebIdentityToken=token(), Policy="") == ("ValidationError", 400)
    long = policy(resource=[f"arn:aws:s3:::box/{number:0100}" for number in range(30)])
    assert await code(WebIdentityToken=token(), Policy=long) == ("PackedPolicyTooLarge", 400)
    none = {"PolicyArns.member.1.arn": f"arn:aws:iam::{ACCOUNT}:policy/none"}
    assert await code(WebIdentityToken=token(), **none) == ("InvalidParameterValue", 400)
    assert await code(WebIdentityToken=token(), Polcy=OPEN) == ("ValidationError", 400)
    held = {"Tags.member.1.Key": "a", "Tags.member.1.Value": "b"}
    assert await code(WebIdentityToken=token(), **held) == ("InvalidParameterValue", 400)
    assert await code(WebIdentityToken=token(), ProviderId="x" * 2049) == ("ValidationError", 400)
    assert await code(WebIdentityToken=token(), ProviderId="other") == invalid
    await corp.session(WebIdentityToken=token(), ProviderId="corp")
    for action in (LDAP, CUSTOM):
        proof = {"Token": "x"} if action == CUSTOM else {"LDAPUsername": "x", "LDAPPassword": "y"}
        assert await corp.refused(action, **proof) == ("InvalidParameterValue", 400)
        assert await corp.refused(action) == ("MissingParameter", 400)
    assert await corp.refused(CERTIFICATE) == ("MissingParameter", 400)
    assert world.count("sessions_refused", WEB, "IDPRejectedClaim") == 2
    assert issuer.requests["/keys"] <= 2


async def test_a_provider_that_gives_no_keys_is_told_as_such(site, issuer, token):
    issuer.answers["/keys"] = (500, {}, b"secret text of the provider")
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer), policies={"gets": GETS})
    answer = await site.client.send(WEB, WebIdentityToken=token())
    assert error_of(answer) == ("IDPCommunicationError", 400)
    assert b"secret text" not in answer.body


async def test_a_provider_that_was_never_reached_is_told_as_such(site, world):
    config = {"issuer": "http://127.0.0.1:1", "client_ids": [CLIENT_ID], "insecure_http": True}
    await site.provide("gone", ProviderKind.OIDC, config, policies={"gets": GETS})
    now = int(world.clock.now())
    lost = sign({"iss": "http://127.0.0.1:1", "aud": CLIENT_ID, "sub": "a", "iat": now, "exp": now + 600})  # fmt: skip
    assert await site.refused(WEB, WebIdentityToken=lost) == ("IDPCommunicationError", 400)


async def test_a_database_that_is_away_is_told_as_ours(corp, token, world):
    world.source.is_lost = True
    assert await corp.refused(WEB, WebIdentityToken=token()) == ("ServiceUnavailable", 503)
    world.source.is_lost = False
    await corp.session(WebIdentityToken=token())
    world.clock.advance(200.0)  # memory is too old to issue by
    assert await corp.refused(WEB, WebIdentityToken=token()) == ("ServiceUnavailable", 503)


async def test_a_token_with_more_than_has_room_is_refused_in_clear_words(corp, token):
    noise = {f"claim{n}": base64.b64encode(os.urandom(200)).decode() for n in range(30)}
    answer = await corp.client.send(WEB, WebIdentityToken=token(**noise))
    assert error_of(answer) == ("PackedPolicyTooLarge", 400)
    assert str(TOKEN_LIMIT) in answer.body.decode()
    many = [f"group-{number}" for number in range(500)]  # they deflate well
    session = await corp.session(WebIdentityToken=token(groups=many))
    assert len(session.credential[2]) <= TOKEN_LIMIT
    more = [str(number) for number in range(1_001)]
    refusal = await corp.refused(WEB, WebIdentityToken=token(groups=more))
    assert refusal == ("IDPRejectedClaim", 403)


async def test_a_signature_on_such_a_request_is_neither_needed_nor_believed(corp, token):
    for credential in (
        None,
        ("ROOTROOTROOT", "wrong"),
        ("ROOTROOTROOT", "root-secret-root-secret"),
    ):
        client = StsClient(corp.surface, corp.world.clock, credential)
        told = await client.ask(WEB, WebIdentityToken=token())
        assert told["AssumedRoleUser"]["Arn"].endswith(":user/corp=alice")
        assert error_of(await client.send(WEB, WebIdentityToken="x"))[0] == "InvalidIdentityToken"


async def test_parameters_stand_in_the_query_or_in_the_body(corp, token):
    asked = {"Action": WEB, "Version": VERSION, "WebIdentityToken": token()}
    for method in ("POST", "GET"):
        answer = await corp.client.send(body=b"", method=method, query=urlencode(asked))
        assert answer.status == 200
    answer = await corp.client.send(query="x=1", body=urlencode(asked).encode())
    assert error_of(answer) == ("MalformedInput", 400)
    twice = f"{urlencode(asked)}&WebIdentityToken={token()}"
    assert error_of(await corp.client.send(body=b"", query=twice)) == ("MalformedInput", 400)


# --- the user and the provider change meanwhile -------------------------------------------------------------


async def test_a_user_that_is_disabled_is_out_at_once_and_stays_so(corp, token, gets, world):
    session = await corp.session(WebIdentityToken=token())
    await world.control.users.update("corp=alice", status=Status.DISABLED)
    await world.settle()
    assert not await gets(session)
    assert await corp.refused(WEB, WebIdentityToken=token()) == DENIED
    await world.control.users.update("corp=alice", status=Status.ENABLED)
    await world.settle()
    assert not await gets(session)


async def test_a_disabled_user_has_no_way_around_by_a_role(corp, issuer, token, world):
    await corp.role(federated(issuer))
    await corp.session(WebIdentityToken=token())
    await corp.session(WebIdentityToken=token(), **named())
    users = world.control.users
    await users.update("corp=alice", status=Status.DISABLED)
    await world.settle()
    assert await corp.refused(WEB, WebIdentityToken=token(), **named()) == DENIED
    await corp.session(WebIdentityToken=token(sub="bob"), **named())
    # Nor while it was absent; who is absent alone is back, by a role's session too.
    await world.control.logins.set_absent(await users.get("corp=alice"))
    await world.settle()
    assert await corp.refused(WEB, WebIdentityToken=token(), **named()) == DENIED
    await users.update("corp=alice", status=Status.ENABLED)
    await world.control.logins.set_absent(await users.get("corp=alice"))
    await world.settle()
    await corp.session(WebIdentityToken=token(), **named())


async def test_a_deleted_user_comes_back_as_another_one(corp, token, gets, world):
    session = await corp.session(WebIdentityToken=token())
    await world.control.users.delete("corp=alice")
    await world.settle()
    assert not await gets(session)
    again = await corp.session(WebIdentityToken=token())
    assert await gets(again)
    assert not await gets(session)


async def test_an_absent_user_is_back_with_its_next_login(corp, token, gets, world):
    session = await corp.session(WebIdentityToken=token())
    await world.control.logins.set_absent(await world.control.users.get("corp=alice"))
    await world.settle()
    assert not await gets(session)
    world.clock.advance(11.0)
    world.refresher.verified_at = world.clock.monotonic()
    again = await corp.session(WebIdentityToken=token())
    assert await gets(again)
    assert not await gets(session)


async def test_a_disabled_provider_vouches_for_nobody_and_its_sessions_are_refused(corp, issuer, token, gets):  # fmt: skip
    await corp.role(federated(issuer))
    own = await corp.session(WebIdentityToken=token())
    role = await corp.session(WebIdentityToken=token(), **named())
    assert (await gets(own), await gets(role)) == (True, True)
    await corp.change("corp", status=Status.DISABLED)
    assert (await gets(own), await gets(role)) == (False, False)
    assert await corp.refused(WEB, WebIdentityToken=token()) == ("InvalidIdentityToken", 400)
    await corp.change("corp", status=Status.ENABLED)
    assert (await gets(own), await gets(role)) == (True, True)


async def test_revoking_a_providers_sessions_ends_them_all(corp, issuer, token, gets, world):
    await corp.role(federated(issuer))
    own = await corp.session(WebIdentityToken=token())
    role = await corp.session(WebIdentityToken=token(), **named())
    await corp.providers.revoke("corp")
    await world.settle()
    assert (await gets(own), await gets(role)) == (False, False)


async def test_a_session_revoked_by_its_id_or_its_user_is_refused(corp, token, gets, world):
    one, other = [await corp.session(WebIdentityToken=token()) for _ in range(2)]
    await world.control.sessions.revoke(one.credential[0])
    await world.settle()
    assert (await gets(one), await gets(other)) == (False, True)
    await world.control.sessions.revoke_user("corp=alice")
    await world.settle()
    assert not await gets(other)


async def test_a_provider_made_anew_under_the_name_has_none_of_the_sessions(site, issuer, token, gets, world):  # fmt: skip
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer))
    await site.role(federated(issuer))
    session = await site.session(WebIdentityToken=token(), **named())
    assert await gets(session)
    await site.providers.delete("corp")
    await world.settle()
    assert not await gets(session)
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer))
    assert not await gets(session)


async def test_of_two_providers_for_one_token_the_client_names_the_one(corp, issuer, token):
    await corp.provide("twin", ProviderKind.OIDC, oidc(issuer), policies={"puts": policy()})
    refusal = await corp.refused(WEB, WebIdentityToken=token())
    assert refusal == ("ValidationError", 400)
    for name in ("corp", "twin"):
        told = await corp.client.ask(WEB, WebIdentityToken=token(), ProviderId=name)
        assert told["AssumedRoleUser"]["Arn"].endswith(f":user/{name}=alice")
    await corp.change("twin", status=Status.DISABLED)
    await corp.session(WebIdentityToken=token())


# --- what it costs ------------------------------------------------------------------------------------------


async def test_a_second_login_says_nothing_to_the_database(corp, token, world):
    await corp.session(WebIdentityToken=token(groups=["ops"]))
    seen = counted(world)
    for _ in range(3):
        await corp.session(WebIdentityToken=token(groups=["ops"]))
    assert not [word for word in seen if word not in {"BEGIN", "PRAGMA", "COMMIT", "ROLLBACK"}]
    await corp.session(WebIdentityToken=token(groups=["dev"]))
    assert {"INSERT", "UPDATE"} & set(seen)


async def test_policies_of_a_claim_are_read_and_nothing_is_written(site, issuer, token, world):
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer, policy_claim="policy"))
    await world.control.policies.create("gets", GETS)
    await site.session(WebIdentityToken=token(policy="gets"))
    seen = counted(world)
    await site.session(WebIdentityToken=token(policy="gets"))
    assert "SELECT" in seen
    assert not {"INSERT", "UPDATE", "DELETE"} & set(seen)


async def test_many_first_logins_at_once_make_one_user(corp, token, world):
    made = await asyncio.gather(*(corp.session(WebIdentityToken=token()) for _ in range(50)))
    assert len({client.credential[0] for client in made}) == 50
    assert len({(await client.ask())["UserId"] for client in made}) == 1
    found = (await world.control.users.list()).items
    assert [user.name for user in found] == ["corp=alice"]


async def test_strangers_to_whom_no_policy_applies_fill_no_table(site, issuer, token, world):
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer))
    for name in ("alice", "bob"):
        assert await site.refused(WEB, WebIdentityToken=token(sub=name)) == DENIED
    assert not (await world.control.users.list()).items


# --- directories --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slapd():
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    top = f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: E\n\n"
    people = f"dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n"
    ann = f"dn: uid=ann,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\ncn: Ann\nsn: Ann\n"
    with running_slapd(f"{top}{people}{ann}userPassword:: {encoded}\n") as server:
        yield server


def ldap(slapd):
    return {
        "url": f"ldaps://localhost:{slapd.tls_port}", "ca_file": str(slapd.authority.path),
        "bind_dn": ADMIN, "user_bases": [f"ou=people,{SUFFIX}"], "user_filter": "(uid=%s)",
        "timeout": 20,
    }  # fmt: skip


@pytest.fixture
async def directory(site, slapd):
    await site.provide("lab", ProviderKind.LDAP, ldap(slapd), secret=ADMIN_PASSWORD, policies={"gets": GETS})  # fmt: skip
    return site


ANN = {"LDAPUsername": "ann", "LDAPPassword": PASSWORD}


async def test_a_directorys_user_gets_a_session(directory, gets):
    for parts in ({}, {"ProviderId": "lab"}):
        session = await directory.session(LDAP, **ANN, **parts)
        assert (await gets(session), await gets(session, method="PUT")) == (True, False)
    narrow = await directory.session(LDAP, **ANN, Policy=OPEN)
    assert not await gets(narrow, "/box/other")
    assert (await session.ask())["Arn"].endswith(f":user/lab=uid=ann,ou=people,{SUFFIX}")


async def test_an_unknown_user_and_a_wrong_password_are_one_answer(directory):
    """As CVE-2026-33419."""
    told = set()
    for name, password in (
        ("ann", "wrong"),
        ("nobody", PASSWORD),
        ("nobody", "x"),
        ("a*", PASSWORD),
    ):
        answer = await directory.client.send(LDAP, LDAPUsername=name, LDAPPassword=password)
        assert error_of(answer) == DENIED
        told.add(answer.body.decode().partition("<Message>")[2].partition("<")[0])
    assert len(told) == 1


async def test_who_guesses_passwords_has_to_wait_and_who_knows_one_does_not(directory, world):
    wrong = {"LDAPUsername": "ann", "LDAPPassword": "wrong"}
    codes = [await directory.refused(LDAP, **wrong) for _ in range(8)]
    assert codes[0] == DENIED
    assert codes[-1] == ("Throttling", 503)
    # Not even with the right password, and under no other spelling of the name; elsewhere, though, yes.
    assert (await directory.refused(LDAP, **ANN))[0] == "Throttling"
    odd = {**ANN, "LDAPUsername": " ANN "}
    assert (await directory.refused(LDAP, **odd))[0] == "Throttling"
    forged = {"unsigned": (("x-forwarded-for", "203.0.113.9"),)}
    assert error_of(await directory.client.send(LDAP, **forged, **ANN))[0] == "Throttling"
    elsewhere = await directory.client.send(LDAP, source_ip="198.51.100.1", **ANN)
    assert elsewhere.status == 200
    world.clock.advance(2.0)
    world.refresher.verified_at = world.clock.monotonic()
    await directory.session(LDAP, **ANN)
    assert await directory.refused(LDAP, **wrong) == DENIED  # forgiven: the wait is over
    assert await directory.refused(LDAP, **wrong) == DENIED


async def test_who_gives_up_in_the_middle_has_tried(directory):
    wrong = {"LDAPUsername": "ann", "LDAPPassword": "wrong"}
    for _ in range(6):
        task = asyncio.create_task(directory.client.send(LDAP, **wrong))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (await directory.refused(LDAP, **ANN))[0] == "Throttling"


async def test_tokens_are_not_guessed_and_keep_nobody_waiting(corp, token):
    for _ in range(80):
        assert (await corp.refused(WEB, WebIdentityToken="x"))[0] == "InvalidIdentityToken"
    await corp.session(WebIdentityToken=token())


async def test_of_several_directories_the_client_names_the_one(directory, slapd):
    await directory.provide("lab2", ProviderKind.LDAP, ldap(slapd), secret=ADMIN_PASSWORD)
    assert await directory.refused(LDAP, **ANN) == ("ValidationError", 400)
    await directory.session(LDAP, **ANN, ProviderId="lab")
    assert await directory.refused(LDAP, **ANN, ProviderId="lab2") == DENIED  # nothing is attached
    refusal = await directory.refused(LDAP, **ANN, ProviderId="lab3")
    assert refusal == ("InvalidParameterValue", 400)


async def test_a_role_may_trust_a_directory(directory, gets):
    arn = f"arn:aws:iam::{ACCOUNT}:identity-provider/lab"
    condition = {"StringEquals": {"ldap:username": "ann"}}
    await directory.role(trust({"Federated": arn}, f"sts:{LDAP}", condition=condition))
    session = await directory.session(LDAP, **ANN, **named())
    assert await gets(session)
    assert (await session.ask())["Arn"].endswith(":assumed-role/auditor/ci")


async def test_no_proof_is_ever_logged(directory, issuer, token, capfd, caplog, world):
    """The query of minio-py's requests has the password in it, as do forms, wrong ones and right ones."""
    await directory.provide("corp", ProviderKind.OIDC, oidc(issuer))
    secrets = {PASSWORD, "wr0ng-s3cret", token(), token(key=OTHER_RSA), "made.up.t0ken"}
    answers = []
    for password in (PASSWORD, "wr0ng-s3cret"):
        asked = {
            "Action": LDAP,
            "Version": VERSION,
            "LDAPUsername": "ann",
            "LDAPPassword": password,
        }
        answers += [
            await directory.client.send(body=b"", query=urlencode(asked)),
            await directory.client.send(body=b"", query=f"{urlencode(asked)}&x=%zz"),
            await directory.client.send(body=b"", query=f"{urlencode(asked)}&Unknown=1"),
            await directory.client.send(body=b"", query=f"{urlencode(asked)}&LDAPPassword=1"),
            await directory.client.send(body=urlencode(asked).encode(), without=("content-type",)),
        ]
    answers += [await directory.client.send(WEB, WebIdentityToken=one) for one in secrets]
    said = "".join(capfd.readouterr()) + caplog.text
    said += "".join(answer.body.decode() + repr(answer.headers) for answer in answers)
    for secret in secrets:
        assert secret not in said
        assert quote_plus(secret) not in said
    assert world.count("logins", "ldap", "AccessDenied") == 1


# --- certificates and webhooks ------------------------------------------------------------------------------


@pytest.fixture
def authority(world):
    return Authority("clients", now=datetime.fromtimestamp(world.clock.now(), UTC))


async def test_a_certificate_is_worth_what_its_provider_has(site, authority, gets, world):
    config = {"ca_pem": authority.own.pem, "policies_from": "identity"}
    await site.provide("mtls", ProviderKind.CERTIFICATE, config)
    await world.control.policies.create("robot", GETS)
    der = authority.issue("robot").der
    session = await site.session(CERTIFICATE, certificate=der)
    assert (await gets(session), await gets(session, method="PUT")) == (True, False)
    narrow = await site.session(CERTIFICATE, certificate=der, Policy=OPEN)
    assert not await gets(narrow, "/box/other")
    nobody = authority.issue("nobody").der
    assert error_of(await site.client.send(CERTIFICATE, certificate=nobody)) == DENIED
    now = datetime.fromtimestamp(world.clock.now(), UTC)
    stranger = Authority("clients", key_number=9, now=now).issue("robot").der
    assert error_of(await site.client.send(CERTIFICATE, certificate=stranger)) == DENIED
    answer = await site.client.send(CERTIFICATE, certificate=der, DurationSeconds="43200")
    ends = datetime.fromtimestamp(world.clock.now() + 3600, UTC)  # the certificate's own end
    assert f"<Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>" in answer.body.decode()
    header = {"unsigned": (("x-forwarded-client-cert", f'Cert="{quote_plus(authority.own.pem)}"'),)}
    assert error_of(await site.client.send(CERTIFICATE, **header)) == ("MissingParameter", 400)


async def test_a_webhook_says_who_somebody_is(site, issuer, gets):
    config = {"url": f"{issuer.url}/hook", "insecure_http": True}
    said = {"user": "bob", "maxValiditySeconds": 3600, "claims": {"dept": "7"}}
    issuer.serve("/hook?token=good", said)
    issuer.serve("/hook?token=bad", {"reason": "no secrets of ours"}, status=403)
    await site.provide("hook", ProviderKind.WEBHOOK, config, policies={"gets": GETS})
    minios = "arn:minio:iam:::role/idmp-hook"
    for parts in ({}, {"RoleArn": minios}, {"ProviderId": "hook"}):
        session = await site.session(CUSTOM, Token="good", **parts)
        assert await gets(session)
    answer = await site.client.send(CUSTOM, Token="bad")
    assert error_of(answer) == DENIED
    assert b"no secrets of ours" not in answer.body
    text = await site.ask(CUSTOM, Token="good", Policy=OPEN)
    assert "<AssumedUser>bob</AssumedUser>" in text
    # Only an ARN of MinIO's names a webhook; one of IAM's names a role.
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/idmp-hook", "RoleSessionName": "ci"}
    assert await site.refused(CUSTOM, Token="good", **role) == DENIED
    other = "arn:minio:iam:::role/idmp-other"
    assert (await site.refused(CUSTOM, Token="good", RoleArn=other))[0] == "InvalidParameterValue"
    issuer.answers["/hook?token=odd"] = (500, {}, b"")
    assert await site.refused(CUSTOM, Token="odd") == ("IDPCommunicationError", 400)
