"""Roles over STS: who may assume which, what nobody learns, and what a session of a role then is everywhere."""

import asyncio
import hashlib

import pytest

from authz.identity.records import Status, TargetKind
from authz.identity.sigv4 import sign_headers
from authz.serving.sts_sessions import SURFACE
from authz.wire.authz.admin.v1 import access_key_service_pb2, session_service_pb2, user_service_pb2
from authz.wire.authz.v1 import authentication_pb2
from tests.access.world import ACCOUNT, REGION, policy, trust
from tests.serving.sts_clients import StsClient, build_sts, error_of
from tests.serving.surfaces import AUTHENTICATE, USERS, question
from tests.serving.test_authentication import a_request

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
AUDITOR = f"arn:aws:iam::{ACCOUNT}:role/auditor"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/ci"
ASSUME = {"RoleArn": AUDITOR, "RoleSessionName": "ci"}
DENIED = ("AccessDenied", 403)
INVALID = ("ValidationError", 400)
PUTS = policy(action="s3:PutObject")


@pytest.fixture
def surface(world):
    return build_sts(world)


@pytest.fixture
def root(surface, world) -> StsClient:
    return StsClient(surface, world.clock)


@pytest.fixture
def alice(surface, world, credential) -> StsClient:
    """A user who may get objects and orders, and of STS nothing."""
    return StsClient(surface, world.clock, credential)


@pytest.fixture
def attach(world):
    async def attach_to(name, document, kind=TargetKind.USER, target="alice"):
        await world.control.policies.create(name, document)
        await world.control.attachments.attach(name, kind, target)
        await world.settle()

    return attach_to


@pytest.fixture
def make_role(world):
    """Make a role that may put objects, and do what STS does."""

    async def make(trusted, name="auditor", **more):
        await world.control.roles.create(name, trusted, **more)
        document = policy(action=["s3:PutObject", "sts:*"])
        await world.control.policies.create(f"of-{name}", document)
        await world.control.attachments.attach(f"of-{name}", TargetKind.ROLE, name)
        await world.settle()

    return make


@pytest.fixture
def may(surfaces, world):
    """Tell whether Envoy would let through who asks this."""

    async def ask(client: StsClient, method="PUT", path="/box/k") -> bool:
        key_id, secret, *token = client.credential
        signed = (("x-amz-security-token", token[0]),) if token else ()
        asked = question((key_id, secret), world.clock.now(), method, path, signed=signed)
        return (await surfaces.check(asked.SerializeToString())).status.code == 0

    return ask


# --- what is served -----------------------------------------------------------------------------------------


async def test_who_is_trusted_becomes_the_role(alice, world, make_role, may):
    await make_role(trust({"AWS": ALICE}))
    role = await world.role()
    answer = await alice.ask("AssumeRole", **ASSUME)
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role.principal.id}:ci",
        "Arn": SESSION_ARN,
    }
    assert 0 < answer["PackedPolicySize"] <= 100
    assert "SourceIdentity" not in answer
    session = await alice.session(**ASSUME)
    assert await may(session)
    assert not await may(session, "GET")
    told = await session.ask()
    assert (told["UserId"], told["Account"], told["Arn"]) == (
        f"{role.principal.id}:ci",
        ACCOUNT,
        SESSION_ARN,
    )
    assert world.count("sessions_issued", "AssumeRole") == 2


async def test_a_session_policy_narrows_what_the_role_may(alice, make_role, may):
    await make_role(trust({"AWS": ALICE}))
    one = policy(action="s3:PutObject", resource="arn:aws:s3:::box/open")
    session = await alice.session(**ASSUME, Policy=one)
    assert await may(session, path="/box/open")
    assert not await may(session)


async def test_a_role_that_trusts_the_account_needs_a_policy_of_the_callers(
    alice, make_role, attach
):
    await make_role(trust({"AWS": ACCOUNT}))
    assert error_of(await alice.send("AssumeRole", **ASSUME)) == DENIED
    await attach("other", policy(action="sts:AssumeRole", resource=f"{AUDITOR}2"))
    assert error_of(await alice.send("AssumeRole", **ASSUME)) == DENIED
    await attach("assume", policy(action="sts:AssumeRole", resource=AUDITOR))
    assert "Credentials" in await alice.ask("AssumeRole", **ASSUME)


