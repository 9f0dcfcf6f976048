"""`authz explain` and `authz simulate` against a real service: what people read at a glance, and what scripts get."""

import json
import re

import pytest
from click.testing import CliRunner

from authz.cli.errors import ExitCode
from authz.cli.explanations import LINE_LIMIT, print_explanation
from authz.cli.main import cli
from authz.cli.output import to_plain
from authz.wire.authz.v1 import authorization_pb2 as wire
from authz.wire.authz.v1 import decision_pb2
from tests.cli.running import Run
from tests.servers.authz_server import start_authz
from tests.servers.processes import PATIENCE, wait_for

CAT = "arn:aws:s3:::photos/cat.jpg"
READERS = "arn:aws:iam::000000000000:policy/readers"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def a_statement(sid, effect, action, resource="*", **elements):
    return {"Sid": sid, "Effect": effect, "Action": action, "Resource": resource, **elements}


POLICY = document(
    a_statement("Read", "Allow", "s3:GetObject", "arn:aws:s3:::photos/*"),
    a_statement(
        "Own",
        "Allow",
        "s3:PutObject",
        "arn:aws:s3:::photos/${aws:username}/*",
        Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    ),
    a_statement("Never", "Deny", "s3:Delete*"),
)
EVERYTHING = document(a_statement("All", "Allow", "s3:*"))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "decisions.jsonl"


@pytest.fixture(scope="module")
def server(tmp_path_factory, log):
    """A service whose decisions are logged, with alice, who may read photos."""
    folder = tmp_path_factory.mktemp("service")
    with start_authz(folder, env={"AUTHZ_DECISION_LOG": str(log)}) as running:
        run = Run(running, folder)
        run.ok("user", "create", "alice")
        run.ok("policy", "create", "readers", run.file("readers.json", POLICY))
        run.ok("policy", "attach", "readers", "--user", "alice")
        yield running


def answer(run, *arguments, exit_code=0):
    result = run(*arguments)
    assert result.exit_code == exit_code, result.output
    return re.sub(r"revision \d+", "revision N", result.stdout)


# --- explain ------------------------------------------------------------------------------------------------


def test_an_explanation_is_read_at_a_glance(run):
    assert (
        answer(run, "explain", "alice", "s3:PutObject", CAT)
        == f"""\
implicitly denied: no statement allows it (revision N)
arn:aws:iam::000000000000:user/alice asks for s3:PutObject on {CAT}

identity policies
  {READERS} v1
    - Statement[0] (Read) does not allow: another action
    ~ Statement[1] (Own) would allow but for Resource, Condition.IpAddress.aws:SourceIp
        Action                            yes: `s3:PutObject` matches `s3:PutObject`
        Resource                          no: `{CAT}` matches none of `arn:aws:s3:::photos/${{aws:username}}/*`; \
`aws:username` is `alice` from the identity
        Condition.IpAddress.aws:SourceIp  no: `aws:SourceIp` is missing, IpAddress lists `192.0.2.0/24`
    - Statement[2] (Never) does not deny: another action

nearest miss: Statement[1] (Own) of {READERS} v1
  it would allow but for Resource, Condition.IpAddress.aws:SourceIp

to allow it
  statement 1 (`Own`) of `{READERS}` must allow `s3:PutObject` on `{CAT}`, which it misses by Resource, \
Condition.IpAddress.aws:SourceIp
"""
    )


def test_what_allows_and_what_denies_is_marked_and_comes_first(run):
    allowed = answer(run, "explain", "alice", "s3:GetObject", CAT).splitlines()
    assert allowed[0] == f"allowed: by Statement[0] (Read) of {READERS} v1 (revision N)"
    assert "    + Statement[0] (Read) allows" in allowed
    denied = answer(run, "explain", "alice", "s3:DeleteObject", CAT).splitlines()
    assert denied[0] == f"explicitly denied: by Statement[2] (Never) of {READERS} v1 (revision N)"
    assert "    ! Statement[2] (Never) denies" in denied
    assert denied[-3:] == [
        "to allow it, all of",
        f"  statement 2 (`Never`) of `{READERS}` must not deny it",
        f"  a policy of the principal must allow `s3:DeleteObject` on `{CAT}`",
    ]


def test_all_shows_every_element_and_every_value_with_its_source(run):
    text = answer(
        run, "explain", "alice", "s3:GetObject", CAT, "--all", "--context", "k:a=v", "--context", "k:a=w"
    )  # fmt: skip
    assert "  aws:username = alice (from the identity)\n" in text
    assert "  k:a = v, w (from the request)\n" in text
    assert "        Action    no: `s3:GetObject` matches none of `s3:Delete*`\n" in text
    assert "k:a" not in answer(run, "explain", "alice", "s3:GetObject", CAT, "--context", "k:a=v")


