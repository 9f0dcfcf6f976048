"""Every error has its row, and nobody else's text leaves the service."""

import pytest
from google.rpc import code_pb2

from authz import errors
from authz.errors import AuthzError, UnauthenticatedError
from authz.formats.s3_xml import S3RequestError
from authz.identity.sealing import UnsealError
from authz.serving.errors import INTERNAL, RENDERINGS, public_message, render

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AuthzError) and kind is not AuthzError
]


def make(kind: type[AuthzError]) -> AuthzError:
    return kind("Code", "said") if kind is UnauthenticatedError else kind("said")


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_row_of_its_own(kind):
    assert kind in RENDERINGS
    rendering = render(make(kind))
    assert rendering != INTERNAL
    assert rendering.grpc in code_pb2.Code.values()
    assert 400 <= rendering.http < 600


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_words_are_public(kind):
    assert public_message(make(kind)) == "said"


def test_a_child_without_a_row_is_rendered_as_its_parent():
    assert render(S3RequestError("InvalidURI", "said")) == RENDERINGS[errors.ParseError]
    assert render(UnsealError()) == RENDERINGS[errors.UnavailableError]


@pytest.mark.parametrize(
    "error", [ValueError("password=hunter2"), KeyError("k"), OSError(2, "/etc/x")]
)
def test_somebody_elses_words_are_not(error):
    assert render(error) == INTERNAL
    assert public_message(error) == "internal error"


def test_an_error_without_a_kind_is_a_fault_of_ours():
    assert render(AuthzError("said")) == INTERNAL
