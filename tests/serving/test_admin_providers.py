"""Identity providers through the admin API: who may do what to them, what a login tried out tells, and what never."""

import hashlib
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import structlog
from google.protobuf.field_mask_pb2 import FieldMask

from authz.errors import ForbiddenError, InUseError, InvalidError, NotFoundError, OverloadedError
from authz.formats.admin_v1_providers import WITHHELD
from authz.identity.external import ProviderKind
from authz.identity.records import Status, TargetKind
from authz.identity.sigv4 import sign_headers
from authz.serving.login_limits import ACCOUNT_AT_SOURCE
from authz.wire.authz.admin.v1 import (
    access_key_service_pb2,
    attachment_service_pb2,
    group_service_pb2,
    session_service_pb2,
    status_pb2,
    user_service_pb2,
)
from authz.wire.authz.admin.v1 import provider_service_pb2 as wire
from tests.access.world import ACCOUNT, REGION, ROOT_ID, ROOT_SECRET, policy, trust
from tests.servers.client_certificates import Authority
from tests.servers.issuer import CLIENT_ID, OTHER_RSA, Issuer, sign
from tests.servers.slapd import ADMIN, ADMIN_PASSWORD, SUFFIX, running_slapd
from tests.serving.sts_clients import StsClient, build_sts
from tests.serving.surfaces import PEER, question

ARN = f"arn:aws:iam::{ACCOUNT}:identity-provider"
ROOT = (ROOT_ID, ROOT_SECRET.decode())
SECRET = "hidden-client-secret-0123456789"
WIRES = (
    wire, access_key_service_pb2, attachment_service_pb2, group_service_pb2, session_service_pb2, user_service_pb2,
)  # fmt: skip
KEYS = access_key_service_pb2
CONFIG = json.dumps({"issuer": "https://id.example.com", "client_ids": ["one"]})


@pytest.fixture
async def site(surfaces, world):
    """The admin surface, and one to log in at, over the same providers."""
    sts = build_sts(world, surfaces.registry)

    async def call(request, credential=ROOT):
        await world.settle()
        for clock in (world.clock, world.control.clock):
            clock.advance(1)
        name = request.DESCRIPTOR.name.removesuffix("Request")
        module = next(one for one in WIRES if hasattr(one, request.DESCRIPTOR.name))
        service = next(
            service for service in module.DESCRIPTOR.services_by_name.values()
            if name in service.methods_by_name
        )  # fmt: skip
        raw, path = request.SerializeToString(), f"/{service.full_name}/{name}"
        key_id, secret, *token = credential
        headers = {"host": "authz"} | ({"x-amz-security-token": token[0]} if token else {})
        added = sign_headers(
            "POST", path, "", headers, hashlib.sha256(raw).hexdigest(),
            access_key_id=key_id, secret=secret, region=REGION, service="authz", now=world.clock.now(),
        )  # fmt: skip
        answer = getattr(module, f"{name}Response")
        return answer.FromString(await surfaces.send(path, raw, {**headers, **added}))

    async def log_in(token, **more):
        text = (
            await StsClient(sts, world.clock, None).send(
                "AssumeRoleWithWebIdentity", WebIdentityToken=token, **more
            )
        ).body.decode()
        return tuple(
            text.partition(f"<{name}>")[2].partition("<")[0]
            for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        )

    async def give(name, document, kind, target):
        await world.control.policies.create(name, document)
        await world.control.attachments.attach(name, kind, target)
        await world.settle()

    async def gets(credential, path="/box/open", method="GET"):
        key_id, secret, *token = credential
        asked = question(
            (key_id, secret), world.clock.now(), method, path,
            signed=(("x-amz-security-token", token[0]),) if token else (),
        )  # fmt: skip
        await world.settle()
        return (await surfaces.check(asked.SerializeToString())).status.code == 0

    yield SimpleNamespace(call=call, log_in=log_in, give=give, gets=gets, world=world)
    await surfaces.registry.close()


@pytest.fixture
def issuer():
    with Issuer() as running:
        yield running