def test_anonymous_callers_can_be_asked_about(run):
    text = answer(run, "explain", "--anonymous", "s3:GetObject", CAT)
    assert f"an anonymous caller asks for s3:GetObject on {CAT}" in text
    assert f"a policy of the resource must allow `s3:GetObject` on `{CAT}` to everyone" in text
    assert run("check", "--anonymous", "s3:GetObject", CAT).exit_code == ExitCode.FAILURE


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain"],
        ["explain", "alice", "s3:GetObject"],
        ["explain", "--anonymous", "alice", "s3:GetObject", CAT],
        ["check", "--anonymous", "--as-access-key", "s3:GetObject", CAT],
        ["explain", "--decision", "D1", "alice"],
        ["explain", "--decision", "D1", "--anonymous"],
        ["explain", "--decision", "D1", "--context", "k:a=v"],
        ["explain", "alice", "s3:GetObject", CAT, "--log", "readers.json"],
        ["simulate"],
        ["simulate", "alice", "s3:GetObject", CAT, "--principal-context", "nonsense"],
    ],
)
def test_half_a_question_is_wrong_usage(run, arguments, monkeypatch):
    run.file("readers.json", POLICY)
    monkeypatch.chdir(run.folder)
    assert run(*arguments).exit_code == ExitCode.USAGE


# --- decisions ----------------------------------------------------------------------------------------------


@pytest.fixture
def refused(run):
    """The id of a denial."""
    result = run(
        "check", "alice", "s3:PutObject", CAT, "--context", "aws:SourceIp=192.0.2.7", "--json"
    )
    assert result.exit_code == ExitCode.FAILURE
    return json.loads(result.stdout)["decision"]["decision_id"]


def test_a_decision_is_explained_by_its_id(run, refused):
    lines = answer(run, "explain", "--decision", refused, "--all").splitlines()
    assert lines[:2] == [
        "implicitly denied: no statement allows it (revision N)",
        "now implicitly denied: no statement allows it (revision N)",
    ]
    assert "  aws:sourceip = 192.0.2.7 (from the request)" in lines


def test_a_decision_that_changed_since_says_so(run):
    run.ok("user", "create", "newcomer")
    made = json.loads(run("check", "newcomer", "s3:GetObject", CAT, "--json").stdout)["decision"]
    run.ok("policy", "attach", "readers", "--user", "newcomer")
    revision = run.json("user", "tag", "newcomer")["revision"]
    asked = ["explain", "--decision", made["decision_id"], "--at-least-revision", str(revision)]
    assert answer(run, *asked).splitlines()[1] == (
        f"now allowed: by Statement[0] (Read) of {READERS} v1 (revision N); that has changed"
    )
    plain = run.json(*asked)
    assert plain["decision"]["decision_id"] == made["decision_id"]
    assert plain["decision_now"]["verdict"] == "allowed"
    revision = run.json("user", "delete", "newcomer", "--cascade")["revision"]
    run.ok("user", "create", "newcomer")
    text = answer(run, *asked[:3], "--at-least-revision", str(revision))
    assert "now implicitly denied: there is no such principal (revision N)" in text
    assert "who asked then is gone" in text


def test_a_decision_that_is_not_kept_says_where_it_may_be(run):
    result = run("explain", "--decision", "0123456789AB0000000001")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "only the one that decided knows it" in result.stderr
    assert "--log FILE" in result.stderr


def test_a_decision_is_found_in_the_log_and_asked_again(run, refused, log):
    wait_for(lambda: log.exists() and refused in log.read_text(), PATIENCE, "the record")
    result = run("explain", "--decision", refused, "--log", str(log))
    assert result.exit_code == 0
    assert "then: implicitly_denied, no_match, revision" in result.stderr
    assert "without the condition values of then" in result.stderr
    assert f"user/alice asks for s3:PutObject on {CAT}" in result.stdout
    assert "`aws:SourceIp` is missing" in result.stdout


@pytest.mark.parametrize(
    ("record", "exit_code", "said"),
    [
        ({"decision_id": "D2", "action": "s3:GetObject"}, ExitCode.NOT_FOUND, "no decision D1"),
        ({"decision_id": "D1", "code": "SignatureDoesNotMatch"}, ExitCode.FAILURE, "SignatureDoesNotMatch"),
        ({"decision_id": "D1", "action": "s3:GetObject", "resource": CAT}, 0, "an anonymous caller asks"),
        ({"decision_id": "D1", "action": "s3:GetObject", "resource": CAT, "principal": "UNKNOWNKEY"}, 0,
         "there is no such principal"),
    ],
)  # fmt: skip
def test_a_log_is_read_for_what_it_says(run, record, exit_code, said):
    lines = ["D1 is no JSON", '"D1"', "D1" * LINE_LIMIT, json.dumps(record)]
    path = run.file("d.jsonl", "\n".join(lines))
    result = run("explain", "--decision", "D1", "--log", path)
    assert (result.exit_code, said in result.output) == (exit_code, True), result.output


