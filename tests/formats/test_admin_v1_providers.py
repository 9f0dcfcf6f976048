import json

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz.control.login_outcomes import LoginOutcome
from authz.errors import InvalidError
from authz.formats.admin_v1 import render_group, render_user
from authz.formats.admin_v1_providers import (
    WINDOW,
    WITHHELD,
    LoginProof,
    parse_kind,
    parse_proof,
    parse_provider_change,
    render_login,
    render_provider,
    render_refused_login,
)
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, Login, LoginStep, ProviderKind
from authz.identity.records import Attachment, Group, Provider, Status, TargetKind, User
from authz.wire.authz.admin.v1 import provider_service_pb2 as wire
from authz.wire.authz.admin.v1 import status_pb2
from tests.servers.client_certificates import Authority

ACCOUNT = "123456789012"
CONFIG = json.dumps({"issuer": "https://id.example.com/x", "client_ids": ["one"]})
TOKEN = "header-0123456789.payload-0123456789.signature-0123456789"
PROVIDER = Provider(
    id="AIDP1",
    name="corp",
    kind=ProviderKind.OIDC,
    status=Status.ENABLED,
    config=CONFIG,
    created_at=1_700_000_000.25,
    updated_at=1_700_000_001.0,
    description="people",
    has_secret=True,
)
USER = User(
    id="AIDA1",
    name="corp=a=b",
    status=Status.ENABLED,
    created_at=0.0,
    provider_id="AIDP1",
    display_name="Alice",
    external_groups=("ops",),
    absent_since=5.0,
)
IDENTITY = ExternalIdentity(name="a=b", display_name="Alice", groups=("ops",), expires_at=10.0)
LOGIN = Login("AIDP1", "corp", ProviderKind.OIDC, IDENTITY)


def outcome(**more) -> LoginOutcome:
    attached = Attachment(policy_name="p", target_kind=TargetKind.PROVIDER, target_name="corp")
    given = {
        "user_name": "corp=a=b", "user": None, "group_names": ("corp=ops",), "granted": ("g",),
        "missing": ("m",), "attachments": (attached,), "refusal": "",
    }  # fmt: skip
    return LoginOutcome(**{**given, **more})


def a_change(*paths, secret="", **fields) -> wire.UpdateProviderRequest:
    provider = wire.Provider(name="corp", **fields)
    return wire.UpdateProviderRequest(
        provider=provider, update_mask=FieldMask(paths=paths), secret=secret
    )


def test_a_provider_is_rendered_whole_and_without_its_configuration_where_that_is_not_asked():
    message = render_provider(PROVIDER, ACCOUNT)
    assert (message.name, message.id, message.kind) == ("corp", "AIDP1", wire.PROVIDER_KIND_OIDC)
    assert message.arn == f"arn:aws:iam::{ACCOUNT}:identity-provider/corp"
    assert message.federated_arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com/x"
    assert (message.config, message.description, message.has_secret) == (CONFIG, "people", True)
    assert message.create_time.ToJsonString() == "2023-11-14T22:13:20.250Z"
    without = render_provider(PROVIDER, ACCOUNT, with_config=False)
    assert without.config == ""
    without.config = message.config
    assert without == message


def test_no_message_about_a_provider_has_room_for_its_secret():
    secrets = [
        (message.name, field.name)
        for message in wire.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
        if field.GetOptions().debug_redact
    ]
    assert secrets == [
        ("CreateProviderRequest", "secret"), ("UpdateProviderRequest", "secret"),
        ("TokenProof", "id_token"), ("TokenProof", "access_token"), ("PasswordProof", "password"),
        ("TestProviderRequest", "custom_token"),
    ]  # fmt: skip
    assert not any("secret" in one for one in wire.Provider.DESCRIPTOR.fields_by_name if one != "has_secret")  # fmt: skip


@pytest.mark.parametrize("kind", list(ProviderKind))
def test_a_configuration_that_can_no_longer_be_read_is_shown_all_the_same(kind):
    broken = Provider(
        id="AIDP1", name="corp", kind=kind, status=Status.DISABLED, config="{", created_at=0.0, updated_at=0.0,
    )  # fmt: skip
    message = render_provider(broken, ACCOUNT)
    assert (message.config, message.federated_arn) == ("{", "")
    assert parse_kind(message.kind) is kind


def test_users_and_groups_say_whose_they_are():
    message = render_user(USER, ACCOUNT)
    assert (message.provider, message.display_name) == ("corp", "Alice")
    assert list(message.external_groups) == ["ops"]
    assert message.absent_time.seconds == 5
    own = render_user(User(id="A", name="x", status=Status.ENABLED, created_at=0.0), ACCOUNT)
    assert (own.provider, own.HasField("absent_time")) == ("", False)
    group = Group(
        id="G", name="corp=ops", status=Status.ENABLED, created_at=0.0, provider_id="AIDP1"
    )
    assert render_group(group, ACCOUNT).provider == "corp"


