"""The command line against a real service: what people type, what they read, what scripts get."""

import json

import grpc
import pytest
from click.testing import CliRunner
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from authz.cli.errors import CliError, ExitCode
from authz.cli.main import cli
from authz.clock import ManualClock, SystemClock
from authz.serving.admin import list_methods
from authz.wire.authz.admin.v1 import policy_service_pb2, user_service_pb2
from tests.cli.running import CAT, READ
from tests.servers.authz_server import ROOT_CREDENTIAL
from tests.servers.ports import LOOPBACK


def test_a_user_from_creation_to_deletion(run):
    created = run.json("user", "create", "ursula", "--tag", "team=blue")
    user = created["user"]
    assert user["name"] == "ursula"
    assert user["arn"] == "arn:aws:iam::000000000000:user/ursula"
    assert (user["status"], user["tags"]) == ("enabled", {"team": "blue"})
    assert run.json("user", "get", "ursula") == {"user": user}
    assert user in run.json("user", "list")["users"]
    assert run.json("user", "disable", "ursula")["user"]["status"] == "disabled"
    changed = run.json("user", "tag", "ursula", "--tag", "team=red")["user"]
    assert (changed["status"], changed["tags"]) == ("disabled", {"team": "red"})
    assert run.json("user", "enable", "ursula")["user"] == {**user, "tags": {"team": "red"}}
    deleted = run.json("user", "delete", "ursula")
    assert deleted["revision"] > created["revision"]
    assert run("user", "get", "ursula").exit_code == ExitCode.NOT_FOUND


def test_people_read_tables(run):
    run.ok("user", "create", "tabea")
    lines = run.ok("user", "list").splitlines()
    assert " ".join(lines[0].split()) == "NAME DISPLAY NAME STATUS PROVIDER ARN CREATE TIME"
    assert any(line.startswith("tabea  ") for line in lines)
    assert "no access keys" in run.ok("key", "list", "tabea")


def test_a_key_shows_its_secret_once_and_signs(run):
    run.ok("user", "create", "kim")
    created = run.json("key", "create", "kim", "--description", "laptop")
    credential = (created["access_key"]["id"], created["secret_access_key"])
    assert len(credential[1]) == 40
    for shown in (
        run.ok("key", "list", "kim", "--json"),
        run.ok("key", "get", "kim", credential[0], "--json"),
    ):
        assert credential[0] in shown
        assert credential[1] not in shown
    denied = run("user", "list", credential=credential)
    assert denied.exit_code == ExitCode.DENIED
    assert "iam:ListUsers" in denied.stderr
    assert (
        run.json("key", "describe", "kim", credential[0], "desk")["access_key"]["description"]
        == "desk"
    )
    run.ok("key", "disable", "kim", credential[0])
    assert run("user", "list", credential=credential).exit_code == ExitCode.DENIED
    run.ok("key", "enable", "kim", credential[0])
    run.ok("key", "delete", "kim", credential[0])
    assert run("key", "get", "kim", credential[0]).exit_code == ExitCode.NOT_FOUND


def test_a_key_of_ones_own_is_taken_from_standard_input(run):
    run.ok("user", "create", "otto")
    secret = "a-secret-that-came-from-elsewhere"
    created = run.json(
        "key", "create", "otto", "--id", "otto", "--secret-file", "-", stdin=secret + "\n"
    )
    assert (created["access_key"]["id"], created["secret_access_key"]) == ("otto", secret)
    assert (
        run("key", "create", "otto", "--id", "otto", "--secret-file", "-", stdin=secret).exit_code
        == ExitCode.CONFLICT
    )


def test_a_key_is_found_under_its_owner_alone(run):
    for name in ("owner", "other"):
        run.ok("user", "create", name)
    key = run.json("key", "create", "owner")["access_key"]["id"]
    for command in ("get", "disable", "delete"):
        assert run("key", command, "other", key).exit_code == ExitCode.NOT_FOUND
    assert run.json("key", "get", "owner", key)["access_key"]["status"] == "enabled"