@pytest.fixture
def token(issuer, world):
    def make(key=None, **claims):
        now = int(world.clock.now())
        made = issuer.claims(**{"iat": now, "exp": now + 3000, **claims})
        return sign(made) if key is None else sign(made, key)

    return make


@pytest.fixture
async def corp(site, issuer):
    """An OpenID provider `corp`, whose groups are at `groups` and whose policies at `policy`."""
    config = {
        "issuer": issuer.url, "client_ids": [CLIENT_ID], "insecure_http": True,
        "groups_claim": "groups", "policy_claim": "policy",
    }  # fmt: skip
    await site.call(creation("corp", config=json.dumps(config)))
    return site


@pytest.fixture
async def alice(site, world):
    """Alice, who may do what the policy `hers` says: nothing at first."""
    await world.control.users.create("alice")
    await site.give("hers", policy(action="none:At"), TargetKind.USER, "alice")
    made = (await world.control.access_keys.create("alice")).value
    return made.key.id, made.secret.reveal()


def creation(name="later", kind=wire.PROVIDER_KIND_OIDC, config=CONFIG, **more):
    return wire.CreateProviderRequest(name=name, kind=kind, config=config, **more)


def update(*paths, secret="", name="later", **fields):
    provider = wire.Provider(name=name, **fields)
    mask = FieldMask(paths=paths)
    return wire.UpdateProviderRequest(provider=provider, update_mask=mask, secret=secret)


def trial(id_token, name="corp"):
    return wire.TestProviderRequest(name=name, token=wire.TokenProof(id_token=id_token))


# --- keeping them -------------------------------------------------------------------------------------------


