"""`authz who-can` and `authz allowed-actions` against a real service, and the stream as any gRPC client sees it."""

import json

import grpc
import pytest

from authz.cli import reach
from authz.cli.errors import CliError, ExitCode
from authz.wire.authz.v1 import authorization_pb2 as wire
from tests.servers.admin_client import AdminClient
from tests.servers.authz_server import ROOT_CREDENTIAL, start_authz

CAT = "arn:aws:s3:::photos/cat.jpg"
ROOT = "arn:aws:iam::000000000000:root"
WHO = "/authz.v1.AuthorizationService/WhoCan"
LIST = "/authz.v1.AuthorizationService/ListAllowedActions"


def arn(name: str) -> str:
    return f"arn:aws:iam::000000000000:user/{name}"


def document(**elements) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **elements}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A service where alice may read, bob may from home, and carol may not."""
    folder = tmp_path_factory.mktemp("service")
    from_home = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    with start_authz(folder) as running:
        for name, text in (("reads", document()), ("home", document(**from_home))):
            path = folder / f"{name}.json"
            path.write_text(text)
            running.cli("policy", "create", name, str(path))
        for name in ("alice", "bob", "carol"):
            running.cli("user", "create", name)
        running.cli("policy", "attach", "reads", "--user", "alice")
        running.cli("policy", "attach", "home", "--user", "bob")
        yield running


def lines_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_who_can_lists_root_and_users(run):
    assert lines_of(run.ok("who-can", "s3:GetObject", CAT)) == [
        ["CERTAINTY", "PRINCIPAL"],
        ["always", ROOT],
        ["always", arn("alice")],
        ["conditional", arn("bob")],
    ]


def test_who_can_knows_what_it_is_told(run):
    shown = run.ok("who-can", "s3:GetObject", CAT, "--context", "aws:SourceIp=192.0.2.1")
    assert [arn("bob")] not in [line[1:] for line in lines_of(shown)]


def test_who_can_prints_a_line_of_json_each_and_no_more_than_asked(run):
    shown = run.ok("who-can", "s3:GetObject", CAT, "--limit", "2", "--json")
    found = [json.loads(line) for line in shown.splitlines()]
    assert [(one["principal"]["arn"], one["certainty"]) for one in found] == [
        (ROOT, "always"),
        (arn("alice"), "always"),
    ]


def test_what_is_no_question_is_wrong_usage(run):
    assert run("who-can", "s3:*", CAT).exit_code == ExitCode.USAGE
    assert run("who-can", "s3:GetObject", CAT, "--limit", "0").exit_code == ExitCode.USAGE


def test_who_may_not_see_policies_is_refused(run):
    made = run.json("key", "create", "alice")
    credential = (made["access_key"]["id"], made["secret_access_key"])
    for words in (("who-can", "s3:GetObject", CAT), ("allowed-actions", "alice", CAT)):
        assert run(*words, credential=credential).exit_code == ExitCode.DENIED


def test_allowed_actions_of_a_user(run):
    assert lines_of(run.ok("allowed-actions", "bob", CAT))[1:] == [["s3:GetObject", "conditional"]]
    told = run.json("allowed-actions", arn("bob"), CAT, "--context", "aws:SourceIp=10.0.0.1")
    assert told["actions"] == [{"action": "s3:GetObject", "certainty": "always"}]
    for nobody in ("carol", "*"):
        assert run.ok("allowed-actions", nobody, CAT).strip() == "nothing"
    assert run("allowed-actions", "nobody", CAT).exit_code == ExitCode.NOT_FOUND


def test_allowed_actions_of_an_access_key(run):
    key = run.json("key", "create", "alice")["access_key"]["id"]
    shown = run.ok("allowed-actions", key, CAT, "--as-access-key")
    assert lines_of(shown)[1:] == [["s3:GetObject", "always"]]


# --- the stream ---------------------------------------------------------------------------------------------


@pytest.fixture
def client(server):
    with AdminClient(server.grpc_port, ROOT_CREDENTIAL) as opened:
        yield opened


def test_a_client_of_another_signer_reads_the_stream(client):
    request = wire.WhoCanRequest(action="s3:GetObject", resource=CAT, page_size=100)
    parts = list(client.stream(WHO, request, wire.WhoCanResponse))
    found = [(one.principal.arn, one.certainty) for part in parts for one in part.principals]
    assert found == [
        (ROOT, wire.CERTAINTY_ALWAYS),
        (arn("alice"), wire.CERTAINTY_ALWAYS),
        (arn("bob"), wire.CERTAINTY_CONDITIONAL),
    ]
    assert [bool(part.next_page_token) for part in parts] == [True] * (len(parts) - 1) + [False]


def test_a_client_that_goes_leaves_room_for_others(client):
    for number in range(20):
        request = wire.WhoCanRequest(action="s3:GetObject", resource=CAT, page_size=1000 + number)
        stream = client.stream(WHO, request, wire.WhoCanResponse)
        next(stream)
        stream.close()
    answer = client.call(
        LIST,
        wire.ListAllowedActionsRequest(user_name="alice", resource=CAT),
        wire.ListAllowedActionsResponse,
    )
    assert [one.action for one in answer.actions] == ["s3:GetObject"]


def test_without_a_signature_there_is_no_stream(client):
    request = wire.WhoCanRequest(action="s3:GetObject", resource=CAT)
    with pytest.raises(grpc.RpcError) as caught:
        list(client.stream(WHO, request, wire.WhoCanResponse, is_signed=False))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


# --- a stream that breaks -----------------------------------------------------------------------------------


class Broken:
    """A service whose streams break after one message, or at once."""

    def __init__(self, *, is_dead: bool = False) -> None:
        self.asked: list[tuple[str, int]] = []
        self._is_dead = is_dead

    def stream(self, _method, request, _answer):
        self.asked.append((request.page_token, request.page_size))
        if self._is_dead:
            raise CliError("gone", exit_code=ExitCode.UNAVAILABLE)
        number = len(self.asked)
        part = wire.WhoCanResponse(next_page_token=f"t{number}" if number < 3 else "")
        part.principals.add().principal.arn = f"p{number}"
        yield part
        raise CliError("gone", exit_code=ExitCode.UNAVAILABLE)


@pytest.mark.parametrize(("limit", "found"), [(0, 3), (2, 2), (3, 3)])
def test_it_is_taken_up_again_where_it_broke(limit, found):
    service = Broken()
    request = wire.WhoCanRequest(page_size=limit)
    assert [one.principal.arn for one in reach._follow(service, request)] == ["p1", "p2", "p3"][:found]  # fmt: skip
    assert service.asked == [("", limit), ("t1", max(limit - 1, 0)), ("t2", max(limit - 2, 0))][:found]  # fmt: skip


def test_one_that_never_comes_is_given_up():
    with pytest.raises(CliError):
        list(reach._follow(Broken(is_dead=True), wire.WhoCanRequest()))