def test_a_policy_is_in_force_as_soon_as_it_is_attached_and_no_longer(run):
    run.ok("user", "create", "paula")
    run.ok(
        "policy", "create", "photos-read", run.file("read.json", READ), "--description", "photos"
    )
    assert run("check", "paula", "s3:GetObject", CAT).exit_code == ExitCode.FAILURE
    attached = run.json("policy", "attach", "photos-read", "--user", "paula")
    since = ("--at-least-revision", str(attached["revision"]))
    answer = run.json("check", "paula", "s3:GetObject", CAT, *since)["decision"]
    assert answer["verdict"] == "allowed"
    assert answer["statement"] == {
        "policy_arn": "arn:aws:iam::000000000000:policy/photos-read", "version": 1, "index": 0, "sid": "Read",
    }  # fmt: skip
    assert answer["revision"] >= attached["revision"]
    assert run.json("policy", "attachments", "--user", "paula")["attachments"] == [
        attached["attachment"]
    ]
    assert run.json("policy", "attachments", "--policy", "photos-read")["attachments"] == [
        attached["attachment"]
    ]
    detached = run.json("policy", "detach", "photos-read", "--user", "paula")
    refused = run(
        "check", "paula", "s3:GetObject", CAT, "--at-least-revision", str(detached["revision"])
    )
    assert refused.exit_code == ExitCode.FAILURE
    assert "no statement allows it" in refused.stdout


def test_a_policy_keeps_its_authors_bytes_and_counts_versions(run):
    odd = READ.replace(", ", ",\n\t") + "\n\n"
    run.ok("policy", "create", "odd", run.file("odd.json", odd))
    assert run.ok("policy", "get", "odd", "--document") == odd
    updated = run.json("policy", "update", "odd", run.file("new.json", READ))["policy"]
    assert (updated["version"], updated["document"]) == (2, READ)
    described = run.json("policy", "describe", "odd", "for odd ones")["policy"]
    assert (described["version"], described["description"]) == (2, "for odd ones")
    assert described["document"] == ""
    run.ok("policy", "delete", "odd")
    assert run("policy", "get", "odd").exit_code == ExitCode.NOT_FOUND


def test_a_mistake_in_a_document_is_named_with_its_place(run):
    wrong = READ.replace('"Allow"', '"Alow"')
    result = run("policy", "create", "wrong", run.file("wrong.json", wrong))
    assert result.exit_code == ExitCode.USAGE
    assert "Statement[0]" in result.stderr


def test_policies_that_come_with_the_software_are_read_only(run):
    assert run("policy", "delete", "readonly").exit_code == ExitCode.USAGE


def test_a_group_grants_to_its_members(run):
    for name in ("gina", "gert"):
        run.ok("user", "create", name)
    run.ok("group", "create", "crew")
    run.ok("policy", "create", "crew-read", "-", stdin=READ)
    run.ok("policy", "attach", "crew-read", "--group", "crew")
    joined = run.json("group", "add", "crew", "gina", "gert")
    assert run.json("group", "members", "crew") == {"user_names": ["gert", "gina"]}
    assert [g["name"] for g in run.json("group", "list", "--user", "gina")["groups"]] == ["crew"]
    run.ok("check", "gina", "s3:GetObject", CAT, "--at-least-revision", str(joined["revision"]))
    left = run.json("group", "remove", "crew", "gina")
    after = ("--at-least-revision", str(left["revision"]))
    assert run("check", "gina", "s3:GetObject", CAT, *after).exit_code == ExitCode.FAILURE
    disabled = run.json("group", "disable", "crew")
    assert disabled["group"]["status"] == "disabled"
    after = ("--at-least-revision", str(disabled["revision"]))
    assert run("check", "gert", "s3:GetObject", CAT, *after).exit_code == ExitCode.FAILURE


def test_what_is_in_use_is_deleted_on_cascade_alone(run):
    run.ok("user", "create", "casper")
    run.ok("group", "create", "cascaders")
    run.ok("policy", "create", "cascade-read", "-", stdin=READ)
    run.ok("key", "create", "casper")
    run.ok("group", "add", "cascaders", "casper")
    for target in (("--user", "casper"), ("--group", "cascaders")):
        run.ok("policy", "attach", "cascade-read", *target)
    things = (("policy", "cascade-read"), ("group", "cascaders"), ("user", "casper"))
    for kind, name in things:
        refused = run(kind, "delete", name)
        assert refused.exit_code == ExitCode.CONFLICT
        assert "--cascade" in refused.stderr
    for kind, name in reversed(things):
        run.ok(kind, "delete", name, "--cascade")
        assert run(kind, "get", name).exit_code == ExitCode.NOT_FOUND


