"""What the XML bodies of S3 requests say that policies ask about: keys to delete, tags, retention, location.

A body is text of a stranger: no document type, no entities, UTF-8 only, bounded in bytes, depth and elements,
and read in one pass. Parsers differ in which of two elements they take, in what they make of prefixes, and in
white space around a text; so each element stands at most once where one is meant, by its plain name, and texts
are bare. A body that is not at hand is never taken for an empty one.

Source: Amazon S3 API reference, DeleteObjects, PutObjectTagging, PutObjectRetention, PutObjectLegalHold,
CreateBucket.
"""

from hashlib import sha256
from typing import Final, NoReturn
from xml.parsers import expat

from authz.errors import quote
from authz.formats.s3_address import S3Config, parse_key
from authz.formats.s3_xml import S3RequestError
from authz.identity.http import HttpRequest
from authz.identity.proof_parts import PAYLOAD_MARKERS, UNSIGNED_PAYLOAD
from authz.identity.sigv4 import Proof

BODY_LIMIT: Final = 2 * 1024 * 1024
"""Longest body in bytes: 1,000 keys of 1,024 bytes with their markup."""
ENTRY_LIMIT: Final = 1_000
"""Most objects in one DeleteObjects (S3)."""
ELEMENT_LIMIT: Final = 16 * ENTRY_LIMIT
DEPTH_LIMIT: Final = 8


def body_at_hand(request: HttpRequest, proof: Proof | None) -> bytes | None:
    """Return the body if it is at hand as the store will read it, checked against its hash; else `None`."""
    body = request.body
    if body is None:
        return None
    if proof is None:
        # Nobody without a name is allowed anything, so nobody without a name makes us read documents.
        raise S3RequestError("AccessDenied", "the request needs a signature and has none")
    stated = request.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD).strip()
    if stated in PAYLOAD_MARKERS:
        # A streamed body comes in chunks with signatures between them.
        return body if stated == UNSIGNED_PAYLOAD else None
    if sha256(body).hexdigest() != stated:
        raise S3RequestError(
            "XAmzContentSHA256Mismatch", "the body is not the one whose hash is stated"
        )
    return body


def may_have_body(request: HttpRequest) -> bool:
    """Return whether the head of the request announces a body, or there is one."""
    headers = request.headers
    is_none = headers.get("content-length", "0").strip() == "0"
    return bool(request.body) or not is_none or "transfer-encoding" in headers


def unseen_body(operation: str) -> S3RequestError:
    """Make the error for a request whose body would say what it does, and is not at hand."""
    return S3RequestError(
        "InvalidRequest",
        f"the body of {operation} is not at hand: the proxy must send it along, unchunked",
    )


class Element:
    """An XML element: its name, and its elements or its text."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.children: list[Element] = []
        self.text = ""

    def find(self, name: str) -> "Element | None":
        """Return the only child of this name, or `None`."""
        found = [child for child in self.children if child.name == name]
        if len(found) > 1:
            raise malformed_xml(f"{quote(name)} stands twice")
        return found[0] if found else None

    def text_of(self, name: str) -> str:
        """Return the text of the only child of this name, empty without one."""
        child = self.find(name)
        if child is None:
            return ""
        if child.children:
            raise malformed_xml(f"{quote(name)} holds elements")
        if child.text != child.text.strip():
            raise malformed_xml(f"{quote(name)} begins or ends with white space")
        return child.text

    def expect_only(self, *names: str) -> None:
        """Refuse elements of other names: what we skip, some store might take."""
        for child in self.children:
            if child.name not in names:
                raise malformed_xml(f"unknown element {quote(child.name)}")


def malformed_xml(message: str) -> S3RequestError:
    """Make the error for a body that does not say what it should."""
    return S3RequestError("MalformedXML", f"the body is not the XML that was expected: {message}")


class _Reader:
    """Builds elements from expat's events, within the bounds, in time linear in the body."""

    def __init__(self) -> None:
        self.top = Element("")
        # An element that is open, and the pieces of its text so far.
        self._open: list[tuple[Element, list[str]]] = [(self.top, [])]
        self._count = 0

    def start(self, name: str, attributes: list[str]) -> None:
        self._count += 1
        depth = len(self._open)
        if self._count > ELEMENT_LIMIT or depth > DEPTH_LIMIT:
            raise malformed_xml("too many elements")
        if ":" in name or (attributes and depth > 1):
            raise malformed_xml(f"{quote(name)} has a prefix or attributes")
        element = Element(name)
        self._open[-1][0].children.append(element)
        self._open.append((element, []))

    def end(self, _name: str) -> None:
        element, pieces = self._open.pop()
        text = "".join(pieces)
        if not element.children:
            element.text = text
        elif not text.isspace() and text:
            raise malformed_xml("text between elements")

    def data(self, text: str) -> None:
        self._open[-1][1].append(text)


