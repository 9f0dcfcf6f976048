"""The AWS query protocol: a form of parameters in, one XML document out.

A form is read strictly: what another reader could take for something else is refused, a name that stands twice
above all, and so is every parameter that the operation does not know. A misspelt `Policy` that is passed over
would be a session that may do everything its owner may.

Lists are spelt `Name.member.1`, `Name.member.2`, …; of structures, `Name.member.1.Member`.

Source: Smithy, "AWS query protocol"; AWS, "Query API requests" and "Common Errors". Not here: operations
(`sts.py`), signatures (`identity/`).
"""

import re
from collections.abc import Mapping
from typing import Final

from authz.errors import ParseError, quote
from authz.formats.xml_text import xml_text
from authz.identity.http import HttpRequest, percent_decode, split_query

PARAMETER_LIMIT: Final = 180
"""Most parameters of a request; the longest of STS, with 50 tags that all pass on and 10 policies, has 168."""

FORM: Final = "application/x-www-form-urlencoded"

Tree = Mapping[str, "str | Tree"]
"""Elements by name, in order; each holds text or elements."""

_FORM_TYPE: Final = re.compile(
    rf"{FORM}[ \t]*(?:;[ \t]*charset=(?:utf-8|\"utf-8\")[ \t]*)?", re.IGNORECASE
)
_PRESIGNING: Final = "X-Amz-"


class QueryError(ParseError):
    """A request that means nothing, or could mean two things; `code` is AWS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Parameters:
    """The parameters of one request; each is taken once, and in the end none may be left."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._left = dict(values)

    def take(self, name: str) -> str | None:
        """Return the value of a parameter, `None` when it was not sent."""
        return self._left.pop(name, None)

    def take_members(self, name: str, member: str) -> tuple[str, ...]:
        """Return `member` of each structure in a list, in order; an empty list is sent as `name` alone."""
        if self._left.get(name) == "":
            del self._left[name]
        values: list[str] = []
        while (value := self.take(f"{name}.member.{len(values) + 1}.{member}")) is not None:
            values.append(value)
        return tuple(values)

    def take_list(self, name: str) -> tuple[str, ...]:
        """Return the values of a list, in order; an empty list is sent as `name` alone."""
        if self._left.get(name) == "":
            del self._left[name]
        values: list[str] = []
        while (value := self.take(f"{name}.member.{len(values) + 1}")) is not None:
            values.append(value)
        return tuple(values)

    def has(self, name: str) -> bool:
        """Tell whether a parameter, or a list, of this name was sent and not taken."""
        return any(left == name or left.startswith(f"{name}.") for left in self._left)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name in self._left:
            raise QueryError(
                "ValidationError", f"the parameter {quote(name)} is not one of this action"
            )


def parse_request(request: HttpRequest) -> Parameters:
    """Read the parameters: of a presigned request they are its query, of any other its body, and never both.

    The body is at hand. Those that only sign a query are left out. Raises `QueryError`.
    """
    body, query = request.body or b"", request.query
    if body and query:
        raise QueryError(
            "MalformedInput", "parameters stand in the body or in the query, not in both"
        )
    if query:
        values = parse_form(query)
        return Parameters({n: v for n, v in values.items() if not n.startswith(_PRESIGNING)})
    if _FORM_TYPE.fullmatch(request.headers.get("content-type", "")) is None:
        raise QueryError("MalformedInput", f"the content type must be {FORM}")
    return Parameters(parse_form(body.decode("latin-1")))


def parse_form(text: str) -> dict[str, str]:
    """Read `name=value&…`, each percent-encoded; raises `QueryError` where two readers could differ."""
    if text.count("&") >= PARAMETER_LIMIT:
        raise QueryError("MalformedInput", f"there are more than {PARAMETER_LIMIT} parameters")
    values: dict[str, str] = {}
    for raw_name, raw_value in split_query(text):
        name = _decode(raw_name)
        if name in values:
            raise QueryError("MalformedInput", f"the parameter {quote(name)} is repeated")
        values[name] = _decode(raw_value)
    return values


def render_answer(namespace: str, action: str, result: Tree, request_id: str) -> bytes:
    """Render the answer of a successful request."""
    tree = {f"{action}Result": result, "ResponseMetadata": {"RequestId": request_id}}
    return _render(f"{action}Response", namespace, tree)


def render_error(
    namespace: str, code: str, message: str, *, is_ours: bool, request_id: str
) -> bytes:
    """Render a refusal; `is_ours` says that the client did nothing wrong."""
    kind = "Receiver" if is_ours else "Sender"
    tree: Tree = {
        "Error": {"Type": kind, "Code": code, "Message": message},
        "RequestId": request_id,
    }
    return _render("ErrorResponse", namespace, tree)


def _decode(text: str) -> str:
    try:
        return percent_decode(text.replace("+", " "))
    except ParseError as error:
        raise QueryError("MalformedInput", f"the form has {error.message}") from None


def _render(name: str, namespace: str, tree: Tree) -> bytes:
    return f'<{name} xmlns="{namespace}">{_elements(tree)}</{name}>\n'.encode()


def _elements(tree: Tree) -> str:
    return "".join(
        f"<{name}>{xml_text(value) if isinstance(value, str) else _elements(value)}</{name}>"
        for name, value in tree.items()
    )