def test_another_spelling_of_a_name_is_refused_everywhere(run):
    run.ok("user", "create", "Sven")
    run.ok("group", "create", "Sailors")
    key = run.json("key", "create", "Sven")["access_key"]["id"]
    for command in (
        ["user", "get", "sven"],
        ["user", "disable", "SVEN"],
        ["user", "delete", "sven"],
        ["key", "create", "sven"],
        ["key", "list", "sven"],
        ["key", "get", "sven", key],
        ["key", "disable", "sven", key],
        ["key", "delete", "sven", key],
        ["group", "get", "sailors"],
        ["group", "disable", "sailors"],
        ["group", "delete", "sailors"],
        ["group", "add", "sailors", "Sven"],
        ["group", "remove", "sailors", "Sven"],
        ["group", "members", "sailors"],
        ["group", "list", "--user", "sven"],
        ["policy", "get", "ReadOnly"],
        ["policy", "attach", "readonly", "--user", "sven"],
        ["policy", "attach", "readonly", "--group", "sailors"],
        ["policy", "detach", "readonly", "--user", "sven"],
        ["policy", "attachments", "--user", "sven"],
        ["policy", "attachments", "--policy", "READONLY"],
        ["policy", "attach", "ReadOnly", "--user", "Sven"],
        ["policy", "detach", "ReadOnly", "--group", "Sailors"],
        ["policy", "version", "list", "ReadOnly"],
        ["policy", "version", "get", "ReadOnly", "1"],
        ["policy", "version", "set-default", "ReadOnly", "1"],
        ["policy", "version", "delete", "ReadOnly", "1"],
        ["user", "create", "sara", "--boundary", "ReadOnly"],
        ["user", "boundary", "set", "sven", "readonly"],
        ["user", "boundary", "set", "Sven", "ReadOnly"],
        ["user", "boundary", "clear", "sven"],
    ):
        result = run(*command)
        assert result.exit_code == ExitCode.USAGE, command
        assert "is spelt" in result.stderr, command
    assert run.json("user", "get", "Sven")["user"]["status"] == "enabled"


def test_a_deny_on_a_user_is_not_dodged_by_another_spelling(run):
    run.ok("user", "create", "boss")
    run.ok("user", "create", "helper")
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": "iam:*",
                "Resource": "arn:aws:iam::000000000000:user/boss",
            },
        ],
    }
    run.ok("policy", "create", "helping", "-", stdin=json.dumps(document))
    run.ok("policy", "attach", "helping", "--user", "helper")
    created = run.json("key", "create", "helper")
    helper = (created["access_key"]["id"], created["secret_access_key"])
    assert run("user", "disable", "boss", credential=helper).exit_code == ExitCode.DENIED
    assert run("user", "disable", "BOSS", credential=helper).exit_code == ExitCode.USAGE
    assert run.json("user", "get", "boss")["user"]["status"] == "enabled"


def test_rights_can_be_given_in_minios_words(run):
    run.ok("user", "create", "minnie")
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "admin:ListUsers"}],
    }
    run.ok("policy", "create", "minio-words", "-", stdin=json.dumps(document))
    run.ok("policy", "attach", "minio-words", "--user", "minnie")
    created = run.json("key", "create", "minnie")
    minnie = (created["access_key"]["id"], created["secret_access_key"])
    run.ok("user", "list", credential=minnie)
    assert run("user", "create", "x", credential=minnie).exit_code == ExitCode.DENIED


def test_explain_names_what_stopped_it_and_needs_the_right_to_see_policies(run):
    run.ok("user", "create", "eve")
    run.ok("policy", "create", "explained", "-", stdin=READ)
    run.ok("policy", "attach", "explained", "--user", "eve")
    text = run.ok("explain", "eve", "s3:GetObject", "arn:aws:s3:::videos/cat.mp4")
    assert (
        "nearest miss: Statement[0] (Read) of arn:aws:iam::000000000000:policy/explained v1" in text
    )
    assert "it would allow but for Resource" in text
    plain = run.json("explain", "eve", "s3:GetObject", CAT)
    assert plain["decision"]["verdict"] == "allowed"
    assert plain["policies"][0]["statements"][0]["matched"] is True
    assert plain["nearest_miss"] is None
    created = run.json("key", "create", "eve")
    eve = (created["access_key"]["id"], created["secret_access_key"])
    assert run("explain", "eve", "s3:GetObject", CAT, credential=eve).exit_code == ExitCode.DENIED
    # Whom the access key belongs to acts, also when it is named by its ARN.
    for who in (["--as-access-key", eve[0]], ["arn:aws:iam::000000000000:user/eve"]):
        run.ok("check", *who, "s3:GetObject", CAT)