async def test_a_provider_lives_its_life_and_its_secret_is_shown_nowhere(site):
    with structlog.testing.capture_logs() as logs:
        made = await site.call(creation(secret=SECRET, description="people"))
        assert (made.provider.name, made.provider.has_secret) == ("later", True)
        assert made.provider.arn == f"{ARN}/later"
        assert made.provider.federated_arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com"
        got = await site.call(wire.GetProviderRequest(name="later"))
        assert got.provider == made.provider
        listed = await site.call(wire.ListProvidersRequest())
        assert [(one.name, one.config) for one in listed.providers] == [("later", "")]
        changed = await site.call(update("description", description="all", config="{}"))
        assert (changed.provider.description, changed.provider.config) == ("all", "")
        changed = await site.call(update("config", "secret", config=CONFIG.replace("one", "two")))
        assert (changed.provider.has_secret, '"two"' in changed.provider.config) == (False, True)
        changed = await site.call(update("secret", secret=SECRET))
        gone = await site.call(wire.DeleteProviderRequest(name="later"))
    assert gone.revision > changed.revision > made.revision
    events = [(one["event"], one["provider"], one["by"]) for one in logs if "by" in one]
    root = f"arn:aws:iam::{ACCOUNT}:root"
    assert events == [
        (f"provider_{what}", "later", root)
        for what in ("created", "updated", "updated", "updated", "deleted")
    ]
    for shown in (made, got, listed, changed, logs):
        assert SECRET not in str(shown)


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (creation(kind=0), "kind"),
        (creation(name="Not ok"), "name"),
        (creation(config="{"), "config"),
        (creation(config='{"issuer": "https://x.example", "client_ids": ["a"], "isuer": "x"}'), "config.isuer"),
        (creation(config='{"issuer": "https://x.example", "client_ids": ["a"], "ca_file": "/none"}'), "config.ca_file"),
        (creation(kind=wire.PROVIDER_KIND_CERTIFICATE, config='{"ca_pem": "x"}'), "config.ca_pem"),
        (update("name"), "update_mask"),
        (update("description", secret=SECRET), "secret"),
        (update("status"), "provider.status"),
        (wire.TestProviderRequest(name="later"), "proof"),
        (trial("", "later"), "token.id_token"),
        (wire.TestProviderRequest(name="later", custom_token="x"), "proof"),
        (wire.TestProviderRequest(name="later", client_certificate="x"), "client_certificate"),
        (wire.TestProviderRequest(name="later", password=wire.PasswordProof(password="x")), "password.username"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused_with_its_place(site, request_message, field):
    if not isinstance(request_message, wire.CreateProviderRequest):
        await site.call(creation())
    with pytest.raises(InvalidError) as caught:
        await site.call(request_message)
    assert caught.value.field == field
    assert SECRET not in caught.value.message


async def test_one_that_can_no_longer_be_used_can_be_disabled(site, world, tmp_path):
    authority = Authority("ca")
    file = tmp_path / "ca.pem"
    file.write_text(authority.own.pem)
    config = json.loads(CONFIG) | {"ca_file": str(file)}
    await site.call(creation(config=json.dumps(config)))
    file.unlink()
    done = await site.call(update("status", status=status_pb2.STATUS_DISABLED))
    assert done.provider.status == status_pb2.STATUS_DISABLED
    with pytest.raises(InvalidError):
        await site.call(update("config", config=json.dumps(config)))


async def test_a_secret_goes_nowhere_but_where_it_was_given_for(site):
    await site.call(creation(secret=SECRET))
    elsewhere = CONFIG.replace("id.example.com", "elsewhere.example")
    for config in (elsewhere, CONFIG.replace("{", '{"discovery_url": "https://x.example/", ')):
        with pytest.raises(InvalidError) as caught:
            await site.call(update("config", config=config))
        assert caught.value.field == "secret"
    await site.call(update("config", config=CONFIG.replace("one", "two")))
    await site.call(update("config", "secret", config=elsewhere, secret=SECRET))
    await site.call(update("config", "secret", config=CONFIG))
    await site.call(update("config", config=elsewhere))


RIGHTS = [
    ("iam:CreateOpenIDConnectProvider", f"{ARN}/new", creation("new")),
    ("iam:GetOpenIDConnectProvider", f"{ARN}/later", wire.GetProviderRequest(name="later")),
    ("iam:ListOpenIDConnectProviders", f"{ARN}/", wire.ListProvidersRequest()),
    ("iam:UpdateSAMLProvider", f"{ARN}/later", update("description")),
    ("iam:DeleteOpenIDConnectProvider", f"{ARN}/later", wire.DeleteProviderRequest(name="later")),
    ("authz:TestProvider", f"{ARN}/later", trial("x", "later")),
    ("iam:AttachGroupPolicy", f"{ARN}/later", attachment_service_pb2.AttachPolicyRequest(policy_name="hers", provider_name="later")),
    ("iam:DetachGroupPolicy", f"{ARN}/later", attachment_service_pb2.DetachPolicyRequest(policy_name="hers", provider_name="later")),
    ("iam:ListAttachedGroupPolicies", f"{ARN}/later", attachment_service_pb2.ListAttachmentsRequest(provider_name="later")),
    ("authz:RevokeSessions", f"{ARN}/later", session_service_pb2.RevokeSessionsRequest(provider_name="later")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "resource", "request_message"), RIGHTS, ids=[row[0] for row in RIGHTS]
)
async def test_each_right_opens_what_it_is_for_and_nothing_else(
    site, alice, world, action, resource, request_message
):
    await site.call(creation())
    everything_else = json.dumps({
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "NotAction": action, "Resource": "*"},
    })  # fmt: skip
    if action == "authz:TestProvider":
        everything_else = policy(action=["iam:*", "admin:*", "authz:Revoke*"])
    elif "Provider" in action:
        everything_else = policy(action=["authz:*", "s3:*", "sts:*", "iam:UpdateOpenID*"])
    else:
        everything_else = policy(action=["authz:Test*", "iam:CreateOpen*", "iam:AttachUserPolicy"])
    await world.control.policies.update("hers", document=everything_else)
    with pytest.raises(ForbiddenError):
        await site.call(request_message, alice)
    await world.control.policies.update("hers", document=policy(action=action, resource=resource))
    await site.call(request_message, alice)


async def test_minios_right_keeps_providers_and_tries_out_none(site, alice, world):
    await world.control.policies.update("hers", document=policy(action="admin:ConfigUpdate"))
    await site.call(creation(), alice)
    await site.call(update("description"), alice)
    with pytest.raises(ForbiddenError):
        await site.call(trial("x", "later"), alice)
    await site.call(wire.DeleteProviderRequest(name="later"), alice)


