"""Personal data goes, order numbers stay, and every place can be found again."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from functions.classify.originals import clear
from functions.common import codes, masking, numbers, papers
from functions.common.folding import BLANK, fold
from functions.common.judgement import Span
from functions.common.masking import PLACEHOLDERS, find, mask, placeholders
from functions.common.message import Attachment, Contact, ContactId, Interactive, Link, Location, Referral, ReplyTo
from functions.common.numbers import is_bank_card, is_resident_id
from tests.contract.test_store import judged

PROVINCES = ("11", "31", "44", "51", "65")
ISSUERS = (("622202", 19), ("621226", 19), ("625965", 16), ("4", 16), ("51", 16), ("37", 15), ("3530", 16), ("955880", 19))


def resident_id(serial: int) -> str:
    shuffled = random.Random(serial)
    born = date(1940, 1, 1) + timedelta(days=shuffled.randrange(30_000))
    body = f"{shuffled.choice(PROVINCES)}{shuffled.randrange(10_000):04d}{born:%Y%m%d}{shuffled.randrange(1000):03d}"
    return next(body + check for check in "0123456789X" if is_resident_id((body + check).lower()))


def bank_card(serial: int) -> str:
    shuffled = random.Random(serial)
    prefix, length = ISSUERS[serial % len(ISSUERS)]
    body = prefix + "".join(str(shuffled.randrange(10)) for _ in range(length - len(prefix) - 1))
    return next(body + check for check in "0123456789" if is_bank_card(body + check))


def mobile(serial: int) -> str:
    return f"1{3 + serial % 7}{serial * 7919 % 10**9:09d}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("我的电话是13800138000,请回电", "我的电话是〔手机号〕,请回电"),
        ("手机138-0013-8000", "手机〔手机号〕"),
        ("138 0013 8000", "〔手机号〕"),
        ("+86 13800138000", "〔手机号〕"),
        ("(+86)138-0013-8000", "〔手机号〕"),
        ("0086-13800138000", "〔手机号〕"),
        ("8613800138000", "〔手机号〕"),
        ("13800138000/13900139000都行", "〔手机号〕/〔手机号〕都行"),
        ("电话１３８００１３８０００", "电话〔手机号〕"),
        ("138\u200b0013\u200b8000", "〔手机号〕"),
        ("微信号13800138000", "微信号〔手机号〕"),
        ("寄快递13800138000收", "寄快递〔手机号〕收"),
        ("座机021-62345678", "座机〔电话〕"),
        ("(0755) 2654 3210", "〔电话〕"),
        ("0571-8888777-801", "〔电话〕"),
        ("call me at (415) 555-2671 please", "call me at 〔电话〕 please"),
        ("+44 20 7946 0958", "〔电话〕"),
        ("+1 (415) 555-2671", "〔电话〕"),
        ("+8613800138000", "〔手机号〕"),
        ("邮箱li.lei@example.com。", "邮箱〔邮箱〕。"),
        ("mail me: Jane_Doe+shop@mail.example.co.uk.", "mail me: 〔邮箱〕."),
        ("13800138000@163.com", "〔邮箱〕"),
        ("ｌｉ＠example．com", "〔邮箱〕"),
        ("身份证110101199003074477", "身份证〔身份证〕"),
        ("身份证号:11010519491231002x", "身份证号:〔身份证〕"),
        ("110101 19900307 4477", "〔身份证〕"),
        ("卡号6222021234567890128", "卡号〔银行卡〕"),
        ("6222 0212 3456 7890 128", "〔银行卡〕"),
        ("4111-1111-1111-1111", "〔银行卡〕"),
        ("4111 1111 1111 1111 123", "〔银行卡〕 123"),
        ("3782 822463 10005", "〔银行卡〕"),
        ("6222021234567890128 13800138000 a@b.cn", "〔银行卡〕 〔手机号〕 〔邮箱〕"),
        # Letters beside a mobile do not hide it, and neither does the next number.
        ("wx13800138000", "wx〔手机号〕"),
        ("tel13800138000", "tel〔手机号〕"),
        ("13800138000Mr Li", "〔手机号〕Mr Li"),
        ("型号A13800138000", "型号A〔手机号〕"),
        ("13800138000-13900139000", "〔手机号〕-〔手机号〕"),
        ("13800138000,13900139000/13700137000", "〔手机号〕,〔手机号〕/〔手机号〕"),
        ("张三-13800138000-11010519491231002X", "张三-〔手机号〕-〔身份证〕"),
        ("11010519491231002X/13800138000", "〔身份证〕/〔手机号〕"),
        ("1.13800138000 2.13900139000", "1.〔手机号〕 2.〔手机号〕"),
        # Whatever stands between the digits.
        ("138—0013—8000", "〔手机号〕"),
        ("138–0013–8000", "〔手机号〕"),
        ("138 / 0013 / 8000", "〔手机号〕"),
        ("138_0013_8000", "〔手机号〕"),
        ("138·0013·8000", "〔手机号〕"),
        ("138🌸0013🌸8000", "〔手机号〕"),
        ("1380 013 8000", "〔手机号〕"),
        ("1380 0138 000", "〔手机号〕"),
        ("138 00138000", "〔手机号〕"),
        ("4111.1111.1111.1111", "〔银行卡〕"),
        ("4111 1111-1111—1111", "〔银行卡〕"),
        ("622202 1234567890128", "〔银行卡〕"),
        ("1101 0519 4912 3100 2X", "〔身份证〕"),
        ("110105-1949-1231-002X", "〔身份证〕"),
        ("座机01062345678", "座机〔电话〕"),
        ("07551234567", "〔电话〕"),
        ("电话：075512345678", "电话：〔电话〕"),
        ("call 4155550132", "call 〔电话〕"),
        # Only the label of a number, right before it, says that it is an order's; and a checksum says more than that.
        ("查一下订单13800138000", "查一下订单〔手机号〕"),
        ("my order, phone 13800138000", "my order, phone 〔手机号〕"),
        ("单号是多少?13800138000", "单号是多少?〔手机号〕"),
        ("订单号:4111111111111111", "订单号:〔银行卡〕"),
        ("order number 4111 1111 1111 1111", "order number 〔银行卡〕"),
        ("order no. 6222021234567890128", "order no. 〔银行卡〕"),
        ("流水号11010519491231002X", "流水号〔身份证〕"),
        ("卡号6222021234567890129", "卡号〔银行卡〕"),  # a digit is wrong
        ("https://wa.me/8613800138000", "https://wa.me/〔手机号〕"),
        ("https://x.example/?tel=13800138000", "https://x.example/?tel=〔手机号〕"),
        # Spelt and disguised.
        ("电话幺三八零零一三八零零零", "电话〔手机号〕"),
        ("一三八〇〇一三八〇〇〇", "〔手机号〕"),
        ("138OO138OOO 打我", "〔手机号〕 打我"),
        # Papers and plates.
        ("护照E12345678", "护照〔证件〕"),
        ("护照号码:EA1234567", "护照号码:〔证件〕"),
        ("my passport number is 533401234", "my passport number is 〔证件〕"),
        ("港澳通行证 C12345678 快到期了", "港澳通行证 〔证件〕 快到期了"),
        ("身份证440106850101123", "身份证〔身份证〕"),
        ("身份证A123456(3)", "身份证〔身份证〕"),
        ("身分證 A123456789", "身分證 〔身份证〕"),
        ("ssn 123-45-6789", "ssn 〔身份证〕"),
        ("IBAN GB82 WEST 1234 5698 7654 32", "IBAN 〔银行卡〕"),
        ("DE89370400440532013000", "〔银行卡〕"),
        ("沪A12345违停", "〔车牌〕违停"),
        ("車牌粵BD12345", "車牌〔车牌〕"),
        ("苏E·1A2B3", "〔车牌〕"),
        # Codes and passwords, when a word says what they are.
        ("验证码482913", "验证码〔验证码〕"),
        ("验证码是：4829，快点", "验证码是：〔验证码〕，快点"),
        ("482913是我的验证码", "〔验证码〕是我的验证码"),
        ("my otp is 482 913", "my otp is 〔验证码〕"),
        ("the code you sent me is 482913", "the code you sent me is 〔验证码〕"),
        ("卡6222021234567890128 cvv 123", "卡〔银行卡〕 cvv 〔验证码〕"),
        ("密码:Abc123!", "密码:〔密码〕"),
        ("password is hunter2", "password is 〔密码〕"),
        # Where somebody lives.
        ("收货地址改到上海市浦东新区世纪大道100号3栋501室,谢谢", "收货地址改到〔地址〕,谢谢"),
        ("麻烦寄到杭州市西湖区文三路478号华星大厦12楼", "麻烦寄到〔地址〕"),
        ("地址:成都市武侯区人民南路四段12号", "地址:〔地址〕"),
        ("北京朝阳区建国路88号院5号楼1203", "〔地址〕"),
        ("人民路八号", "〔地址〕"),
        ("阳光花园3栋2单元501漏水了", "〔地址〕漏水了"),
        ("我家住在3栋2单元501室", "我家住在〔地址〕"),
        ("家住12-3-501", "家住〔地址〕"),
        ("帮我送到中山大学南校区明德园3号楼415", "帮我送到〔地址〕"),
        ("my address is 221B Baker Street, London NW1 6XE", "my address is 〔地址〕"),
        ("ship to 1600 Pennsylvania Avenue NW, Washington, DC 20500", "ship to 〔地址〕"),
        ("it is 12 main st apt 4, thanks", "it is 〔地址〕, thanks"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert mask(text).text == masked


@pytest.mark.parametrize(
    "text",
    [
        "订单号123456789012",  # JD
        "订单 2134567890123456789",  # Taobao
        "4012888888881881234",  # nineteen digits that begin with 4
        "订单编号:13800138000",
        "order no. 13800138000",
        "訂單號13800138000",
        "运单号 13800138000",
        "快递单号:13800138000",
        "tracking # 13800138000",
        "SF1380013800012",
        "SF13800138000",
        "YT1380013800088",
        "JD0138001380001",
        "1Z999AA10123456784",
        "114-1234567-1234567",  # Amazon
        "138001380001",
        "20261120 20:15:30",
        "2026-11-20 10:00",
        "1234567890123456",
        "110101199013074477",  # no thirteenth month
        "110101199003074478",  # wrong check digit
        "990101199003074477",  # no such province
        "4111111111111112",  # wrong check digit
        "1111111111111117",  # no such issuer
        "https://shop.example/item/13800138000",
        "价格是13800138000.00元",
        "13800.138000",
        "192.168.138.0013",
        "SF1380013800012, YT13800138000123",
        "251004-381234567890123",  # Pinduoduo
        "客服电话400-800-1234",
        "@某某 你好",
        "12315",
        "+50元",
        "400-800-1234",
        "",
        "订单E12345678",
        "订单号A123456789护照的事",
        "护照办好了吗 20261122",
        "身份证A123456(4)",  # wrong check digit
        "A123456789",  # nobody says that it is an id
        "DE89370400440532013001",  # wrong check digits
        "型号新A1234",
        "SF5069305964055",  # an IBAN by its check digits, but of no country
        "京东12345",
        "收不到验证码,等了60秒",
        "验证码4000元",
        "密码忘了 2024年注册的",
        "密码错误3次",
        "wifi密码88888888",
        "my password is wrong",
        "优惠码SAVE20",
        "取件码3-2-1021",
        "error code 5003",
        "pin code 560001",
        "zip code 94103",
        "一二三四五六七八九十",
        "零零零零零零零零零零零",
        "你们店在人民路88号吗",
        "3号楼电梯坏了",
        "我5号到货,走的是京沪线路3号",
        "街道5号店",
        "把空调弄一弄",
        "上海静安寺附近有店吗",
        "waited 3 hours on the road",
        "5 min drive",
        "2 hard drive",
        "3 one way street",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert mask(text).text == text


@given(st.integers(0, 10**6), st.sampled_from(["{}", "我的是{},谢谢", "no {} thanks", "电话/卡:{}\n"]))
def test_every_id_card_and_mobile_is_found(serial: int, sentence: str) -> None:
    for kind, number in (("id_card", resident_id(serial)), ("bank_card", bank_card(serial)), ("mobile", mobile(serial))):
        masked = mask(sentence.format(number))
        assert masked.text == sentence.format(PLACEHOLDERS[kind])
        assert masked.counts() == {kind: 1}


@given(st.one_of(st.from_regex(r"[0-9]{12}", fullmatch=True), st.from_regex(r"[0-9]{16,20}", fullmatch=True)))
def test_an_order_number_is_never_masked(number: str) -> None:
    if not is_bank_card(number) and not is_resident_id(number):
        for sentence in (f"订单号:{number},麻烦查一下", f"麻烦查{number}", f"订单{number}的快递呢"):
            assert mask(sentence).text == sentence


@given(
    st.sampled_from(["人民", "中山北", "长安", "解放", "科技园"]),
    st.sampled_from(["路", "街", "大道", "胡同"]),
    st.integers(1, 2999),
    st.sampled_from(["", "3栋501室", "5号楼2单元1203", "阳光花园12幢302"]),
    st.sampled_from(["{}", "寄到{},谢谢", "我的地址是{}。", "收货地址:{} 王先生"]),
)
def test_every_address_with_a_house_number_is_found(name: str, way: str, number: int, detail: str, sentence: str) -> None:
    masked = mask(sentence.format(f"杭州市西湖区{name}{way}{number}号{detail}"))
    assert masked.text == sentence.format(PLACEHOLDERS["address"])


@given(st.integers(0, 10**6), st.sampled_from(["验证码{}", "验证码是{}", "my otp is {}", "{} is your verification code"]))
def test_every_named_code_is_found(number: int, sentence: str) -> None:
    assert mask(sentence.format(f"{number:06d}")).text == sentence.format(PLACEHOLDERS["code"])


@pytest.mark.parametrize(
    "piece", ["路", "路1", "花园", "号楼", "市区县镇路", "验证码", "密码是", "京A1", "1 a ", "一", "护照e1", "12 main main "]
)
def test_a_long_text_of_beginnings_costs_no_more_than_its_length(piece: str) -> None:
    assert len(mask(piece * (200_000 // len(piece))).text) > 1000


ORDER_NUMBERS = (
    r"[1-3]\d{11}",  # JD
    r"[1-9]\d{15,18}",  # Taobao, Douyin, Meituan
    r"2[45]\d{4}-\d{15}",  # Pinduoduo
    r"SF\d{13}|YT\d{13}|YT\d{15}|JT\d{13}|JD\d{13}|JDVA\d{11}|DPK\d{12}|ZTO\d{12}|SF\d{12}",
    r"7\d{11,13}|4[36]\d{11}",  # ZTO, STO, Yunda
    r"E[A-Z]\d{9}CN|R[A-Z]\d{9}CN",  # China Post
    r"1Z[0-9A-Z]{6}\d{10}",  # UPS
    r"11\d-\d{7}-\d{7}",  # Amazon
    r"#\d{4,6}",  # Shopify
)


@given(
    st.sampled_from(ORDER_NUMBERS).flatmap(lambda pattern: st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)),
    st.sampled_from(
        [
            "{}",
            "麻烦查{}",
            "订单号：{}，谢谢",
            "我的订单 {} 到哪了",
            "单号是{}",
            "order no. {} please",
            "tracking number {}",
            "order {}",
            "{}还没到",
        ]
    ),
)
def test_order_and_parcel_numbers_of_all_houses_stay(number: str, sentence: str) -> None:
    assume(not is_bank_card(number) and not is_resident_id(number))
    assert mask(sentence.format(number)).text == sentence.format(number)


@given(st.text(), st.integers(0, 999), st.text())
def test_masking_takes_out_what_it_found_and_nothing_else(before: str, serial: int, after: str) -> None:
    text = f"{before} {mobile(serial)} {after}"
    masked = mask(text)
    rest, end = [], 0
    for finding in masked.findings:
        rest.append(text[end : finding.span.start])
        end = finding.span.end
    rest.append(text[end:])
    assert masked.text == "".join(
        part + placeholder
        for part, placeholder in zip(rest, [*(PLACEHOLDERS[f.kind] for f in masked.findings), ""], strict=True)
    )
    blanked = set().union(*(range(blank.start, blank.end) for blank in masked.blanks))
    for place, character in enumerate(masked.text):
        if place not in blanked:
            assert text[masked.original(place)] == character


@given(st.text(max_size=400))
def test_any_text_is_masked_once_and_for_all(text: str) -> None:
    once = mask(text).text
    assert mask(once).text == once


FRAGMENTS = (
    "1", "13", "0", "010", "0571", "8812", "4000", "1234567", "13800138000", "一三八零零一三八零零零", "138OO138OOO",
    "20260711", "622202", "a123456(7)", "123-45-6789", "gb82 west 1234 5698 7654 32", "京a12345", "+", "(", ")", "-", " ",
    ".", ":", "@", "号", "码", "验证码", "密码", "pin", "my code", "otp ", "password ", "电话", "call ", "phone number ",
    "护照", "visa ", "travel document ", "e12345678", "身份证", "id card ", "人民路", "小区", "3栋", "2单元", "室",
    "12-3-501", "5楼", "a1", "x", "是", "我的", "street", "12 high ",
)  # fmt: skip


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_what_is_not_gone_through_would_have_held_nothing(text: str) -> None:
    found = find(text)
    with pytest.MonkeyPatch.context() as everything:
        everything.setattr(masking, "_KINDS", tuple((kind, search, 0) for kind, search, _ in masking._KINDS))
        for module in (numbers, papers, codes):
            everything.setattr(module, "has_one", lambda *_: True)
        for sign in ("_MOBILE_SIGN", "_SPELT_SIGN"):
            everything.setattr(numbers, sign, re.compile(""))
        everything.setattr(numbers, "_PHONES", tuple((re.compile(""), pattern) for _, pattern in numbers._PHONES))
        assert find(text) == found


def test_a_placeholder_leads_back_to_the_start_of_what_it_stands_for() -> None:
    masked = mask("电话13800138000 邮箱a@b.cn")
    assert masked.text == "电话〔手机号〕 邮箱〔邮箱〕"
    assert [masked.original(place) for place in (0, 2, 6, 7, 8, 10)] == [0, 2, 2, 13, 14, 16]
    assert [finding.span for finding in masked.findings] == [Span(start=2, end=13), Span(start=16, end=22)]


def test_a_very_long_text_takes_no_longer_than_its_length() -> None:
    for piece in ("1", "1 ", "a", "a@", "13800138000 ", "+1", "1-", "(0", "订单", "6222 "):
        assert len(find(piece * 20_000)) <= 20_000


def test_what_stands_in_a_placeholder_is_no_word_of_the_sender() -> None:
    text = mask("退款打到6222021234567890128").text
    folded = fold(text, placeholders(text))
    assert "银行卡" in text and "银行卡" not in folded.text and folded.text == f"退款打到{BLANK}"
    assert folded.span(4, 5) == Span(start=4, end=9)


def test_every_field_in_which_people_write_is_masked_and_kept_for_the_vault() -> None:
    from dataclasses import replace

    message = replace(
        judged(text="打13800138000").message,
        contact=Contact(primary="13800138000", name="李雷13800138000"),
        attachments=(Attachment(kind="voice", media_id="13800138000", transcript="我的号码是13900139000"),),
        link=Link(url="https://x.example/13800138000", title="a@b.cn"),
        reply_to=ReplyTo(native_id="13800138000", text="您的电话是13800138000吗"),
        pii_masked=False,
    )
    cleared = clear(message)
    assert cleared.message.pii_masked
    assert cleared.message.contact == Contact(primary="13800138000", name="李雷〔手机号〕")
    assert cleared.message.attachments[0].media_id == "13800138000"
    assert cleared.counts == {"mobile": 5, "email": 1}
    assert cleared.originals == {
        "contact.name": "李雷13800138000",
        "text": "打13800138000",
        "attachments.0.transcript": "我的号码是13900139000",
        "link.url": "https://x.example/13800138000",
        "link.title": "a@b.cn",
        "reply_to.text": "您的电话是13800138000吗",
    }
    assert b"13900139000" in cleared.for_vault()


def test_no_field_but_ids_keeps_personal_data() -> None:
    from dataclasses import asdict, replace

    number = "13800138000"
    message = replace(
        judged(text=f"打{number}").message,
        contact=Contact(primary=f"p{number}", ids=(ContactId(kind="openid", value=f"i{number}"),), name=f"李{number}"),
        native_id=f"n{number}",
        attachments=(
            Attachment(
                kind="file", media_id=f"m{number}", url=f"https://f/{number}.png", filename=f"f{number}", caption=f"c{number}",
                transcript=f"t{number}",
            ),
        ),
        location=Location(lat=1.0, lon=2.0, label=f"l{number}", address=f"a{number}"),
        interactive=Interactive(type="button", title=f"t{number}", payload=f"p{number}"),
        link=Link(url=f"https://x.example/{number}", title=f"t{number}", desc=f"d{number}"),
        mentions=(f"@{number}",),
        reply_to=ReplyTo(native_id=f"n{number}", text=f"q{number}"),
        referral=Referral(
            source="ad", ad_id=f"i{number}", source_url=f"https://x.example?tel={number}", headline=f"h{number}", ref=f"r{number}"
        ),
        raw_kind=f"k{number}",
    )  # fmt: skip
    cleared = clear(message)

    def kept(part: object, path: str = "") -> Iterator[str]:
        if isinstance(part, dict):
            for name, inner in part.items():
                yield from kept(inner, f"{path}.{name}")
        elif isinstance(part, (list, tuple)):
            for inner in part:
                yield from kept(inner, path)
        elif isinstance(part, str) and number in part:
            yield path

    assert sorted(kept(asdict(cleared.message))) == [
        ".attachments.media_id", ".contact.ids.value", ".contact.primary", ".native_id", ".referral.ad_id", ".reply_to.native_id",
    ]  # fmt: skip
    assert all(number in original for original in cleared.originals.values()) and cleared.counts == {"mobile": 19}


def test_a_message_without_personal_data_has_nothing_for_the_vault() -> None:
    cleared = clear(judged().message)
    assert cleared.message == judged().message and not cleared.originals and not cleared.counts