# --- simulate -----------------------------------------------------------------------------------------------


def test_a_policy_is_tried_before_it_is_attached(run):
    path = run.file("all.json", EVERYTHING)
    assert run("check", "alice", "s3:PutObject", CAT).exit_code == ExitCode.FAILURE
    text = answer(run, "simulate", "alice", "s3:PutObject", CAT, "--policy", path)
    assert text.startswith(f"allowed: by Statement[0] (All) of {path} v1 (revision N)\n")
    assert f"  {path} v1\n    + Statement[0] (All) allows\n" in text
    plain = json.loads(run("simulate", "alice", "s3:PutObject", CAT, "--json").stdout)
    assert plain["decision"]["decision_id"] == ""
    assert plain["decision"]["verdict"] == "implicitly_denied"


@pytest.mark.parametrize(
    ("options", "is_allowed"),
    [
        (["--policy", "all"], True),
        (["--policy", "all", "--boundary", "read"], False),
        (["--policy", "all", "--session", "read"], False),
        (["--policy", "all", "--session", "read", "--session", "all"], True),
        (["--policy", "all", "--service-account", "read"], False),
        (["--resource-policy", "public"], True),
        (["--policy", "team"], False),
        (["--policy", "team", "--principal-context", "aws:PrincipalTag/team=blue"], True),
    ],
)
def test_every_layer_can_be_assumed(run, options, is_allowed):
    condition = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    documents = {
        "all": EVERYTHING,
        "read": document(a_statement("R", "Allow", "s3:Get*")),
        "public": document(a_statement("P", "Allow", "s3:*", "arn:aws:s3:::photos/*", Principal="*")),
        "team": document(a_statement("T", "Allow", "s3:*", Condition=condition)),
    }  # fmt: skip
    paths = {name: run.file(f"{name}.json", text) for name, text in documents.items()}
    files = [paths.get(word, word) for word in options]
    result = run("simulate", "alice", "s3:PutObject", CAT, *files)
    assert result.exit_code == (0 if is_allowed else ExitCode.FAILURE), result.output


def test_nobody_of_that_name_need_exist_without_policies_of_its_own(run):
    path = run.file("all.json", EVERYTHING)
    asked = ["simulate", "ghost", "s3:GetObject", CAT, "--policy", path]
    assert run(*asked).exit_code == ExitCode.FAILURE
    assert run(*asked, "--without-own").exit_code == 0
    assert run("simulate", "alice", "s3:GetObject", CAT, "--without-own").exit_code == 1


def test_a_document_that_is_refused_is_called_by_its_file(run):
    path = run.file("broken.json", document(a_statement("B", "Maybe", "s3:*")))
    result = run("simulate", "alice", "s3:GetObject", CAT, "--policy", path)
    assert result.exit_code == ExitCode.USAGE
    assert f"{path}: " in result.stderr
    assert "Statement[0].Effect" in result.stderr
    (run.folder / "latin").write_bytes(b"\xff")
    result = run("simulate", "alice", "s3:GetObject", CAT, "--policy", str(run.folder / "latin"))
    assert (result.exit_code, "is not UTF-8" in result.stderr) == (ExitCode.USAGE, True)


# --- terminals ----------------------------------------------------------------------------------------------


def test_colour_is_for_terminals_that_want_it(run):
    def coloured(**environment):
        variables = {
            "AUTHZ_ADDRESS": f"127.0.0.1:{run.server.grpc_port}",
            "AUTHZ_ACCESS_KEY": run.server.credential[0],
            "AUTHZ_SECRET_KEY": run.server.credential[1],
            **environment,
        }
        arguments = ["explain", "alice", "s3:GetObject", CAT]
        result = CliRunner().invoke(cli, arguments, env=variables, color=True)
        assert result.exit_code == 0, result.output
        return "\x1b[32m" in result.stdout

    assert coloured()
    assert not coloured(NO_COLOR="1")
    assert "\x1b" not in answer(run, "explain", "alice", "s3:GetObject", CAT)


def test_what_others_wrote_gives_a_terminal_no_orders(capsys):
    hostile = "\x1b]0;owned\x07\nallowed"
    message = wire.ExplainResponse(changes=[hostile])
    message.decision.verdict = decision_pb2.VERDICT_IMPLICITLY_DENIED
    message.decision.statement.sid = hostile
    message.request.principal.arn = hostile
    message.request.facts.add(key=hostile, values=[hostile])
    policy = message.policies.add(policy_arn=hostile, problem=hostile)
    statement = policy.statements.add(matched=True)
    statement.statement.sid = hostile
    statement.elements.add(element=hostile, detail=hostile)
    message.nearest_miss.CopyFrom(statement)
    print_explanation(to_plain(message), with_all=True, names={"x": hostile})
    shown = capsys.readouterr().out
    assert "\x07" not in shown
    assert "\x1b]" not in shown
    assert not any(line.startswith("allowed") for line in shown.splitlines())