async def test_all_but_iam_as_power_users_of_aws_have_it_changes_no_provider(site, alice, world):
    await site.call(creation())
    document = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": document})
    attach = attachment_service_pb2.AttachPolicyRequest(policy_name="hers", provider_name="later")
    denied = json.loads(text)
    denied["Statement"] = [document, {"Effect": "Deny", "Action": "admin:*", "Resource": "*"}]
    await world.control.policies.update("hers", document=json.dumps(denied))
    for request in (update("description"), creation("other"), attach):
        with pytest.raises(ForbiddenError):
            await site.call(request, alice)


# --- what is called by it -----------------------------------------------------------------------------------


async def test_users_and_groups_of_a_provider_are_told_as_such_and_spelt_as_it_spells_them(corp, world):  # fmt: skip
    # In this world providers know no case (`LowerCaseNames`).
    for kind, module in (("User", user_service_pb2), ("Group", group_service_pb2)):
        create = getattr(module, f"Create{kind}Request")
        with pytest.raises(InvalidError, match="`corp=Ops` is spelt `corp=ops`"):
            await corp.call(create(name="corp=Ops"))
        made = getattr(await corp.call(create(name="corp=ops")), kind.lower())
        assert (made.name, made.provider) == ("corp=ops", "corp")
        await corp.call(create(name="own"))
        get = getattr(module, f"Get{kind}Request")
        assert getattr(await corp.call(get(name="corp=ops")), kind.lower()) == made
        assert getattr(await corp.call(get(name="own")), kind.lower()).provider == ""
        with pytest.raises(NotFoundError):
            await corp.call(get(name="corp=OPS"))
        listed = await corp.call(getattr(module, f"List{kind}sRequest")(provider="corp"))
        assert [one.name for one in getattr(listed, f"{kind.lower()}s")] == ["corp=ops"]
        with pytest.raises(NotFoundError):
            await corp.call(getattr(module, f"List{kind}sRequest")(provider="none"))
        with pytest.raises(NotFoundError):
            await corp.call(create(name="none=ops"))
    with pytest.raises(InUseError):
        await corp.call(wire.DeleteProviderRequest(name="corp"))


async def test_who_is_absent_is_told_so(corp, world, token):
    await corp.give("all-get", policy(action="s3:Get*"), TargetKind.PROVIDER, "corp")
    await corp.log_in(token(name="Alice", groups=["b", "a"]))
    user = await world.control.users.get("corp=alice")
    await world.control.logins.set_absent(user)
    told = (await corp.call(user_service_pb2.GetUserRequest(name="corp=alice"))).user
    assert told.HasField("absent_time")
    assert list(told.external_groups) == ["a", "b"]
    tried = await corp.call(trial(token()))
    assert (tried.ok, tried.user) == (True, wire.LOGIN_USER_ABSENT)
    assert (await world.control.users.get("corp=alice")).absent_since is not None


# --- trying out ---------------------------------------------------------------------------------------------


async def test_a_login_tried_out_tells_what_it_comes_to_and_writes_nothing(corp, world, token):
    control = world.control
    await control.groups.create("corp=ops")
    await corp.give("all-get", policy(action="s3:Get*"), TargetKind.PROVIDER, "corp")
    await corp.give("ops-put", policy(action="s3:Put*"), TargetKind.GROUP, "corp=ops")
    await control.policies.create("said", policy())
    revision = await world.settle()
    shown = token(groups=["ops", "none"], policy=["said", "no-such", "no,such"], name="Alice A")
    tried = await corp.call(trial(shown))
    assert await world.settle() == revision
    assert tried.ok
    assert [step.name for step in tried.steps] == [
        "token", "issuer and audience", "time", "signature", "claims"
    ]  # fmt: skip
    assert all(step.ok for step in tried.steps)
    assert (tried.external_name, tried.user_name) == ("alice", "corp=alice")
    assert tried.user == wire.LOGIN_USER_NEW
    assert (list(tried.external_groups), list(tried.group_names)) == (["ops", "none"], ["corp=ops"])
    assert list(tried.granted_policies) == ["said"]
    assert {"no-such"} <= set(tried.missing_policies)
    assert [(one.policy_name, one.WhichOneof("target")) for one in tried.attachments] == [
        ("ops-put", "group_name"), ("all-get", "provider_name")
    ]  # fmt: skip
    facts = {one.key: list(one.values) for one in tried.facts}
    assert facts["jwt:sub"] == ["alice"]
    assert "aws:federatedprovider" in facts
    assert tried.expire_time.seconds > world.clock.now()
    assert shown not in str(tried)
    await corp.log_in(shown)
    assert (await corp.call(trial(shown))).user == wire.LOGIN_USER_KNOWN
    await control.users.update("corp=alice", status=Status.DISABLED)
    refused = await corp.call(trial(shown))
    assert (refused.ok, refused.refusal) == (False, "the user is disabled")
    assert refused.user == wire.LOGIN_USER_DISABLED