def test_check_tells_a_refusal_from_a_question_that_is_none(run):
    assert run("check", "nobody", "s3:GetObject", CAT).exit_code == ExitCode.FAILURE
    assert run("check", "nobody", "s3:*", CAT).exit_code == ExitCode.USAGE
    assert (
        run("check", "nobody", "s3:GetObject", CAT, "--context", "aws:username=root").exit_code
        == ExitCode.USAGE
    )


def test_a_listing_follows_its_pages_to_the_end(run, monkeypatch):
    monkeypatch.setattr("authz.cli.client.PAGE_SIZE", 3)
    names = [f"page-{number:02}" for number in range(8)]
    for name in names:
        run.ok("group", "create", name)
    listed = [group["name"] for group in run.json("group", "list")["groups"]]
    assert [name for name in listed if name.startswith("page-")] == names
    assert len(listed) == len(set(listed))


def test_the_same_call_can_be_made_twice_in_a_second(run):
    clock = ManualClock(SystemClock().now())
    with run.client(clock=clock) as client:
        for _ in range(3):
            client.call(
                "/authz.admin.v1.UserService/ListUsers",
                user_service_pb2.ListUsersRequest(),
                user_service_pb2.ListUsersResponse,
            )


def a_request(kind):
    """Return a request that says what it is about, as far as a method cannot do without."""
    request = kind()
    if kind.DESCRIPTOR.oneofs:
        texts = (f for f in kind.DESCRIPTOR.oneofs[0].fields if f.type == f.TYPE_STRING)
        setattr(request, next(texts).name, "x")
    elif "resource" in kind.DESCRIPTOR.fields_by_name:
        request.resource = "arn:aws:s3:::box"
    return request


def test_a_wrong_secret_and_a_clock_that_is_off_are_refused_alike_for_every_method(run):
    late = ManualClock(SystemClock().now() - 1000)
    wrong = (ROOT_CREDENTIAL[0], "not-the-secret-of-root")
    with run.client(wrong) as stranger, run.client(clock=late) as laggard:
        for path, _, kind in list_methods():
            request = a_request(kind)
            for client in (stranger, laggard):
                with pytest.raises(CliError) as caught:
                    client.call(path, request, kind)
                assert caught.value.exit_code == ExitCode.DENIED, path


def test_an_unsigned_call_is_refused_for_every_method(run):
    with grpc.insecure_channel(f"{LOOPBACK}:{run.server.grpc_port}") as channel:
        for path, _, kind in list_methods():
            request = a_request(kind)
            call = channel.unary_unary(path, request_serializer=None, response_deserializer=None)
            with pytest.raises(grpc.RpcError) as caught:
                call(request.SerializeToString(), timeout=60)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, path


def test_bytes_that_are_no_message_are_refused_by_every_method(run):
    with grpc.insecure_channel(f"{LOOPBACK}:{run.server.grpc_port}") as channel:
        for path, _, _ in list_methods():
            call = channel.unary_unary(path, request_serializer=None, response_deserializer=None)
            with pytest.raises(grpc.RpcError) as caught:
                call(b"\xff\xff\xff", timeout=60)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, path


def test_reflection_shows_the_services_and_their_messages(run):
    with grpc.insecure_channel(f"{LOOPBACK}:{run.server.grpc_port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(
                file_containing_symbol="authz.admin.v1.PolicyService"
            ),
        ]
        listed, file = stub.ServerReflectionInfo(iter(requests), timeout=60)
    names = {service.name for service in listed.list_services_response.service}
    assert {
        "authz.v1.AuthorizationService",
        "authz.v1.AuthenticationService",
        "authz.admin.v1.UserService",
        "authz.admin.v1.ResourcePolicyService",
    } <= names
    assert (
        policy_service_pb2.DESCRIPTOR.serialized_pb
        in file.file_descriptor_response.file_descriptor_proto
    )


def test_the_doctor_finds_nothing_wrong_with_a_running_service(server):
    # The service's own environment is enough: address, folder and root credential come from its settings.
    result = CliRunner().invoke(cli, ["doctor", "--json"], prog_name="authz", env=server.env)
    findings = {finding["check"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 0, findings
    assert {"gRPC", "ready", "clock", "database", "credential"} <= set(findings)
    assert all(finding["result"] == "ok" for finding in findings.values()), findings
    assert ROOT_CREDENTIAL[1] not in result.output
