"""The command line against a real service: versions, boundaries, policies of resources, findings."""

import json

import pytest

from authz.cli.errors import ExitCode
from tests.cli.running import CAT, READ

PHOTOS = "arn:aws:s3:::photos"
RISKY = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
})  # fmt: skip


def a_bucket_policy(principal, action="s3:GetObject", resource=f"{PHOTOS}/*", effect="Allow"):
    statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def since(written):
    return "--at-least-revision", str(written["revision"])


def test_versions_are_stored_put_in_force_and_deleted(run):
    run.ok("user", "create", "vera")
    run.ok("policy", "create", "versioned", "-", stdin=READ)
    run.ok("policy", "attach", "versioned", "--user", "vera")
    denying = READ.replace("Allow", "Deny")
    stored = run.json("policy", "version", "create", "versioned", "-", stdin=denying)
    assert (stored["version"]["version"], stored["version"]["is_default"]) == (2, False)
    run.ok("check", "vera", "s3:GetObject", CAT, *since(stored))
    changed = run.json("policy", "version", "set-default", "versioned", "2")
    assert (changed["policy"]["version"], changed["policy"]["document"]) == (2, "")
    refused = run("check", "vera", "s3:GetObject", CAT, *since(changed))
    assert refused.exit_code == ExitCode.FAILURE
    versions = run.json("policy", "version", "list", "versioned")["versions"]
    assert [(v["version"], v["is_default"], v["document"]) for v in versions] == [
        (2, True, ""),
        (1, False, ""),
    ]
    assert run.ok("policy", "version", "get", "versioned", "1", "--document").rstrip("\n") == READ
    assert "Read" in run.ok("policy", "version", "get", "versioned", "1")
    assert run("policy", "version", "delete", "versioned", "2").exit_code == ExitCode.CONFLICT
    run.ok("policy", "version", "delete", "versioned", "1")
    missing = run("policy", "version", "get", "versioned", "1")
    assert missing.exit_code == ExitCode.NOT_FOUND
    third = run.json("policy", "version", "create", "versioned", "-", "--set-default", stdin=READ)
    assert (third["version"]["version"], third["version"]["is_default"]) == (3, True)
    run.ok("check", "vera", "s3:GetObject", CAT, *since(third))
    assert "VERSION" in run.ok("policy", "version", "list", "versioned")


def test_a_sixth_version_is_refused_and_says_what_to_do(run):
    run.ok("policy", "create", "full", "-", stdin=READ)
    for count in range(4):
        run.ok("policy", "version", "create", "full", "-", stdin=READ + "\n" * count)
    refused = run("policy", "version", "create", "full", "-", stdin=READ)
    assert refused.exit_code == ExitCode.CONFLICT
    assert run.json("policy", "update", "full", "-", stdin=READ + " ")["policy"]["version"] == 6
    assert len(run.json("policy", "version", "list", "full")["versions"]) == 5


def test_a_boundary_is_the_most_that_policies_can_grant(run):
    run.ok(
        "policy", "create", "only-list", "-", stdin=READ.replace("s3:GetObject", "s3:ListBucket")
    )
    run.ok("policy", "create", "bounded-read", "-", stdin=READ)
    made = run.json("user", "create", "bonnie", "--boundary", "only-list")["user"]
    boundary = "arn:aws:iam::000000000000:policy/only-list"
    assert made["permissions_boundary"] == boundary
    assert boundary in run.ok("user", "get", "bonnie")
    attached = run.json("policy", "attach", "bounded-read", "--user", "bonnie")
    bounded = run("check", "bonnie", "s3:GetObject", CAT, *since(attached))
    assert bounded.exit_code == ExitCode.FAILURE
    in_use = run("policy", "delete", "only-list", "--cascade")
    assert in_use.exit_code == ExitCode.CONFLICT
    assert "bonnie" in in_use.stderr
    cleared = run.json("user", "boundary", "clear", "bonnie")
    assert cleared["user"]["permissions_boundary"] == ""
    run.ok("check", "bonnie", "s3:GetObject", CAT, *since(cleared))
    put = run.json("user", "boundary", "set", "bonnie", "only-list")
    assert put["user"]["permissions_boundary"] == boundary
    bounded = run("check", "bonnie", "s3:GetObject", CAT, *since(put))
    assert bounded.exit_code == ExitCode.FAILURE
    missing = run("user", "boundary", "set", "bonnie", "nothing")
    assert missing.exit_code == ExitCode.NOT_FOUND