@pytest.mark.parametrize(
    ("claims", "key", "failed"),
    [
        ({"iss": "https://other.example"}, None, "issuer and audience"),
        ({"aud": "other"}, None, "issuer and audience"),
        ({"exp": 1}, None, "time"),
        ({}, OTHER_RSA, "signature"),
        ({"sub": None}, None, "claims"),
        (None, None, "token"),
    ],
)
async def test_a_login_that_fails_is_told_where(corp, token, claims, key, failed):
    shown = "not.a.token-of-anybody" if claims is None else token(key, **claims)
    with structlog.testing.capture_logs() as logs:
        tried = await corp.call(trial(shown))
    assert not tried.ok
    assert (tried.steps[-1].name, tried.steps[-1].ok) == (failed, False)
    assert tried.refusal
    assert (tried.external_name, tried.user) == ("", wire.LOGIN_USER_UNSPECIFIED)
    for told in (str(tried), str(logs)):
        assert shown not in told
        assert shown.rpartition(".")[2] not in told


async def test_who_has_no_policy_would_get_no_session(corp, token):
    tried = await corp.call(trial(token()))
    assert (tried.ok, tried.refusal) == (False, "no policy applies to who logged in")
    assert tried.external_name == "alice"


async def test_a_disabled_or_unreachable_provider_is_told_as_such(corp, issuer, token):
    issuer.answers.clear()
    away = await corp.call(trial(token()))
    assert (away.ok, away.steps[-1].ok, away.steps[-1].name) == (False, False, "signature")
    await corp.call(update("status", name="corp", status=status_pb2.STATUS_DISABLED))
    tried = await corp.call(trial(token()))
    assert tried.refusal == "the provider is disabled"
    with pytest.raises(NotFoundError):
        await corp.call(trial(token(), "none"))