async def test_a_deny_of_the_callers_wins_over_being_named(alice, make_role, attach):
    await make_role(trust({"AWS": ALICE}))
    await attach("no", policy("Deny", "sts:AssumeRole", AUDITOR))
    answer = await alice.send("AssumeRole", **ASSUME)
    assert error_of(answer) == DENIED
    told = f"{ALICE} is not authorized to perform: sts:AssumeRole on resource: {AUDITOR}"
    assert told in answer.body.decode()
    # A session of herself is another matter: that deny is about the role.
    assert "Credentials" in await alice.ask("AssumeRole")


# --- a role that is not there, or is not theirs, looks the same ---------------------------------------------


async def test_what_does_not_exist_and_what_trusts_others_is_one_answer(alice, make_role):
    await make_role(trust({"AWS": f"{ALICE}2"}))
    there = await alice.send("AssumeRole", **ASSUME)
    asked = {"RoleArn": AUDITOR.replace("auditor", "nobodys"), "RoleSessionName": "ci"}
    absent = await alice.send("AssumeRole", **asked)
    assert error_of(there) == error_of(absent) == DENIED
    masked = [
        answer.body.replace(answer.headers["x-amzn-requestid"].encode(), b"").replace(name, b"")
        for answer, name in ((there, b"auditor"), (absent, b"nobodys"))
    ]
    assert masked[0] == masked[1]


@pytest.mark.parametrize("parameters", [{"DurationSeconds": "43201"}, {"Policy": "{"}])
async def test_what_else_is_wrong_is_not_told_to_who_may_not(alice, make_role, parameters):
    await make_role(trust({"AWS": f"{ALICE}2"}))
    assert error_of(await alice.send("AssumeRole", **ASSUME, **parameters)) == DENIED


@pytest.mark.parametrize(
    "arn",
    [
        AUDITOR.replace("auditor", "Auditor"),
        AUDITOR.replace("role/", "ROLE/"),
        AUDITOR.upper(),
        AUDITOR.replace("role/", "role//"),
        AUDITOR.replace("role/", "role/path/"),
        AUDITOR.replace("aws", "aws-cn"),
        AUDITOR.replace("iam::", "iam:us-east-1:"),
        AUDITOR.replace(ACCOUNT, "123456789012"),
        AUDITOR.replace(ACCOUNT, ""),
        f" {AUDITOR}",
        f"{AUDITOR} ",
        f"{AUDITOR}/",
        f"{AUDITOR}*",
        f"{AUDITOR}\0",
        f"arn:aws:iam::{ACCOUNT}:role/",
        f"x{AUDITOR}",
    ],
)
async def test_no_other_spelling_is_the_role_or_the_caller(alice, make_role, arn):
    await make_role(trust("*"))
    answer = await alice.send("AssumeRole", RoleArn=arn, RoleSessionName="ci")
    assert error_of(answer) == DENIED


@pytest.mark.parametrize("arn", ["arn:xxx:xxx:xxx:xxxx", "", "any", "arn:minio:sts:::x", ALICE])
async def test_what_minios_clients_send_is_a_session_of_the_caller(alice, make_role, arn):
    await make_role(trust("*"))
    answer = await alice.ask("AssumeRole", RoleArn=arn, RoleSessionName="ci")
    assert answer["AssumedRoleUser"]["Arn"] == ALICE
    assert "PackedPolicySize" not in answer


async def test_an_arn_is_no_longer_than_aws_allows(alice):
    arn = AUDITOR + "x" * 2048
    assert error_of(await alice.send("AssumeRole", RoleArn=arn, RoleSessionName="ci")) == INVALID


# --- who may not --------------------------------------------------------------------------------------------


async def test_root_assumes_no_role_and_nobody_does(root, surface, world, make_role):
    await make_role(trust("*"))
    assert error_of(await root.send("AssumeRole", **ASSUME)) == DENIED
    own = await root.session()
    assert error_of(await own.send("AssumeRole", **ASSUME)) == DENIED
    nobody = StsClient(surface, world.clock, None)
    assert error_of(await nobody.send("AssumeRole", **ASSUME))[0] == "MissingAuthenticationToken"


async def test_a_credential_with_policies_of_its_own_needs_them_to_allow_it(
    surface, alice, world, make_role, may
):
    await make_role(trust("*"))
    own = {"arn": AUDITOR, "may": policy(action="sts:AssumeRole", resource=AUDITOR)}
    for document, is_allowed in ((PUTS, False), (own["may"], True)):
        made = (await world.control.access_keys.create("alice", policy=document)).value
        await world.settle()
        key = StsClient(surface, world.clock, (made.key.id, made.secret.reveal()))
        session = await alice.session(Policy=document)
        for narrowed in (key, session):
            answer = await narrowed.send("AssumeRole", **ASSUME)
            assert (answer.status == 200) is is_allowed
            if is_allowed:
                # The rights are the role's own, which is why assuming it had to be granted.
                assert await may(await narrowed.session(**ASSUME))


