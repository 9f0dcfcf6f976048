"""Access keys that are narrowed or end, and sessions, through the admin surface: whom they are given to, and by whom.

Above all no credential gets rid of its own policy: each test of that names the advisory it would have been.
"""

import hashlib
import json

import pytest
import structlog
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from authz.control.limits import REVOCATION_REACH
from authz.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ParseError,
    UnauthenticatedError,
)
from authz.identity.sigv4 import sign_headers
from authz.wire.authz.admin.v1 import access_key_service_pb2 as keys
from authz.wire.authz.admin.v1 import session_service_pb2 as sessions
from authz.wire.authz.admin.v1 import user_service_pb2 as users
from tests.access.world import ACCOUNT, REGION, ROOT_ID, ROOT_SECRET, until

KEYS = "/authz.admin.v1.AccessKeyService"
SESSIONS = "/authz.admin.v1.SessionService"
GET_USER = "/authz.admin.v1.UserService/GetUser"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
HOUR = 3600.0
ROOT = (ROOT_ID, ROOT_SECRET, "")


def document(action="*", resource="*", effect="Allow") -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


EVERYTHING = document()
"""A policy of its own that allows everything: what narrows is that there is one."""


def pass_time(world, seconds=1.0) -> None:
    """Let both planes' clocks go on."""
    for clock in (world.clock, world.control.clock):
        clock.advance(seconds)


@pytest.fixture
def call(surfaces, world):
    """Make one call, signed with an access key id, a secret, and a session token or nothing."""

    async def called(credential, path, message):
        await world.settle()
        pass_time(world)
        raw = message.SerializeToString()
        access_key_id, secret, token = credential
        headers = {"host": "authz"} | ({"x-amz-security-token": token} if token else {})
        added = sign_headers(
            "POST", path, "", headers, hashlib.sha256(raw).hexdigest(),
            access_key_id=access_key_id, secret=secret, region=REGION, service="authz",
            now=world.clock.now(),
        )  # fmt: skip
        name = path.rpartition("/")[2]
        module = sessions if path.startswith(SESSIONS) else users if path == GET_USER else keys
        answer = getattr(module, f"{name}Response")
        return answer.FromString(await surfaces.send(path, raw, {**headers, **added}))

    return called


@pytest.fixture
async def alice(world, credential):
    """A key of alice, who may do everything with users; bob is there, too."""
    await world.control.policies.update("gets", document=document("iam:*"))
    await world.control.users.create("bob")
    return (*credential, "")


@pytest.fixture
def new_key(call, alice):
    async def create(by=None, **fields):
        request = keys.CreateAccessKeyRequest(**{"user_name": "alice", **fields})
        made = await call(by or alice, f"{KEYS}/CreateAccessKey", request)
        return made.access_key, (made.access_key.id, made.secret_access_key, "")

    return create


@pytest.fixture
def new_session(call, alice):
    async def create(by=None, **fields):
        request = sessions.CreateSessionRequest(**fields)
        made = await call(by or alice, f"{SESSIONS}/CreateSession", request)
        return made, (made.access_key_id, made.secret_access_key, made.session_token)

    return create


@pytest.fixture
def update(call, alice):
    async def change(key_id, *paths, by=None, user_name="alice", **fields):
        request = keys.UpdateAccessKeyRequest(
            access_key=keys.AccessKey(id=key_id, user_name=user_name, **fields),
            update_mask=FieldMask(paths=paths),
        )
        return (await call(by or alice, f"{KEYS}/UpdateAccessKey", request)).access_key

    return change


def at(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds))


# --- what a key has ---


async def test_a_key_has_a_name_an_end_and_a_policy_of_its_own(call, alice, new_key, world):
    ends = at(world.clock.now() + HOUR)
    made, _ = await new_key(name="ci", policy=EVERYTHING, expire_time=ends)
    assert (made.name, made.policy, made.expire_time) == ("ci", EVERYTHING, ends)
    assert made.is_narrowed
    request = keys.GetAccessKeyRequest(id=made.id, user_name="alice")
    assert (await call(alice, f"{KEYS}/GetAccessKey", request)).access_key == made
    listed = await call(
        alice, f"{KEYS}/ListAccessKeys", keys.ListAccessKeysRequest(user_name="alice")
    )
    assert {key.id: (key.policy, key.is_narrowed) for key in listed.access_keys} == {
        alice[0]: ("", False), made.id: ("", True),
    }  # fmt: skip


