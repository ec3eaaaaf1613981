from __future__ import annotations

from contextlib import suppress
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.codecs import strict_xml
from functions.common.errors import MalformedPayload

# What XML 1.0 can carry; a carriage return comes back as a line feed.
SAYABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<xml><Content>&b;&b;&b;</Content></xml>"""


def test_texts_come_out_by_name() -> None:
    body = (
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><CreateTime>1348831860</CreateTime><Content>你&lt;好&gt;</Content></xml>"
    )
    assert strict_xml.flat(body.encode()) == {"ToUserName": "gh_1", "CreateTime": "1348831860", "Content": "你<好>"}


def test_space_within_a_text_is_kept_and_space_between_elements_is_not() -> None:
    assert strict_xml.flat(b"<xml>\n  <Content><![CDATA[ a \n b ]]></Content>\n  <Empty/>\n</xml>\n") == {
        "Content": " a \n b ",
        "Empty": "",
    }


def test_nested_names_are_joined_by_dots() -> None:
    body = b"<xml><ScanCodeInfo><ScanType>qrcode</ScanType><ScanResult>1</ScanResult></ScanCodeInfo></xml>"
    assert strict_xml.flat(body) == {"ScanCodeInfo.ScanType": "qrcode", "ScanCodeInfo.ScanResult": "1"}


def test_the_first_of_a_repeated_name_stands() -> None:
    assert strict_xml.flat(b"<xml><MsgId>1</MsgId><MsgId>2</MsgId></xml>") == {"MsgId": "1"}


def test_text_cut_by_comments_and_sections_is_one_text() -> None:
    assert strict_xml.flat(b"<xml><a>1<!-- 2 -->3<![CDATA[4]]>&#53;</a></xml>") == {"a": "1345"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(LAUGHS, id="entities of its own"),
        pytest.param(b"<!DOCTYPE xml><xml><a>1</a></xml>", id="an empty DOCTYPE"),
        pytest.param(b'<!DOCTYPE xml SYSTEM "http://example.org/x.dtd"><xml/>', id="an external DTD"),
        pytest.param(b'<!DOCTYPE xml [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><a>&f;</a></xml>', id="an external entity"),
        pytest.param(b"<xml><a>&nbsp;</a></xml>", id="an entity that is not declared"),
        pytest.param("<?xml version='1.0' encoding='gbk'?><xml/>".encode("gbk"), id="declared as GBK"),
        pytest.param("<xml><a>你好</a></xml>".encode("gbk"), id="written in GBK"),
        pytest.param("<xml><a>hi</a></xml>".encode("utf-16"), id="written in UTF-16"),
        pytest.param(b"<xml><a>\xed\xa0\x80</a></xml>", id="a surrogate"),
        pytest.param(b"<xml><a>\x00</a></xml>", id="a NUL"),
        pytest.param(b"<xml><a>&#0;</a></xml>", id="a NUL by number"),
        pytest.param(b"<xml><a></xml>", id="not closed"),
        pytest.param(b"<xml/><xml/>", id="two roots"),
        pytest.param(b"<xml/>garbage", id="something after the end"),
        pytest.param(b'{"a": 1}', id="JSON"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"<a>" * 9 + b"</a>" * 9, id="too deep"),
        pytest.param(b"<xml>" + b"<a/>" * strict_xml.MAX_ELEMENTS + b"</xml>", id="too many elements"),
        pytest.param(b"<xml><" + b"a" * 65 + b"/></xml>", id="too long a name"),
        pytest.param(b"<xml><a>" + b"x" * strict_xml.MAX_BYTES + b"</a></xml>", id="too large"),
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        strict_xml.flat(body)


def test_the_refusal_quotes_nothing_of_the_document() -> None:
    with pytest.raises(MalformedPayload) as refused:
        strict_xml.flat(b"<xml><a>secret</b></xml>")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "body", [b"\xef\xbb\xbf<xml><a>1</a></xml>", b'<?xml version="1.0" encoding="UTF-8"?><xml><a>1</a></xml>']
)
def test_a_byte_order_mark_and_a_declaration_of_utf8_are_fine(body: bytes) -> None:
    assert strict_xml.flat(body) == {"a": "1"}


def texts_elsewhere(body: bytes) -> set[str]:
    """The texts of a document as the standard library reads them."""
    return {element.text or "" for element in ElementTree.fromstring(body).iter()}


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_where_they_are_xml_and_raise_nothing_else(body: bytes) -> None:
    with suppress(MalformedPayload):
        assert set(strict_xml.flat(body).values()) <= texts_elsewhere(body)


@given(
    st.lists(
        st.sampled_from(
            ["<a>", "</a>", "<b/>", "<![CDATA[", "]]>", "&lt;", "&x;", "<!DOCTYPE a>", "<?p ?>", "<!--", "-->", "é"]
        )
    )
)
def test_markup_is_read_where_it_is_whole_and_raises_nothing_else(pieces: list[str]) -> None:
    body = f"<xml>{''.join(pieces)}</xml>".encode()
    with suppress(MalformedPayload):
        assert set(strict_xml.flat(body).values()) <= texts_elsewhere(body)


@given(SAYABLE, st.integers())
def test_what_is_written_reads_the_same_here_and_elsewhere(text: str, number: int) -> None:
    written = strict_xml.document({"Content": text, "CreateTime": number})
    assert strict_xml.flat(written.encode()) == {"Content": text, "CreateTime": str(number)}
    root = ElementTree.fromstring(written)
    assert (root.findtext("Content"), root.findtext("CreateTime")) == (text, str(number))


@pytest.mark.parametrize("text", ["]]>", "a]]>b", "]]]]>>", "]]><Evil>1</Evil><![CDATA[", "]]", "]"])
def test_text_cannot_break_out_of_its_section(text: str) -> None:
    assert strict_xml.flat(strict_xml.document({"Content": text}).encode()) == {"Content": text}


def test_what_xml_cannot_carry_is_replaced() -> None:
    written = strict_xml.document({"Content": "a\x00b\x0bc\ud800d\ufffe"})
    assert strict_xml.flat(written.encode()) == {"Content": "a\ufffdb\ufffdc\ufffdd\ufffd"}