async def test_an_external_id_that_is_asked_for_must_be_given(alice, make_role):
    condition = {"StringEquals": {"sts:ExternalId": "e-1"}}
    await make_role(trust({"AWS": ALICE}, condition=condition))
    assert error_of(await alice.send("AssumeRole", **ASSUME)) == DENIED
    assert error_of(await alice.send("AssumeRole", **ASSUME, ExternalId="e-2")) == DENIED
    assert "Credentials" in await alice.ask("AssumeRole", **ASSUME, ExternalId="e-1")


async def test_the_session_has_a_name(alice, make_role):
    await make_role(trust({"AWS": ALICE}))
    assert error_of(await alice.send("AssumeRole", RoleArn=AUDITOR))[0] == "MissingParameter"
    for name in ("x", "a/b", "x" * 65):
        asked = {"RoleArn": AUDITOR, "RoleSessionName": name}
        assert error_of(await alice.send("AssumeRole", **asked)) == INVALID


async def test_a_name_can_be_held_to_the_user_who_asks(alice, make_role):
    condition = {"StringLike": {"sts:RoleSessionName": "${aws:username}"}}
    await make_role(trust({"AWS": ALICE}, condition=condition))
    assert error_of(await alice.send("AssumeRole", **ASSUME)) == DENIED
    asked = {"RoleArn": AUDITOR, "RoleSessionName": "alice"}
    assert "Credentials" in await alice.ask("AssumeRole", **asked)


# --- how long -----------------------------------------------------------------------------------------------


async def test_a_session_lasts_at_most_what_the_role_says(alice, make_role):
    await make_role(trust({"AWS": ALICE}), max_session_duration=7200)
    assert "Credentials" in await alice.ask("AssumeRole", **ASSUME, DurationSeconds="7200")
    longer = await alice.send("AssumeRole", **ASSUME, DurationSeconds="7201")
    assert error_of(longer) == INVALID


async def test_no_chain_of_roles_lasts_longer_than_its_first_link(alice, make_role, world):
    await make_role(trust("*"), max_session_duration=43_200)
    first = await alice.ask("AssumeRole", **ASSUME, DurationSeconds="3000")
    ends = first["Credentials"]["Expiration"]
    made = first["Credentials"]
    link = StsClient(
        alice.surface,
        alice.clock,
        (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]),
    )
    assert error_of(await link.send("AssumeRole", **ASSUME, DurationSeconds="3601")) == INVALID
    world.clock.advance(1000.0)
    world.refresher.verified_at = world.clock.monotonic()
    again = await link.ask("AssumeRole", **ASSUME, DurationSeconds="3600")
    assert again["Credentials"]["Expiration"] == ends


# --- tags and source identity -------------------------------------------------------------------------------

TAGGED = {"Tags.member.1.Key": "team", "Tags.member.1.Value": "red"}
PASSED_ON = {**TAGGED, "TransitiveTagKeys.member.1": "team", "SourceIdentity": "alice"}


async def test_tags_and_a_source_identity_need_rights_of_their_own(alice, make_role, world):
    await make_role(trust({"AWS": ALICE}, action="sts:AssumeRole"))
    assert "Credentials" in await alice.ask("AssumeRole", **ASSUME)
    for more, action in (
        (TAGGED, "sts:TagSession"),
        ({"SourceIdentity": "alice"}, "sts:SetSourceIdentity"),
    ):
        answer = await alice.send("AssumeRole", **ASSUME, **more)
        assert error_of(answer) == DENIED
        assert f"perform: {action} on" in answer.body.decode()
    all_of = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    await world.control.roles.update_trust("auditor", trust({"AWS": ALICE}, action=all_of))
    await world.settle()
    answer = await alice.ask("AssumeRole", **ASSUME, **PASSED_ON)
    assert answer["SourceIdentity"] == "alice"


@pytest.mark.parametrize(
    ("condition", "is_allowed"),
    [
        ({"StringEquals": {"aws:RequestTag/team": "red"}}, True),
        ({"StringEquals": {"aws:RequestTag/team": "blue"}}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["cost"]}}, False),
        ({"ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["cost"]}}, False),
        ({"StringEquals": {"sts:SourceIdentity": "${aws:username}"}}, True),
        ({"StringNotEquals": {"sts:SourceIdentity": "${aws:username}"}}, False),
        ({"NumericLessThanEquals": {"sts:DurationSeconds": "3600"}}, True),
        ({"NumericLessThan": {"sts:DurationSeconds": "3600"}}, False),
    ],
)
async def test_a_role_may_ask_for_what_a_session_says(alice, make_role, condition, is_allowed):
    await make_role(trust({"AWS": ALICE}, condition=condition))
    answer = await alice.send("AssumeRole", **ASSUME, **PASSED_ON)
    assert (answer.status == 200) is is_allowed