async def test_an_update_changes_what_its_mask_names_and_keeps_the_policy(new_key, update, world):
    made, _ = await new_key(policy=EVERYTHING, expire_time=at(world.clock.now() + HOUR))
    renamed = await update(made.id, "name", name="ci")
    assert (renamed.name, renamed.is_narrowed) == ("ci", True)
    assert renamed.expire_time == made.expire_time
    later = at(world.clock.now() + 2 * HOUR)
    assert (await update(made.id, "expire_time", expire_time=later)).expire_time == later
    assert not (await update(made.id, "expire_time")).HasField("expire_time")
    assert (await update(made.id, "policy")).is_narrowed is False
    assert (await update(made.id, "policy", policy=EVERYTHING)).policy == EVERYTHING


async def test_a_field_that_no_mask_names_does_nothing_like_cve_2021_43858(new_key, update):
    made, _ = await new_key(policy=EVERYTHING, description="before")
    changed = await update(made.id, "description", description="after", policy=document("s3:*"))
    assert changed.description == "after"
    assert not changed.policy, "who may change a key need not be one who may see its policy"
    assert (await update(made.id, "policy", policy=EVERYTHING)).policy == EVERYTHING


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"policy": "{"}, ParseError),
        ({"policy": document("s3:" + "x" * 4_096)}, ParseError),
        ({"expire_time": Timestamp(seconds=1)}, InvalidError),
        ({"expire_time": Timestamp(seconds=253_402_300_799)}, InvalidError),
        ({"name": "x" * 129}, InvalidError),
    ],
)
async def test_what_no_key_can_have_is_refused(new_key, fields, error):
    with pytest.raises(error):
        await new_key(**fields)


async def test_a_key_that_has_ended_is_answered_as_one_that_never_was(call, new_key, world):
    _, credential = await new_key(expire_time=at(world.clock.now() + HOUR))
    request = users.GetUserRequest(name="alice")
    assert (await call(credential, GET_USER, request)).user.name == "alice"
    pass_time(world, HOUR)
    await world.control.users.create("later")  # memory is too old until something is read again
    with pytest.raises(UnauthenticatedError) as caught:
        await call(credential, GET_USER, request)
    assert caught.value.code == "InvalidAccessKeyId"


# --- no credential gets rid of its own policy ---


@pytest.fixture(params=["a service account", "a session"])
async def narrowed(request, new_key, new_session):
    """A credential of alice with a policy that allows everything."""
    create = new_session if request.param == "a session" else new_key
    return (await create(policy=EVERYTHING))[1]


@pytest.mark.parametrize("name", ["alice", "ALICE", "Alice"])
async def test_a_narrowed_credential_makes_no_key_of_its_owner_like_cve_2025_62506(
    new_key, narrowed, name
):
    for policy in ("", EVERYTHING):
        with pytest.raises(ForbiddenError, match="policy of its own"):
            await new_key(narrowed, user_name=name, policy=policy)


@pytest.mark.parametrize("name", ["alice", "ALICE"])
@pytest.mark.parametrize("path", ["policy", "expire_time", "status", "name", "description"])
async def test_a_narrowed_credential_changes_no_key_of_its_owner_like_cve_2024_24747(
    update, alice, narrowed, name, path
):
    for key_id in (narrowed[0], alice[0]):
        with pytest.raises(ForbiddenError, match="policy of its own"):
            await update(key_id, path, by=narrowed, user_name=name)


async def test_a_session_makes_nothing_that_outlives_it(new_key, new_session, update, alice):
    _, session = await new_session()
    with pytest.raises(ForbiddenError, match="that ends"):
        await new_key(session)
    with pytest.raises(ForbiddenError, match="that ends"):
        await update(alice[0], "status", by=session)


async def test_a_narrowed_credential_has_no_sessions_like_cve_2025_62506(new_session, narrowed):
    with pytest.raises(ForbiddenError):
        await new_session(narrowed)


async def test_a_narrowed_session_of_root_has_no_sessions_and_makes_no_key_past_its_policy(
    new_key, new_session
):
    _, session = await new_session(ROOT, policy=document("iam:CreateAccessKey", BOB))
    with pytest.raises(ForbiddenError):
        await new_session(session)
    with pytest.raises(ForbiddenError, match="may not iam:CreateAccessKey"):
        await new_key(session)
    assert (await new_key(session, user_name="bob"))[0].user_name == "bob"


async def test_a_narrowed_credential_keeps_others_as_far_as_its_policy_and_its_owners_go(
    new_key, narrowed, world
):
    made, _ = await new_key(narrowed, user_name="bob")
    assert made.user_name == "bob"


async def test_a_policy_of_ones_own_never_grants(call, world, new_key):
    _, narrowed = await new_key(policy=EVERYTHING)
    await world.control.policies.update("gets", document=document("iam:CreateAccessKey", ALICE))
    with pytest.raises(ForbiddenError, match="may not iam:GetUser"):
        await call(narrowed, GET_USER, users.GetUserRequest(name="alice"))


