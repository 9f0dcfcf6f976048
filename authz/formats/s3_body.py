"""What the XML bodies of S3 requests say that policies ask about: keys to delete, tags, retention, location.

A body is text of a stranger: no document type, no entities, bounded in bytes, depth and elements, each element
at most once where one is meant, because parsers differ in which of two they take.

Source: Amazon S3 API reference, DeleteObjects, PutObjectTagging, PutObjectRetention, PutObjectLegalHold,
CreateBucket.
"""

from typing import Final, NoReturn
from xml.parsers import expat

from authz.errors import quote
from authz.formats.s3_address import parse_key
from authz.formats.s3_xml import S3RequestError

BODY_LIMIT: Final = 2 * 1024 * 1024
"""Longest body in bytes: 1,000 keys of 1,024 bytes with their markup."""
ENTRY_LIMIT: Final = 1_000
"""Most objects in one DeleteObjects (S3)."""
ELEMENT_LIMIT: Final = 16 * ENTRY_LIMIT
DEPTH_LIMIT: Final = 8


class Element:
    """An XML element: its name without prefix, its elements, its text."""

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
        return child.text


def malformed_xml(message: str) -> S3RequestError:
    """Make the error for a body that does not say what it should."""
    return S3RequestError("MalformedXML", f"the body is not the XML that was expected: {message}")


class _Reader:
    """Builds elements from expat's events, within the bounds."""

    def __init__(self) -> None:
        self.top = Element("")
        self._open = [self.top]
        self._count = 0

    def start(self, name: str, _attributes: object) -> None:
        self._count += 1
        if self._count > ELEMENT_LIMIT or len(self._open) > DEPTH_LIMIT:
            raise malformed_xml("too many elements")
        element = Element(name.rpartition(":")[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].text += text


def _forbid(*_: object) -> NoReturn:
    raise malformed_xml("document types and entities are not accepted")


def _check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in {"utf-8", "utf8"}:
        raise malformed_xml("it must be utf-8")


def parse_xml(body: bytes, root: str) -> Element:
    """Return the root element, which must be called `root`."""
    if len(body) > BODY_LIMIT:
        raise malformed_xml("it is too long")
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
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


def parse_delete(body: bytes) -> list[tuple[str, str]]:
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
        entries.append((parse_key(key), element.text_of("VersionId")))
    if not 1 <= len(entries) <= ENTRY_LIMIT:
        raise malformed_xml(f"1 to {ENTRY_LIMIT} objects are expected")
    return entries


def parse_tagging(body: bytes) -> list[tuple[str, str]]:
    """Read a PutObjectTagging body: the tags."""
    tags = parse_xml(body, "Tagging").find("TagSet")
    if tags is None:
        raise malformed_xml("it has no `TagSet`")
    return [(tag.text_of("Key"), tag.text_of("Value")) for tag in tags.children]


def parse_retention(body: bytes) -> dict[str, str]:
    """Read a PutObjectRetention body as the headers that say the same on a PUT."""
    root = parse_xml(body, "Retention")
    return _present(
        {
            "x-amz-object-lock-mode": root.text_of("Mode"),
            "x-amz-object-lock-retain-until-date": root.text_of("RetainUntilDate"),
        }
    )


def parse_legal_hold(body: bytes) -> dict[str, str]:
    """Read a PutObjectLegalHold body as the header that says the same on a PUT."""
    return _present(
        {"x-amz-object-lock-legal-hold": parse_xml(body, "LegalHold").text_of("Status")}
    )


def parse_location(body: bytes) -> str:
    """Read a CreateBucket body: the location constraint, empty for none."""
    return parse_xml(body, "CreateBucketConfiguration").text_of("LocationConstraint").strip()


def _present(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value}