PEOPLE = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: E

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: uid=alice,ou=people,{SUFFIX}
objectClass: inetOrgPerson
cn: Alice
sn: A
userPassword: a-good-password
"""


async def test_one_that_cannot_be_used_is_told_as_such(site, world):
    # Stored by another version of the software, say.
    for name, kind in (("a", ProviderKind.OIDC), ("b", ProviderKind.CERTIFICATE)):
        await world.control.providers.create(name, kind, '{"unknown": 1}')
    tried = await site.call(trial("x.y.z", "a"))
    assert not tried.ok
    assert "cannot be used" in tried.refusal
    shown = Authority("ca").own.pem
    tried = await site.call(wire.TestProviderRequest(name="b", client_certificate=shown))
    assert (tried.ok, bool(tried.refusal), tried.steps[-1].ok) == (False, True, False)
    assert (await site.call(wire.GetProviderRequest(name="a"))).provider.config == '{"unknown": 1}'
    await site.call(wire.DeleteProviderRequest(name="a"))


async def test_a_password_is_tried_out_within_the_limits_of_sts(site, surfaces):
    with running_slapd(PEOPLE) as directory:
        config = {
            "url": f"ldaps://localhost:{directory.tls_port}", "ca_file": str(directory.authority.path),
            "bind_dn": ADMIN, "user_bases": [f"ou=people,{SUFFIX}"], "user_filter": "(uid=%s)",
            "timeout": 20,
        }  # fmt: skip
        await site.call(creation("dir", wire.PROVIDER_KIND_LDAP, json.dumps(config), secret=ADMIN_PASSWORD))  # fmt: skip

        def guess(password):
            proof = wire.PasswordProof(username="alice", password=password)
            return wire.TestProviderRequest(name="dir", password=proof)

        with structlog.testing.capture_logs() as logs:
            tried = await site.call(guess("a-good-password"))
            assert tried.external_name == f"uid=alice,ou=people,{SUFFIX}".lower()
            for number in range(ACCOUNT_AT_SOURCE.free + 1):
                tried = await site.call(guess(f"a-wrong-password-{number}"))
                assert not tried.steps[-1].ok
            # What is guessed here is guessed over STS, too: there is one count.
            with pytest.raises(OverloadedError):
                surfaces.limits.begin("ALICE", PEER.split(":")[1], provider="dir")
        for told in (str(logs), str(tried)):
            assert "-password" not in told
            assert ADMIN_PASSWORD not in told


async def test_a_webhook_that_repeats_the_token_is_not_repeated(site):
    secret_token = "tok-0123456789abcdefghijklmnop"
    with Issuer() as webhook:
        webhook.serve(
            f"/hook?token={secret_token}", {"reason": f"no such token {secret_token}"}, status=403
        )
        config = {"url": f"{webhook.url}/hook", "insecure_http": True}
        await site.call(creation("hook", wire.PROVIDER_KIND_WEBHOOK, json.dumps(config)))
        with structlog.testing.capture_logs() as logs:
            tried = await site.call(
                wire.TestProviderRequest(name="hook", custom_token=secret_token)
            )
    assert not tried.ok
    assert WITHHELD in [step.detail for step in tried.steps]
    assert secret_token[:12] not in str(tried) + str(logs)


async def test_a_certificate_is_tried_out_with_what_leads_to_the_authority(site, world):
    now = datetime.fromtimestamp(world.clock.now(), UTC)
    authority, others = Authority("ca", now=now), Authority("others", key_number=7, now=now)
    middle = Authority("middle", parent=authority, key_number=8, now=now)
    await site.call(creation("pki", wire.PROVIDER_KIND_CERTIFICATE, json.dumps({"ca_pem": authority.own.pem})))  # fmt: skip

    def shown(*chain):
        pem = "".join(one.pem for one in chain)
        return wire.TestProviderRequest(name="pki", client_certificate=pem)

    good = await site.call(shown(middle.issue("backup"), middle.own))
    assert good.external_name == "backup"
    for chain in ([middle.issue("backup")], [others.issue("backup")]):
        refused = await site.call(shown(*chain))
        assert (refused.external_name, refused.steps[-1].name) == ("", "chain")
    with pytest.raises(InvalidError):
        await site.call(shown(*[authority.own] * 10))


# --- what somebody who logged in makes ----------------------------------------------------------------------

OWN_KEYS = policy(
    action=["iam:CreateAccessKey", "iam:*AccessKey*", "s3:GetObject", "sts:TagSession"]
)


def own_key(**more):
    return KEYS.CreateAccessKeyRequest(user_name="corp=alice", **more)


async def made(site, credential, **more):
    answer = await site.call(own_key(**more), credential)
    return answer.access_key.id, answer.secret_access_key


async def test_cve_2025_62506_a_key_made_by_who_logged_in_does_what_the_session_does_and_no_more(corp, token, world):  # fmt: skip
    await corp.give("keys", OWN_KEYS, TargetKind.PROVIDER, "corp")
    await world.control.policies.create("puts", policy(action="s3:PutObject"))
    deny = json.loads(policy("Deny", "s3:*", "arn:aws:s3:::box/closed"))
    deny["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    await corp.give("no-red", json.dumps(deny), TargetKind.PROVIDER, "corp")
    red = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}}}
    wide = await corp.log_in(token(policy="puts", **red))
    plain = await corp.log_in(token())

    async def does(credential):
        return [
            await corp.gets(credential),
            await corp.gets(credential, method="PUT"),
            await corp.gets(credential, "/box/closed"),
        ]

    assert await does(wide) == [True, True, False]
    assert await does(plain) == [True, False, True]
    wide_key, plain_key = await made(corp, wide), await made(corp, plain)
    assert await does(wide_key) == [True, True, False]
    assert await does(plain_key) == [True, False, True]
    # Nor does what such a key makes in its turn: a deny by a tag is not shed.
    assert await does(await made(corp, wide_key)) == [True, True, False]
    session = await corp.call(session_service_pb2.CreateSessionRequest(), wide_key)
    again = (session.access_key_id, session.secret_access_key, session.session_token)
    assert await does(again) == [True, True, False]
    with pytest.raises(ForbiddenError):  # what ends makes nothing that lasts, but for a login
        await corp.call(own_key(), again)
    # One that an administrator makes has what the user has.
    assert await does(await made(corp, ROOT)) == [True, False, True]
    # Once the provider is disabled, none does anything.
    await corp.call(update("status", name="corp", status=status_pb2.STATUS_DISABLED))
    assert await does(wide_key) == [False, False, False]


async def test_cve_2025_62506_a_narrowed_session_of_who_logged_in_makes_no_key(corp, token, world):
    await corp.give("keys", OWN_KEYS, TargetKind.PROVIDER, "corp")
    narrowed = await corp.log_in(token(), Policy=policy())
    with pytest.raises(ForbiddenError, match="may not change its owner's access keys"):
        await corp.call(own_key(), narrowed)
    whole = await corp.log_in(token())
    key = await made(corp, whole)
    # A session makes keys; it changes none: that may be another login's.
    change = KEYS.UpdateAccessKeyRequest(
        access_key=KEYS.AccessKey(id=key[0], user_name="corp=alice", status=status_pb2.STATUS_ENABLED),
        update_mask=FieldMask(paths=["status"]),
    )  # fmt: skip
    with pytest.raises(ForbiddenError):
        await corp.call(change, whole)
    await corp.call(KEYS.DeleteAccessKeyRequest(id=key[0], user_name="corp=alice"), whole)


async def test_cve_2025_62506_a_key_for_another_spelling_of_oneself_gets_nothing_of_the_login(corp, token, world):  # fmt: skip
    """Names of a provider are told apart by case: `corp=Alice` is somebody else."""
    await corp.give("keys", OWN_KEYS, TargetKind.PROVIDER, "corp")
    await world.control.policies.create("puts", policy(action="s3:PutObject"))
    wide = await corp.log_in(token(policy="puts"))
    await corp.log_in(token(sub="Alice"))
    with pytest.raises(ForbiddenError):
        await corp.call(KEYS.CreateAccessKeyRequest(user_name="corp=Alice"), wide)
    await corp.log_in(token(sub="bob"))
    other = await corp.call(KEYS.CreateAccessKeyRequest(user_name="corp=bob"), wide)
    key = (other.access_key.id, other.secret_access_key)
    assert await corp.gets(key)
    assert not await corp.gets(key, method="PUT")


async def test_a_session_without_the_right_makes_no_key(corp, token):
    await corp.give("gets", policy(action="s3:GetObject"), TargetKind.PROVIDER, "corp")
    with pytest.raises(ForbiddenError):
        await corp.call(own_key(), await corp.log_in(token()))


async def test_cve_2025_62506_a_roles_session_on_the_word_of_a_provider_hands_nothing_on(corp, token, issuer, world):  # fmt: skip
    await corp.give("keys", OWN_KEYS, TargetKind.PROVIDER, "corp")
    await world.control.policies.create("puts", policy(action="s3:PutObject"))
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer.url}"
    document = trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity")
    await world.control.roles.create("maker", document)
    await corp.give("all-keys", policy(action=["iam:*", "s3:*"]), TargetKind.ROLE, "maker")
    await corp.log_in(token())
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/maker", "RoleSessionName": "ci"}
    session = await corp.log_in(token(policy="puts"), **role)
    key = await made(corp, session)  # as the role may for anybody, by policy
    assert await corp.gets(key)
    assert not await corp.gets(key, method="PUT")