async def test_a_narrowed_credential_does_what_both_policies_allow(call, new_key, new_session):
    policy = document("iam:GetUser", BOB)
    for credential in ((await new_key(policy=policy))[1], (await new_session(policy=policy))[1]):
        found = await call(credential, GET_USER, users.GetUserRequest(name="bob"))
        assert found.user.name == "bob"
        with pytest.raises(ForbiddenError, match="may not iam:GetUser"):
            await call(credential, GET_USER, users.GetUserRequest(name="alice"))


async def test_a_key_for_somebody_else_needs_the_right_on_them_like_cve_2022_24842(new_key, world):
    await world.control.policies.update("gets", document=document("iam:CreateAccessKey", ALICE))
    made, _ = await new_key()
    assert made.user_name == "alice"
    with pytest.raises(ForbiddenError, match="may not iam:CreateAccessKey"):
        await new_key(user_name="bob")


# --- sessions ---


async def test_a_session_needs_no_right_and_acts_as_its_user(call, new_session, world):
    await world.control.policies.update("gets", document=document("s3:GetObject"))
    made, session = await new_session()
    assert made.access_key_id.startswith("ASIA")
    assert made.expire_time.seconds == int(world.clock.now() + HOUR)
    with pytest.raises(ForbiddenError, match=f"{ALICE} may not iam:GetUser"):
        await call(session, GET_USER, users.GetUserRequest(name="bob"))
    await world.control.policies.update("gets", document=document("iam:GetUser"))
    assert (await call(session, GET_USER, users.GetUserRequest(name="bob"))).user.name == "bob"
    # What nobody has to allow is no decision that was made.
    assert world.count("decisions", "admin", "IMPLICITLY_DENIED", "NO_MATCH") == 1


async def test_a_deny_refuses_sessions(new_session, world):
    await world.control.policies.update(
        "gets", document=document("sts:GetSessionToken", effect="Deny")
    )
    with pytest.raises(ForbiddenError, match="may not sts:GetSessionToken"):
        await new_session()
    assert world.count("decisions", "admin", "EXPLICITLY_DENIED", "STATEMENT") == 1


@pytest.mark.parametrize(("duration", "is_refused"), [(None, False), (3_600, False), (7_200, True)])
async def test_a_deny_of_long_sessions_holds(new_session, world, duration, is_refused):
    longer = {"NumericGreaterThan": {"sts:DurationSeconds": "3600"}}
    denied = json.loads(document("sts:GetSessionToken", effect="Deny"))
    denied["Statement"][0]["Condition"] = longer
    await world.control.policies.update("gets", document=json.dumps(denied))
    fields = {} if duration is None else {"duration": {"seconds": duration}}
    if is_refused:
        with pytest.raises(ForbiddenError, match="may not sts:GetSessionToken"):
            await new_session(**fields)
    else:
        assert (await new_session(**fields))[0].session_token
    assert world.count("sessions_issued", "CreateSession") == (not is_refused)


async def test_a_boundary_that_is_silent_about_sessions_refuses_none(new_session, world):
    await world.control.policies.create("devs", document("s3:*"))
    await world.control.users.put_boundary("alice", "devs")
    assert (await new_session())[0].session_token


async def test_a_session_has_no_sessions(new_session):
    _, session = await new_session()
    with pytest.raises(ForbiddenError, match="session"):
        await new_session(session)


async def test_a_session_does_not_outlive_the_key_that_asked_for_it(new_key, new_session, world):
    ends = at(world.clock.now() + HOUR)
    _, credential = await new_key(expire_time=ends)
    request = {"duration": {"seconds": 7200}}
    assert (await new_session(credential, **request))[0].expire_time == ends


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"duration": {"seconds": 60}}, InvalidError),
        ({"duration": {"seconds": -3600}}, InvalidError),
        ({"duration": {"seconds": 315_576_000_000}}, InvalidError),
        ({"policy": "{"}, ParseError),
        ({"policy_names": ["none-such"]}, NotFoundError),
        ({"policy_names": ["gets"] * 11}, InvalidError),
    ],
)
async def test_what_no_session_can_have_is_refused(new_session, fields, error):
    with pytest.raises(error):
        await new_session(**fields)


async def test_a_session_is_narrowed_by_managed_policies_that_are_named(call, new_session, world):
    await world.control.policies.create("looks", document("iam:GetUser", BOB))
    _, session = await new_session(policy_names=["looks"])
    assert (await call(session, GET_USER, users.GetUserRequest(name="bob"))).user.name == "bob"
    with pytest.raises(ForbiddenError):
        await call(session, GET_USER, users.GetUserRequest(name="alice"))


