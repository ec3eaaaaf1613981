"""MIME as people and attackers send it."""

from __future__ import annotations

from email.message import EmailMessage
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.channels.codecs import mail
from functions.common.errors import MalformedPayload
from functions.common.message import Attachment

HEAD = b"From: Ann <ann@mail.example>\r\nMessage-ID: <1@mail.example>\r\n"


def read(head: str = "", body: str = "hi", sender: str = "Ann <ann@mail.example>") -> mail.Mail:
    return mail.parse(f"From: {sender}\r\n{head}\r\n{body}".encode())


def test_plain_text_is_preferred_to_markup_and_attachments_are_listed():
    built = EmailMessage()
    built["From"], built["Subject"] = "ann@mail.example", "坏了"
    built.set_content("看图\n")
    built.add_alternative("<p>看<b>图</b></p>", subtype="html")
    built.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="图 片.png", cid="<c1@x>")
    built.add_attachment("合同", filename="a.txt")
    found = mail.parse(bytes(built))
    assert (found.subject, found.text) == ("坏了", "看图")
    assert found.attachments[0] == Attachment(
        kind="image", media_id="<c1@x>", mime="image/png", size=4, filename="图 片.png", sha256=sha256(b"\x89PNG").hexdigest()
    )
    assert [(a.kind, a.filename) for a in found.attachments] == [("image", "图 片.png"), ("file", "a.txt")]


def test_markup_alone_is_read_as_words():
    head, script = "<head><title>t</title><style>p{}</style></head>", "<script>x()</script>"
    html = f"<html>{head}<body><p>你好&nbsp;&amp; 请问</p>{script}<div>发货了吗</div></body>"
    assert read("Content-Type: text/html; charset=utf-8\r\n", html).text == "你好 & 请问\n发货了吗"


@pytest.mark.parametrize("charset", ["gb2312", "gbk", "gb18030", "big5", "utf-8"])
def test_chinese_character_sets_are_read(charset):
    raw = HEAD + f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + "你好".encode(charset)
    assert mail.parse(raw).text == "你好"


@pytest.mark.parametrize("charset", ["nonsense", "utf-7\x00", "idna", "hex", "unicode_escape"])
def test_a_character_set_that_is_none_does_no_harm(charset):
    raw = HEAD + f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + b"hi \xff\xfe"
    assert (mail.parse(raw).text or "").startswith("hi")


def test_an_encoded_name_cannot_pose_as_an_address():
    found = read(sender="=?utf-8?q?boss=40shop.example_=3Cboss=40shop.example=3E?= <ann@mail.example>")
    assert (found.sender, found.name) == ("ann@mail.example", "boss@shop.example <boss@shop.example>")


@pytest.mark.parametrize(
    "raw", [b"", b"hi", b"From: \r\n\r\nhi", b"From: ann\r\n\r\nhi", b"From: a@b.example\r\nFrom: c@d.example\r\n\r\nhi"]
)
def test_a_mail_without_one_sender_is_malformed(raw):
    with pytest.raises(MalformedPayload):
        mail.parse(raw)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("好的\n\n> 旧\n> 旧", "好的"),
        ("好的\n2026年11月22日 商店 写道：\n> 旧", "好的"),
        ("> 只有引用", "> 只有引用"),
        ("> 引用在前\n我的回答", "> 引用在前\n我的回答"),
        ("a\n\n\n\n\nb", "a\n\nb"),
    ],
)
def test_the_quoted_end_is_not_the_senders_word(body, text):
    assert read("Content-Type: text/plain; charset=utf-8\r\n", body).text == text


def test_a_report_of_a_mail_server_is_a_bounce():
    found = read('Content-Type: multipart/report; boundary="b"\r\n', "--b\r\n\r\nundeliverable\r\n--b--\r\n")
    assert (found.is_bounce, found.by_machine) == (True, True)


def test_a_forwarded_mail_hangs_on_and_is_not_opened():
    inner = (
        "--b\r\n\r\nsee below\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\ninner words\r\n--b--\r\n"
    )
    found = read('Content-Type: multipart/mixed; boundary="b"\r\n', inner)
    assert found.text == "see below"
    assert [a.mime for a in found.attachments] == ["message/rfc822"]


def test_many_and_deep_parts_end_somewhere():
    wide = "".join("--b\r\nContent-Type: image/png\r\n\r\nx\r\n" for _ in range(300)) + "--b--\r\n"
    assert len(read('Content-Type: multipart/mixed; boundary="b"\r\n', wide).attachments) == 50
    deep = "".join(f'--b{n}\r\nContent-Type: multipart/mixed; boundary="b{n + 1}"\r\n\r\n' for n in range(300))
    for head, body in (('boundary="b0"', deep), ('boundary="b"', "--b\r\n\r\n" * 3000)):
        with pytest.raises(MalformedPayload):
            read(f"Content-Type: multipart/mixed; {head}\r\n", body)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ('Content-Type: text/plain; x="' + ";" * 180_000, "hi"),
        ("Content-Type: text/html", "<p " * 60_000),
        ("Content-Type: text/html", "<!--" * 45_000),
        ("Content-Type: text/html", "</a" * 60_000),
        ("Content-Type: text/plain", ">\n" * 90_000 + "x"),
    ],
)
def test_what_takes_the_standard_library_minutes_is_read_in_one_pass(head, body):
    assert len(read(f"{head}\r\n", body).text or "") <= 40_000


def test_a_smaller_than_sign_is_no_tag():
    assert read("Content-Type: text/html\r\n", "<p>a < b &lt;c&gt;<br/>x</p><!-- y -->z").text == "a < b <c>\nx\nz"


def test_long_texts_are_cut():
    found = read(f"Subject: {'s' * 3000}\r\n", "x" * 100_000)
    assert (len(found.subject or ""), len(found.text or "")) == (500, 40_000)


header_names = st.sampled_from(["Subject", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "References", "Return-Path",
                                "In-Reply-To", "Content-Language", "Precedence", "Content-ID", "Message-ID"])  # fmt: skip
header_values = st.text(max_size=40) | st.sampled_from(
    ["multipart/mixed; boundary=b", "base64", "quoted-printable", "uuencode", "attachment; filename*=x''%ff", "=?utf-8?b?////?=",
     "=?x?q?=?=", "text/html; charset=hex", "message/rfc822", "multipart/digest; boundary=\"b", "text/plain; charset*0=a; charset*1=b"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.tuples(header_names, header_values), max_size=6), st.binary(max_size=80) | st.just(b"--b\r\n\r\nx\r\n--b--"))
def test_any_mail_is_read_or_malformed(headers, body):
    raw = HEAD + "".join(f"{name}: {value}\r\n" for name, value in headers).encode("utf-8", "replace") + b"\r\n" + body
    try:
        found = mail.parse(raw)
    except MalformedPayload:
        return
    assert found.sender == "ann@mail.example"
    assert "\x00" not in (found.text or "")