async def test_what_passes_on_follows_through_the_next_role_and_cannot_be_changed(
    alice, make_role, world
):
    await make_role(trust("*"))
    second = {"RoleArn": AUDITOR.replace("auditor", "second"), "RoleSessionName": "two"}
    await make_role(trust({"AWS": AUDITOR}), "second")
    first = await alice.session(**ASSUME, **PASSED_ON)
    session = await first.session(**second)
    facts = (await credential_of(world, session)).acting.principal.facts
    assert facts["aws:principaltag/team"] == ("red",)
    assert facts["aws:sourceidentity"] == ("alice",)
    assert facts["aws:principalarn"] == (second["RoleArn"],)
    for more in (TAGGED, {"SourceIdentity": "bob"}):
        assert error_of(await first.send("AssumeRole", **second, **more)) == INVALID
    plain = trust({"AWS": AUDITOR}, action="sts:AssumeRole")
    await world.control.roles.update_trust("second", plain)
    await world.settle()
    # What passes on is set on the next session, too, and needs the right to.
    await world.control.roles.update_trust("auditor", trust("*", action="sts:AssumeRole"))
    await world.control.policies.update("of-auditor", document=policy(action="sts:AssumeRole"))
    await world.settle()
    assert error_of(await first.send("AssumeRole", **second)) == DENIED
    assert "Credentials" in await (await alice.session(**ASSUME)).ask("AssumeRole", **second)


async def credential_of(world, client: StsClient):
    key_id, _, token = client.credential
    found = world.authenticator.find_credential(key_id, token)
    return found or await world.authenticator.load_credential(key_id, token)


@pytest.mark.parametrize(
    "parameters",
    [
        {"Tags.member.1.Key": "aws:username", "Tags.member.1.Value": "root"},
        {"Tags.member.1.Key": "a"},
        {"Tags.member.1.Value": "a"},
        {**TAGGED, "Tags.member.2.Key": "team", "Tags.member.2.Value": "blue"},
        {**TAGGED, "Tags.member.2.Key": "TEAM", "Tags.member.2.Value": "blue"},
        {**TAGGED, "Tags.member.3.Key": "cost", "Tags.member.3.Value": "1"},
        {"TransitiveTagKeys.member.1": "team"},
        {"SourceIdentity": ""},
        {"SourceIdentity": "x"},
        {**TAGGED, "Tags": ""},
    ],
)
async def test_tags_that_could_mean_two_things_are_refused(alice, make_role, parameters):
    await make_role(trust("*"))
    expected = INVALID if "Tags" not in parameters else 200
    answer = await alice.send("AssumeRole", **ASSUME, **parameters)
    assert (answer.status if expected == 200 else error_of(answer)) == expected


async def test_fifty_tags_that_all_pass_on_fit_a_request(alice, make_role):
    await make_role(trust("*"))
    tags = {}
    for n in range(1, 51):
        tags |= {f"Tags.member.{n}.Key": f"t{n}", f"Tags.member.{n}.Value": "x"}
        tags[f"TransitiveTagKeys.member.{n}"] = f"t{n}"
    assert "Credentials" in await alice.ask("AssumeRole", **ASSUME, **tags)
    tags |= {"Tags.member.51.Key": "t51", "Tags.member.51.Value": "x"}
    assert error_of(await alice.send("AssumeRole", **ASSUME, **tags)) == INVALID


async def test_a_session_of_oneself_has_no_tags(alice):
    for parameters in (TAGGED, {"SourceIdentity": "bob"}, {"TransitiveTagKeys.member.1": "t"}):
        answer = await alice.send("AssumeRole", **parameters)
        assert error_of(answer) == ("InvalidParameterValue", 400)


# --- what a session of a role is elsewhere ------------------------------------------------------------------


async def test_it_has_no_session_of_itself(alice, make_role):
    await make_role(trust("*"))
    session = await alice.session(**ASSUME)
    assert error_of(await session.send("AssumeRole")) == DENIED
    assert error_of(await session.send("GetSessionToken")) == DENIED