def test_a_bucket_policy_is_in_force_for_its_objects(run):
    run.ok("user", "create", "rita")
    names_rita = a_bucket_policy({"AWS": "arn:aws:iam::000000000000:user/rita"})
    put = run.json("resource-policy", "put", PHOTOS, "-", stdin=names_rita)
    assert (put["resource_policy"]["resource"], put["resource_policy"]["version"]) == (PHOTOS, 1)
    assert put["resource_policy"]["is_public"] is False
    run.ok("check", "rita", "s3:GetObject", CAT, *since(put))
    assert run.ok("resource-policy", "get", PHOTOS, "--document").rstrip("\n") == names_rita
    assert "user/rita" in run.ok("resource-policy", "get", PHOTOS)
    public = run.json("resource-policy", "put", PHOTOS, "-", stdin=a_bucket_policy("*"))
    assert public["resource_policy"]["is_public"] is True
    assert {one["severity"] for one in public["findings"]} & {"security", "warning"}
    other = "arn:aws:orders:::order/7"
    run.ok("resource-policy", "put", other, "-", stdin=a_bucket_policy("*", "orders:Get", other))
    listed = run.json("resource-policy", "list")["resource_policies"]
    assert [(one["resource"], one["document"]) for one in listed] == [(other, ""), (PHOTOS, "")]
    assert PHOTOS in run.ok("resource-policy", "list")
    gone = run.json("resource-policy", "delete", PHOTOS)
    refused = run("check", "rita", "s3:GetObject", CAT, *since(gone))
    assert refused.exit_code == ExitCode.FAILURE
    assert run("resource-policy", "get", PHOTOS).exit_code == ExitCode.NOT_FOUND


@pytest.mark.parametrize(
    ("resource", "document"),
    [
        (f"{PHOTOS}/", a_bucket_policy("*")),
        (f"{PHOTOS}/cat.jpg", a_bucket_policy("*")),
        ("arn:aws:s3:us-east-1:000000000000:photos", a_bucket_policy("*")),
        ("photos", a_bucket_policy("*")),
        ("arn:aws:iam::000000000000:user/rita", a_bucket_policy("*")),
        (PHOTOS, a_bucket_policy("*", resource="arn:aws:s3:::photos2/*")),
        (PHOTOS, READ),
    ],
)
def test_what_is_no_policy_of_a_resource_is_refused(run, resource, document):
    refused = run("resource-policy", "put", resource, "-", stdin=document)
    assert refused.exit_code == ExitCode.USAGE


def test_findings_are_told_after_the_write_and_stop_nothing(run):
    made = run("policy", "create", "risky", "-", stdin=RISKY)
    assert made.exit_code == ExitCode.OK
    assert "risky" in made.stdout
    assert "AZ104" not in made.stdout
    assert made.stderr.splitlines()[0] == (
        "authz: security AZ104 at Statement[0].Action: every action of every service is allowed, those that grant "
        "more included; list the services or actions that are needed"
    )
    for command in (
        ["policy", "update", "risky", "-"],
        ["policy", "version", "create", "risky", "-"],
    ):
        assert "AZ104" in run(*command, stdin=RISKY + " ").stderr
        assert run.json(*command, stdin=RISKY + "  ")["findings"][0]["id"] == "AZ104"
    quiet = run("policy", "create", "quiet", "-", stdin=READ)
    assert quiet.stderr == ""
    assert run.json("policy", "describe", "risky", "all of it")["findings"] == []
