"""Text inside of XML documents: escaped, and without what no document can hold.

For the answers that clients of AWS's older protocols parse (`s3_xml.py`, `aws_query.py`). What a client sent
comes back in their messages, so nothing it can write may begin an element or make the document unreadable.

Source: XML 1.0, sections 2.2 (Char), 2.4 and 2.11. Not here: the documents.
"""

import re
from typing import Final
from xml.sax.saxutils import escape

# What XML 1.0 cannot hold even escaped (section 2.2, Char).
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """Return `text` as it stands between two tags; what XML cannot hold becomes U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})