async def test_it_ends_when_the_role_is_deleted_or_made_anew(alice, make_role, world, may):
    await make_role(trust("*"))
    session = await alice.session(**ASSUME)
    assert await may(session)
    await world.control.roles.delete("auditor", cascade=True)
    await world.settle()
    assert error_of(await session.send()) == ("InvalidClientTokenId", 403)
    assert not await may(session)
    await world.control.roles.create("auditor", trust("*"))
    await world.control.attachments.attach("of-auditor", TargetKind.ROLE, "auditor")
    await world.settle()
    assert not await may(session)
    assert await may(await alice.session(**ASSUME))


async def test_it_ends_when_the_roles_sessions_are_revoked_and_goes_on_without_who_asked(
    alice, make_role, world, may
):
    await make_role(trust("*"))
    session = await alice.session(**ASSUME)
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    assert await may(session)
    assert error_of(await alice.send("AssumeRole", **ASSUME))[0] == "InvalidClientTokenId"
    world.clock.advance(1.0)
    world.control.clock.advance(world.clock.now() - world.control.clock.now())
    await world.control.sessions.revoke_role("auditor")
    await world.settle()
    assert error_of(await session.send()) == ("ExpiredToken", 403)


async def test_one_who_loses_the_right_while_the_role_is_loaded_does_not_get_it(
    alice, make_role, world
):

    await make_role(trust("*"))
    pause = world.source.hold("find_role")
    asking = asyncio.create_task(alice.send("AssumeRole", **ASSUME))
    await pause.reached.wait()
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    pause.released.set()
    assert error_of(await asking)[0] == "InvalidClientTokenId"


async def test_the_proof_of_one_is_answered_as_such_unless_it_is_narrowed(
    alice, make_role, surfaces, world
):
    await make_role(trust("*"))
    for more, is_answered in (({}, True), ({"Policy": PUTS}, False)):
        session = await alice.session(**ASSUME, **more)
        answer = await authenticate(surfaces, world, session)
        if is_answered:
            principal = answer.authentication.principal
            assert principal.arn == SESSION_ARN
            assert principal.kind == authentication_pb2.PRINCIPAL_KIND_ASSUMED_ROLE
        else:
            assert answer.failure.code == "AccessDenied"


async def authenticate(surfaces, world, session):
    key_id, secret, token = session.credential
    request = a_request((key_id, secret), world.clock.now(), token=token)
    return await surfaces.ask(AUTHENTICATE, request, authentication_pb2.AuthenticateResponse)


async def test_it_administers_as_its_policies_say_and_has_no_keys_of_its_own(
    alice, make_role, attach, surfaces, world
):
    await make_role(trust("*"))
    await attach("admin", policy(action="iam:*"), TargetKind.ROLE, "auditor")
    session = await alice.session(**ASSUME)

    async def call(path, request, answer):
        raw = request.SerializeToString()
        key_id, secret, token = session.credential
        headers = {"host": "authz", "x-amz-security-token": token}
        signed = sign_headers(
            "POST", path, "", headers, hashlib.sha256(raw).hexdigest(),
            access_key_id=key_id, secret=secret, region=REGION, service="authz", now=world.clock.now(),
        )  # fmt: skip
        return await surfaces.ask(path, request, answer, {**headers, **signed})

    made = await call(
        f"{USERS}/CreateUser",
        user_service_pb2.CreateUserRequest(name="bob"),
        user_service_pb2.CreateUserResponse,
    )
    assert made.user.name == "bob"
    keys = "/authz.admin.v1.AccessKeyService/CreateAccessKey"
    for name in ("", "auditor", AUDITOR, SESSION_ARN):
        with pytest.raises(Exception, match=r"name|no user|found"):
            await call(
                keys,
                access_key_service_pb2.CreateAccessKeyRequest(user_name=name),
                access_key_service_pb2.CreateAccessKeyResponse,
            )
    with pytest.raises(Exception, match=r"a session cannot create sessions"):
        await call(
            "/authz.admin.v1.SessionService/CreateSession",
            session_service_pb2.CreateSessionRequest(),
            session_service_pb2.CreateSessionResponse,
        )


async def test_refusals_are_counted_and_recorded(alice, make_role, world):
    await make_role(trust({"AWS": f"{ALICE}2"}))
    answer = await alice.send("AssumeRole", **ASSUME)
    assert world.count("sessions_refused", "AssumeRole", "AccessDenied") == 1
    assert world.count("decisions", SURFACE, "IMPLICITLY_DENIED", "NO_MATCH") == 1
    found = world.authorizer.find_answer(answer.headers["x-amzn-requestid"])
    assert (found.request.action, found.request.resource) == ("sts:AssumeRole", AUDITOR)