async def test_a_users_sessions_end_and_new_ones_begin(call, new_session, world):
    _, session = await new_session()
    revoke = sessions.RevokeSessionsRequest(user_name="alice")
    assert (await call(ROOT, f"{SESSIONS}/RevokeSessions", revoke)).revision
    with pytest.raises(UnauthenticatedError):
        await call(session, GET_USER, users.GetUserRequest(name="bob"))
    for clock in (world.clock, world.control.clock):
        clock.advance(REVOCATION_REACH)
    world.refresher.hint(0)
    await until(lambda: world.refresher.age() == 0)
    _, another = await new_session()
    assert (await call(another, GET_USER, users.GetUserRequest(name="bob"))).user.name == "bob"


async def test_one_session_ends_and_no_other(call, new_session):
    made, session = await new_session()
    _, other = await new_session()
    revoke = sessions.RevokeSessionsRequest(access_key_id=made.access_key_id)
    with structlog.testing.capture_logs() as logs:
        await call(ROOT, f"{SESSIONS}/RevokeSessions", revoke)
    told = next(one for one in logs if one["event"] == "sessions_revoked")
    assert (told["of"], told["name"], told["access_key_id"]) == (
        "access_key_id",
        made.access_key_id,
        ROOT[0],
    )
    with pytest.raises(UnauthenticatedError):
        await call(session, GET_USER, users.GetUserRequest(name="bob"))
    assert (await call(other, GET_USER, users.GetUserRequest(name="bob"))).user.name == "bob"


async def test_sessions_are_ended_by_who_may_end_them(call, alice, world):
    path = f"{SESSIONS}/RevokeSessions"
    of_bob = sessions.RevokeSessionsRequest(user_name="bob")
    single = sessions.RevokeSessionsRequest(access_key_id="ASIA" + "A" * 16)
    for request in (of_bob, single):
        with pytest.raises(ForbiddenError, match="may not authz:RevokeSessions"):
            await call(alice, path, request)
    for action in ("authz:RevokeSessions", "admin:RemoveServiceAccount"):
        await world.control.policies.update("gets", document=document(action, BOB))
        assert (await call(alice, path, of_bob)).revision
        with pytest.raises(ForbiddenError):
            await call(alice, path, single)
        with pytest.raises(InvalidError):
            await call(ROOT, path, sessions.RevokeSessionsRequest(user_name="BOB"))
    await world.control.policies.update("gets", document=document("authz:RevokeSessions"))
    assert (await call(alice, path, single)).revision


@pytest.mark.parametrize("access_key_id", ["", "AKIAALICE", "ASIA/../x"])
async def test_what_is_no_sessions_id_is_not_revoked(call, access_key_id):
    request = sessions.RevokeSessionsRequest(access_key_id=access_key_id)
    with pytest.raises(InvalidError):
        await call(ROOT, f"{SESSIONS}/RevokeSessions", request)


async def test_sessions_are_listed_to_who_may_list_them(call, alice, new_session, world):
    path = f"{SESSIONS}/ListSessions"
    made, _ = await new_session()
    await world.control.trail.flush()
    of_alice = sessions.ListSessionsRequest(user_name="alice")
    everybodys = sessions.ListSessionsRequest(all=True)
    (one,) = (await call(ROOT, path, everybodys)).sessions
    assert (one.access_key_id, one.user_name, one.action) == (
        made.access_key_id,
        "alice",
        "CreateSession",
    )
    assert (one.expire_time, one.state) == (made.expire_time, sessions.SESSION_STATE_ACTIVE)
    for request in (of_alice, everybodys):
        with pytest.raises(ForbiddenError, match="may not authz:ListSessions"):
            await call(alice, path, request)
    for action in ("authz:ListSessions", "admin:ListTemporaryAccounts"):
        await world.control.policies.update("gets", document=document(action, ALICE))
        assert len((await call(alice, path, of_alice)).sessions) == 1
        with pytest.raises(ForbiddenError):
            await call(alice, path, everybodys)
    await world.control.policies.update("gets", document=document("authz:ListSessions"))
    revoke = sessions.RevokeSessionsRequest(access_key_id=made.access_key_id)
    await call(ROOT, f"{SESSIONS}/RevokeSessions", revoke)
    (one,) = (await call(alice, path, everybodys)).sessions
    assert one.state == sessions.SESSION_STATE_REVOKED


@pytest.mark.parametrize(
    "fields",
    [{}, {"all": False}, {"user_name": "ALICE"}, {"all": True, "page_size": 1001}, {"all": True, "page_token": "x"}],
)  # fmt: skip
async def test_what_no_list_of_sessions_is_asked_for_is_refused(call, alice, fields):
    with pytest.raises(InvalidError):
        await call(ROOT, f"{SESSIONS}/ListSessions", sessions.ListSessionsRequest(**fields))
