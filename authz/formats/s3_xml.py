"""S3's answers: errors by code, with their HTTP status, and the few other documents that are given here.

A code that is not in the table is a refusal like any other (403): an unknown problem never looks like success,
and clients do not retry it. What stands in the document is what the client sent or may know; which policy
refused it does not.

Source: Amazon S3 API reference, "Error Responses" (REST error responses, list of error codes), "PolicyStatus".
"""

from typing import Final

from authz.errors import ParseError
from authz.formats.xml_text import xml_text

STATUS: Final = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "EntityTooLarge": 400,
    "ExpiredToken": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidDigest": 400,
    "InvalidRequest": 400,
    "InvalidTag": 400,
    "InvalidToken": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedPolicy": 400,
    "MalformedXML": 400,
    "MethodNotAllowed": 405,
    "MissingSecurityHeader": 400,
    "NoSuchBucketPolicy": 404,
    "NotImplemented": 501,
    "OperationAborted": 409,
    "RequestHeaderSectionTooLarge": 400,
    "RequestTimeTooSkewed": 403,
    "RequestTimeout": 400,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "XAmzContentSHA256Mismatch": 400,
}
OTHER_STATUS: Final = 403

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"


class S3RequestError(ParseError):
    """A request that means nothing, or could mean two things; `code` is S3's, `status` its HTTP status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status_of(code)


def status_of(code: str) -> int:
    """Return the HTTP status that goes with an error code."""
    return STATUS.get(code, OTHER_STATUS)


def render_error(code: str, message: str, resource: str, request_id: str) -> bytes:
    """Render the error document; `resource` is the path as the client sent it."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{xml_text(code)}</Code><Message>{xml_text(message)}</Message>"
        f"<Resource>{xml_text(resource)}</Resource><RequestId>{xml_text(request_id)}</RequestId></Error>"
    ).encode()


def render_policy_status(*, is_public: bool) -> bytes:
    """Render the answer of GetBucketPolicyStatus.

    In lower case, which every SDK reads: botocore takes `TRUE`, as S3's documentation writes it, for false.
    """
    value = "true" if is_public else "false"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<PolicyStatus xmlns="{NAMESPACE}"><IsPublic>{value}</IsPublic></PolicyStatus>'
    ).encode()