def test_an_update_changes_what_its_mask_names():
    filled = {"config": "{}", "description": "x", "status": status_pb2.STATUS_DISABLED}
    change = parse_provider_change(a_change("description", **filled))
    assert (change.description, change.config, change.status, change.secret) == (
        "x", None, None, None
    )  # fmt: skip
    change = parse_provider_change(a_change("config", "status", "secret", secret="s", **filled))
    assert (change.config, change.status, change.description) == ("{}", Status.DISABLED, None)
    assert change.secret is not None
    assert change.secret.reveal() == "s"
    taken = parse_provider_change(a_change("secret")).secret
    assert taken is not None
    assert taken.reveal() == ""


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (a_change(), "update_mask"),
        (a_change("kind"), "update_mask"),
        (a_change("has_secret"), "update_mask"),
        (a_change("status"), "provider.status"),
        (a_change("description", secret="s"), "secret"),
    ],
)
def test_an_update_that_makes_no_sense_is_refused(message, field):
    with pytest.raises(InvalidError) as caught:
        parse_provider_change(message)
    assert caught.value.field == field


def test_a_proof_shows_itself_nowhere():
    proof = parse_proof(
        wire.TestProviderRequest(token=wire.TokenProof(id_token=TOKEN, access_token="access-tok"))
    )
    assert proof.kind is ProviderKind.OIDC
    assert TOKEN not in repr(proof)
    assert "access-tok" not in repr(proof)
    assert "hunter2" not in repr(
        parse_proof(
            wire.TestProviderRequest(
                password=wire.PasswordProof(username="alice", password="hunter2")
            )
        )
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fine", "fine"),
        (f"bad {TOKEN}", WITHHELD),
        (TOKEN[7 : 7 + WINDOW], WITHHELD),
        (f"x{TOKEN[20 : 20 + WINDOW]}y", WITHHELD),
        (TOKEN[20 : 20 + WINDOW - 1], TOKEN[20 : 20 + WINDOW - 1]),
        ("the pass: pw1", WITHHELD),
        ("", ""),
    ],
)
def test_what_holds_a_part_of_a_proof_is_not_told(text, shown):
    proof = LoginProof(kind=ProviderKind.OIDC, token=Secret(TOKEN), password=Secret("pw1"))
    assert proof.hide(text) == shown
    assert render_refused_login([], text, proof).refusal == shown
    step = LoginStep("answer", is_ok=False, detail=text)
    assert render_refused_login([step], "no", proof).steps[0].detail == shown
    facts = {"jwt:x": (text,)}
    assert render_login([step], LOGIN, facts, outcome(), proof).facts[0].values == [shown]


def test_certificates_are_read_and_a_key_beside_them_is_not(tmp_path):
    authority = Authority("ca")
    issued = authority.issue("backup")
    _, key = issued.write(tmp_path, "backup")
    pem = key.read_text() + issued.pem + authority.own.pem
    proof = parse_proof(wire.TestProviderRequest(client_certificate=pem))
    assert proof.certificates == (issued.der, authority.own.der)


@pytest.mark.parametrize("pem", ["", "x", "\ud7ff", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x" * 300_000])  # fmt: skip
def test_what_is_no_certificate_is_refused(pem):
    with pytest.raises(InvalidError) as caught:
        parse_proof(wire.TestProviderRequest(client_certificate=pem))
    assert caught.value.field == "client_certificate"


def test_a_login_is_rendered_with_what_it_comes_to():
    proof = LoginProof(kind=ProviderKind.OIDC, token=Secret(TOKEN))
    message = render_login([], LOGIN, {"b": ("1", "2"), "a": ("3",)}, outcome(), proof)
    assert (message.ok, message.refusal, message.user) == (True, "", wire.LOGIN_USER_NEW)
    assert (message.external_name, message.user_name) == ("a=b", "corp=a=b")
    assert [(one.key, list(one.values)) for one in message.facts] == [("a", ["3"]), ("b", ["1", "2"])]  # fmt: skip
    assert (list(message.granted_policies), list(message.missing_policies)) == (["g"], ["m"])
    assert message.attachments[0].provider_name == "corp"
    assert message.expire_time.seconds == 10
    refused = render_login([], LOGIN, {}, outcome(user=USER, refusal="no"), proof)
    assert (refused.ok, refused.user) == (False, wire.LOGIN_USER_ABSENT)


def test_a_refusal_without_a_step_that_failed_gets_one():
    proof = LoginProof(kind=ProviderKind.OIDC)
    steps = render_refused_login([LoginStep("token", is_ok=True)], "why", proof).steps
    assert [(step.name, step.ok, step.detail) for step in steps] == [
        ("token", True, ""), ("login", False, "why")
    ]  # fmt: skip