def _forbid(*_: object) -> NoReturn:
    raise malformed_xml("document types and entities are not accepted")


def _check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in {"utf-8", "utf8"}:
        raise malformed_xml("it must be utf-8")


def parse_xml(body: bytes, root: str) -> Element:
    """Return the root element, which must be called `root`."""
    if len(body) > BODY_LIMIT:
        raise malformed_xml("it is too long")
    if b"\0" in body:
        # In UTF-16, with a mark at its beginning or without, every other byte of markup is a zero.
        raise malformed_xml("it must be utf-8")
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = _forbid
    parser.EntityDeclHandler = _forbid
    parser.XmlDeclHandler = _check_declaration
    try:
        parser.Parse(body, True)
    except expat.ExpatError:
        raise malformed_xml("it does not parse") from None
    element = reader.top.children[0]
    if element.name != root:
        raise malformed_xml(f"the root is not `{root}`")
    return element


def parse_delete(body: bytes, config: S3Config) -> list[tuple[str, str]]:
    """Read a DeleteObjects body: keys and versions (empty for none), each as the store will see it."""
    entries: list[tuple[str, str]] = []
    for element in parse_xml(body, "Delete").children:
        if element.name == "Quiet":
            continue
        if element.name != "Object":
            raise malformed_xml(f"unknown element {quote(element.name)}")
        key = element.text_of("Key")
        if not key:
            raise malformed_xml("an object without a key")
        entries.append((parse_key(key, config), element.text_of("VersionId")))
    if not 1 <= len(entries) <= ENTRY_LIMIT:
        raise malformed_xml(f"1 to {ENTRY_LIMIT} objects are expected")
    return entries


def parse_tagging(body: bytes) -> list[tuple[str, str]]:
    """Read a PutObjectTagging body: the tags."""
    root = parse_xml(body, "Tagging")
    root.expect_only("TagSet")
    tags = root.find("TagSet")
    if tags is None:
        raise malformed_xml("it has no `TagSet`")
    tags.expect_only("Tag")
    for tag in tags.children:
        tag.expect_only("Key", "Value")
        if len(tag.children) != 2:
            raise malformed_xml("a tag has one key and one value")
    return [(tag.text_of("Key"), tag.text_of("Value")) for tag in tags.children]


def parse_retention(body: bytes) -> dict[str, str]:
    """Read a PutObjectRetention body as the headers that say the same on a PUT."""
    root = parse_xml(body, "Retention")
    root.expect_only("Mode", "RetainUntilDate")
    return _present(
        {
            "x-amz-object-lock-mode": root.text_of("Mode"),
            "x-amz-object-lock-retain-until-date": root.text_of("RetainUntilDate"),
        }
    )


def parse_legal_hold(body: bytes) -> dict[str, str]:
    """Read a PutObjectLegalHold body as the header that says the same on a PUT."""
    root = parse_xml(body, "LegalHold")
    root.expect_only("Status")
    return _present({"x-amz-object-lock-legal-hold": root.text_of("Status")})


def parse_location(body: bytes) -> str:
    """Read a CreateBucket body: the location constraint, empty for none."""
    return parse_xml(body, "CreateBucketConfiguration").text_of("LocationConstraint")


def _present(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value}
