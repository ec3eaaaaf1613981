"""The rules that are shipped: what they make of messages, and what they leave to people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from functions.classify.judging import Verdict, judge
from functions.classify.model.opinion import Model
from functions.classify.model.shelf import Shelf
from functions.classify.rules import read_rules
from functions.common.masking import mask
from tests.unit.test_rules import reading

BOOK = read_rules(yaml.safe_load((Path(__file__).parents[2] / "config/rules.yaml").read_text("utf-8")))


MODEL = Shelf().model({"model": {}})


def shipped(text: str, model: Model | None = None, **circumstances: Any) -> Verdict:
    return judge(BOOK, reading(text, **circumstances), model)


def test_the_shipped_rules_know_enough_words() -> None:
    assert sum(len(entry.test.keywords) for entry in BOOK._rules) > 1000


# text, business, content, sentiment
LABELLED = [
    ("你好,请问发票怎么开?", "enquiry", {"invoice"}, "neutral"),
    ("请问你们的会员积分怎么查", "enquiry", {"account"}, "neutral"),
    ("我的快递到哪了?", "enquiry", {"logistics"}, "neutral"),
    ("快递单号SF1234567890123一直没更新,帮我查一下", "enquiry", {"logistics"}, "neutral"),
    ("这款T恤有XL码吗", "enquiry", {"product"}, "neutral"),
    ("这件外套多少钱,有优惠券吗", "enquiry", {"price", "promotion"}, "neutral"),
    ("孩子想报英语课,学费怎么收", "enquiry", {"price"}, "neutral"),
    ("你们几点关门?", "enquiry", set(), "neutral"),
    ("What's the price of the blue one?", "enquiry", {"price"}, "neutral"),
    ("Do you ship to Canada?", "enquiry", {"logistics"}, "neutral"),
    ("Where is my order?", "enquiry", {"logistics"}, "neutral"),
    ("怎么退货?", "after_sales", {"refund"}, "neutral"),
    ("衣服尺码不合适,想换大一码", "after_sales", {"product"}, "neutral"),
    ("收到的货少了一件", "after_sales", {"product"}, "neutral"),
    ("帮我开一张发票,抬头是上海某某公司", "after_sales", {"invoice"}, "neutral"),
    ("APP一打开就闪退", "after_sales", {"tech"}, "neutral"),
    ("空调不制冷,报修", "after_sales", {"tech"}, "neutral"),
    ("how do I return this?", "after_sales", {"refund"}, "neutral"),
    ("My order arrived broken, I want a replacement", "after_sales", set(), "neutral"),
    ("I need an invoice for order 5521", "after_sales", {"invoice"}, "neutral"),
    ("退款什么时候到账?", "enquiry", {"refund"}, "neutral"),
    ("When will my refund arrive?", "enquiry", {"refund", "logistics"}, "neutral"),
    ("课程有试听吗", "enquiry", {"product"}, "neutral"),
    ("想约周六下午试听", "appointment", set(), "neutral"),
    ("为什么一直没人回复我,等了两小时了", "complaint", set(), "negative"),
    ("請問發票怎麼開?", "enquiry", {"invoice"}, "neutral"),
    ("我想預約星期日上午十點安裝", "appointment", set(), "neutral"),
    ("客服態度超差,我要投訴", "complaint", set(), "negative"),
    ("貨到了但是少了一件,請補寄", "after_sales", {"product"}, "neutral"),
    ("Could you send me an invoice for my order?", "after_sales", {"invoice"}, "neutral"),
    ("你们的客服态度太差了,我要投诉!", "complaint", set(), "negative"),
    ("太失望了,等了一个星期还没发货,退款!", "complaint", {"logistics", "refund"}, "negative"),
    ("订单一直不发货,催了三次没人理,垃圾店", "complaint", {"logistics"}, "negative"),
    ("This is unacceptable, I was charged twice and nobody answers!", "complaint", {"price"}, "negative"),
    ("我想预约明天下午三点上门安装空调", "appointment", set(), "neutral"),
    ("周六晚6点订位4个人", "appointment", set(), "neutral"),
    ("I'd like to reschedule my appointment to Monday", "appointment", set(), "neutral"),
    ("建议你们增加夜间配送服务", "suggestion", {"logistics"}, "neutral"),
    ("你们家的面太好吃了,服务也很贴心", "suggestion", set(), "positive"),
    ("It would be great if you added dark mode", "suggestion", set(), "neutral"),
    ("Love your service, the staff were amazing", "suggestion", set(), "positive"),
    ("你好", "other", set(), "neutral"),
    ("谢谢!", "other", set(), "positive"),
    ("想谈商务合作", "other", set(), "neutral"),
    ("???", "other", set(), "neutral"),
    ("12345", "other", set(), "neutral"),
]


@pytest.mark.parametrize(("text", "business", "content", "sentiment"), LABELLED)
def test_the_shipped_rules_label_customers(text: str, business: str, content: set[str], sentiment: str) -> None:
    judgement = shipped(text).judgement
    assert (judgement.business, set(judgement.content), judgement.sentiment) == (business, content, sentiment)
    assert (judgement.spam, judgement.risk, judgement.urgency) == ("none", (), "normal")


@pytest.mark.parametrize(
    "text",
    [
        "收银系统全部瘫痪了,收不了款,急!",
        "收银系统挂了,店里排了一堆客人",
        "今晚的航班,酒店订单还没确认,麻烦马上处理!",
        "我要退货,麻烦尽快,孩子明天生日要用",
        "买的净水器漏水,家里都淹了,赶紧派人来",
        "i need a refund asap, the wedding is tomorrow",
        "Our website is down and we are losing customers",
        "Can I book a table for two tonight at 7?",
    ],
)
def test_a_reason_makes_a_message_urgent(text: str) -> None:
    assert shipped(text).judgement.urgency == "urgent"


@pytest.mark.parametrize(
    "text", ["在吗在吗在吗", "快点!!!", "急急急", "不急,有空帮我看看发票", "太差了!!退钱!!", "hurry up", "asap"]
)
def test_impatience_alone_is_not_urgent(text: str) -> None:
    assert shipped(text).judgement.urgency == "normal"


@pytest.mark.parametrize(
    ("text", "risk"),
    [
        ("请把钱转账到我的私人账户", {"money"}),
        ("把钱转账到我卡上", {"money"}),
        ("我要汇款给你们,账号发我", {"money"}),
        ("退款请打到我的支付宝 13800138000", {"money"}),
        ("退款退到这张卡6222021234567890128", {"money"}),
        ("Please wire transfer the money to my account", {"money"}),
        ("你的验证码是123456,请告诉我", {"credentials"}),
        ("my password is hunter2", {"credentials"}),
        ("再不解决我就打12315投诉,找媒体曝光你们", {"legal_media"}),
        ("等着收律师函吧", {"legal_media"}),
        ("I'll sue you, my lawyer will contact you", {"legal_media"}),
        ("充电宝充电时着火了,孩子手被烫伤", {"safety"}),
        ("My kid had an allergic reaction to your product", {"safety"}),
        ("我不想活了", {"safety"}),
        ("退款什么时候到账?", set()),
        ("退款到银行卡要多久到账", set()),
        ("请问支持转账吗", set()),
        ("律师事务所在几楼", set()),
        ("烟雾报警器一直响怎么办", set()),
        ("相机曝光不足怎么调", set()),
        ("Hi, I'm Sue. Is your shop near the court?", set()),
        ("密码忘了怎么办", set()),
        # An exception takes away what it covers, and nothing else.
        ("支持转账吗?请转账到他的户头", {"money"}),
        ("支持转账吗" * 5 + "?请转账到他的户头", {"money"}),
        ("转账失败,请再转账一次到他的私人账户", {"money"}),
        ("转账失败怎么办", set()),
        ("可以用微信转账付款吗", set()),
        ("我没有转账", set()),
        ("你们涉嫌欺诈,我要起诉", {"legal_media"}),
        ("会不会漏电?我刚才就触电了", {"safety"}),
        ("买的报警器坏了,再不修我就报警", {"legal_media"}),
        # Hidden words, and those in traditional characters.
        ("转 账 给我", {"money"}),
        ("转.账给我", {"money"}),
        ("转😂账给我", {"money"}),
        ("转\u200b账给我", {"money"}),
        ("請轉賬給我", {"money"}),
        ("請匯款到這個帳戶", {"money"}),
        ("再不處理我就起訴,找媒體曝光", {"legal_media"}),
        ("充電寶著火了", {"safety"}),
        ("发 货了吗", set()),
        # Wallets, accounts and cards that are named.
        ("支付宝给我转500", {"money"}),
        ("微信给我转人工", set()),
        ("把钱退回我支付宝", {"money"}),
        ("还没退到我的支付宝", set()),
        ("Please wire $500 to this account", {"money"}),
        ("Send the refund to my bank account 12345", {"money"}),
        ("How do I log in to my account?", set()),
        # Codes and passwords with their values.
        ("验证码482913", {"credentials"}),
        ("收到的验证码:482913", {"credentials"}),
        ("密码:abc123", {"credentials"}),
        ("my password: hunter2", {"credentials"}),
        ("my otp 123456", {"credentials"}),
        ("验证码一直收不到", set()),
        ("my password is wrong", {"credentials"}),
        ("password does not work", set()),
        ("见法庭", {"legal_media"}),
        ("请把货款打到这个账号 6222021234567890128", {"money"}),
        ("你再不解决我就让记者来", {"legal_media"}),
        ("再不退学费我就去教育局举报", {"legal_media"}),
        ("学费转到校长个人卡上可以吗", {"money"}),
        ("充电器插上去冒火花", {"safety"}),
        ("There was a piece of glass in my soup and I cut my lip", {"safety"}),
        ("He is threatening to kill me", {"safety"}),
        ("How do I reset my password?", set()),
        # Asked as information, or about something else, it is no risk.
        ("转账限额是多少", set()),
        ("管理员离职了,账号转给我可以吗", set()),
        ("请问打12315一般多久有结果,想了解流程", set()),
        ("离婚起诉要本人到场吗", set()),
        ("烫伤膏怎么用", set()),
        ("住院押金可以刷卡吗", set()),
        ("支付密码忘了在哪改", set()),
        ("otp is not coming", set()),
        # In other words.
        ("押金退到我老公的卡上", {"money"}),
        ("货款我昨天汇过去了,请查收", {"money"}),
        ("Please wire this week's payment to the new account", {"money"}),
        ("把收到的6位验证码回复给我", {"credentials"}),
        ("reply with the digit code you just got", {"credentials"}),
        ("三天不退款,我们法院见,电视台我也联系了", {"legal_media"}),
        ("周五之前不解决就去市场监督管理局", {"legal_media"}),
        ("厨房一股煤气味,头晕", {"safety"}),
        ("吃完你们的蛋糕孩子嘴唇肿起来了,在去医院的路上", {"safety"}),
        ("my mother fainted after your treatment, the ambulance is here", {"safety"}),
        # Disguised.
        ("转帐到我薇❤信", {"money"}),
        ("请回覆密.码+验.证.码", {"credentials"}),
        ("b@nk transfer today, s e n d the account details", {"money"}),
        ("我要 起·诉·你 们", {"legal_media"}),
        ("冒 烟 了", {"safety"}),
    ],
)
def test_risks_are_seen_and_not_imagined(text: str, risk: set[str]) -> None:
    assert set(shipped(text).judgement.risk) == risk


@pytest.mark.parametrize(
    ("text", "spam"),
    [
        ("恭喜您中奖了,点击领取奖金", "scam"),
        ("Congratulations, you have won! Claim your prize", "scam"),
        ("专业涨粉,刷赞,价格便宜,加微信", "ad"),
        ("贷款秒批,无抵押贷款,加V了解", "ad"),
        ("代开发票,各行业都有", "ad"),
        ("SEO services for your website, first page of Google", "ad"),
        ("哈哈哈哈哈哈", "none"),
        ("啊啊啊啊啊啊", "noise"),
        ("加微信xx领取免费流量,日赚500", "ad"),
        ("恭喜您获得iPhone一部,点击链接领取", "scam"),
        ("加 微 信 领取 兼 职 日 结", "ad"),
        ("asdfghjkl", "noise"),
        ("😂😂😂😂😂", "noise"),
        ("https://shop.example/item/12 这个有货吗", "none"),
        ("可以帮我补开发票吗", "none"),
        ("👍", "none"),
        ("急急急急急", "none"),
    ],
)
def test_spam_is_seen_and_customers_are_not_spam(text: str, spam: str) -> None:
    assert shipped(text).judgement.spam == spam


@pytest.mark.parametrize(
    ("text", "channel", "opt_out"),
    [
        ("退订", "generic", True),
        ("TD", "twilio", True),
        ("回复T", "twilio", False),
        ("T", "twilio", True),
        ("T", "generic", False),
        ("STOP", "twilio", True),
        ("别再发了", "generic", True),
        ("Please stop texting me", "twilio", True),
        ("please stop the subscription price increase?", "twilio", False),
        ("怎么退货", "generic", False),
        ("退订,谢谢", "generic", True),
        ("退訂", "generic", True),
        ("STOP 谢谢", "twilio", True),
        ("退订?", "generic", False),
        ("不要再给我发短信了", "generic", True),
        ("别再给我发广告了", "generic", True),
        ("别再给我发错的颜色了", "generic", False),
        ("Do you take TD bank cards?", "twilio", False),
        ("包裹已经拒收了", "generic", False),
        ("可以先不要再发货吗?我要改颜色", "generic", False),
        ("不要再发圆通快递可以吗", "generic", False),
        ("怎么退订周六的房间", "generic", False),
        ("How do I unsubscribe from the premium plan? You keep charging me", "twilio", False),
        ("Please remove me from the waiting list", "twilio", False),
        ("STOP the order please", "twilio", False),
        ("Please remove me from your mailing list", "generic", True),
        ("退.订", "generic", True),
        ("请把我从名单里移除", "generic", True),
        ("S T O P", "twilio", True),
        ("ｕｎｓｕｂｓｃｒｉｂｅ", "generic", True),
        ("ѕtор", "twilio", True),
    ],
)
def test_opting_out(text: str, channel: str, opt_out: bool) -> None:
    verdict = shipped(text, channel=channel)
    assert verdict.judgement.opt_out is opt_out
    assert (verdict.consequences.needs_person is False) is opt_out
    if opt_out:
        assert (verdict.judgement.business, verdict.judgement.sentiment) == ("other", "neutral")


@pytest.mark.parametrize(
    "text",
    [
        "别再给我发短信了,我的退款到底什么时候到",
        "stop texting me and send my umbrella back",
        "怎么退订短信",
        "活动短信停了吧,我已经搬走了",
        "贷款广告不要再推给我了",
        "take my number off your list please, I moved",
    ],
)
def test_an_opt_out_that_says_more_is_one_and_needs_a_person(text: str) -> None:
    verdict = shipped(text, channel="twilio")
    assert verdict.judgement.opt_out and verdict.consequences.needs_person is None


@pytest.mark.parametrize(
    "text",
    [
        "转人工",
        "转.人.工",
        "我要真人客服",
        "人工",
        "有真人吗",
        "机器人答不了,转你们负责人",
        "找个人跟我说",
        "can I talk to a person?",
        "let me speak to a human",
        "agent",
        "human pls",
    ],
)
def test_wanting_a_human(text: str) -> None:
    assert shipped(text).judgement.wants_human


@pytest.mark.parametrize(
    "text",
    [
        "不用转人工",
        "不是找人工,你能答就行",
        "人工智能课程多少钱",
        "人工费怎么算",
        "your manager's nephew won",
        "真人大小的玩偶",
    ],
)
def test_not_wanting_a_human(text: str) -> None:
    assert not shipped(text).judgement.wants_human


@pytest.mark.parametrize("model", [None, MODEL], ids=["rules alone", "with the model"])
@pytest.mark.parametrize(
    "text",
    [
        "不要转人工",
        "别给我转人工,你答就可以",
        "不要转人工了,我自己看说明就行",
        "先不转人工",
        "不用找真人,智能客服就挺好",
        "無需轉人工",
        "不要轉真人客服,機械人答我就得",
        "唔使轉人工",
        "不 要 转 人 工",
        "don't transfer me to a human, the bot is fine",
        "no need for a human, the bot is fine",
        "Please do not connect me to an agent",
        "I don't want to talk to a person",
        "I'd rather not speak to a representative, just answer here",
        "no agent please",
    ],
)
def test_a_human_that_is_not_wanted(text: str, model: Model | None) -> None:
    assert not shipped(text, model=model).judgement.wants_human


@pytest.mark.parametrize(
    "text",
    [
        "我不要机器人,转人工",
        "不要,转人工",
        "要不要转人工?我问题有点复杂,转吧",
        "特别想找人工客服",
        "别用机器人糊弄我,转人工",
        "不用转人工了,直接给我找经理",
        "不要AI,要真人",
        "你们没有人工客服吗",
        "別再用機器人了,我要真人客服",
        "I don't want a bot, I want to talk to a person",
        "don't make me talk to a bot, get me a human",
        "please do not connect me to a bot, connect me to a person",
        "If you don't connect me to a person I will cancel",
        "why don't you transfer me to a human",
        "Don't you have a real person there?",
        "I don't want to talk to someone else again, just get me a manager",
    ],
)
def test_what_only_looks_like_not_wanting_a_human(text: str) -> None:
    assert shipped(text, model=MODEL).judgement.wants_human


@pytest.mark.parametrize(
    ("text", "reply", "needs_person"),
    [
        ("你好", "greeting", False),
        ("Hi", "greeting", False),
        ("谢谢!", "thanks", False),
        ("你们几点关门?", "opening_hours", False),
        ("What are your opening hours?", "opening_hours", False),
        ("发票怎么开?", "invoice_how", None),
        ("Where is my parcel?", "parcel_how", None),
        ("你好,我要投诉,态度太差", "complaint_received", None),
        ("好的", None, False),
        ("您好,我是自动回复机器人", None, False),
        ("[自动回复]您好,我现在有事不在,押金请退我", None, None),
        ("嗯嗯嗯嗯", None, False),
        ("哈哈哈哈", None, False),
        ("好好好好", None, False),
        ("好的,收到,谢谢您!", "thanks", False),
        ("謝謝老師", "thanks", False),
        ("thank you so much for your help 😊", "thanks", False),
        ("请问你们周末几点开门呀?谢谢", "opening_hours", False),
        ("你们几点关门?我的蛋糕还没取", "opening_hours", None),
        ("你们家的味道太好了,服务也很贴心", "thanks", False),
        ("退订", None, False),
    ],
)
def test_what_a_machine_can_answer(text: str, reply: str | None, needs_person: bool | None) -> None:
    wanted = shipped(text).consequences
    assert (wanted.reply, wanted.needs_person) == (reply, needs_person)


SUBSTANCE = [
    "电梯里有人被困了", "我的押金还没退", "麻烦给我们房间送两条毛巾", "the driver hit my car", "那发票呢",
    "your staff stole my wallet", "押金没退", "我忘了拿雨伞在你们店里",
    "help", "人呢", "for nothing", "please move us to a bigger room", "13800138000", "312",
]  # fmt: skip
COURTESY = [
    "你好",
    "您好,",
    "谢谢!",
    "Hi, ",
    "thanks ",
    "好的,谢谢,",
    "几点关门?",
    "太贴心了,",
    "好的 ",
    "ok ",
    "退订,",
    "stop, ",
]


@pytest.mark.parametrize("substance", SUBSTANCE)
@pytest.mark.parametrize("courtesy", COURTESY)
def test_no_machine_settles_a_message_that_says_anything_beside_courtesy(courtesy: str, substance: str) -> None:
    for text in (f"{courtesy} {substance}", f"{substance} {courtesy}"):
        assert shipped(text).consequences.needs_person is not False, text


def test_courtesy_with_a_picture_needs_a_person() -> None:
    assert shipped("谢谢", kind="mixed", attachments=("image",), encloses=True).consequences.needs_person is None
    assert shipped("谢谢").consequences.needs_person is False


def test_the_senders_own_name_adds_nothing() -> None:
    assert shipped("thanks, Anna", names=("anna",)).consequences.needs_person is False
    assert shipped("thanks, Anna").consequences.needs_person is None


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    masked = mask(text).text
    for firing in shipped(text).judgement.firings:
        for span in firing.spans:
            assert 0 <= span.start < span.end <= len(masked)


@pytest.mark.parametrize(
    "make", [lambda: "急" * 20_000, lambda: "\u200b" * 20_000, lambda: "a " * 10_000, lambda: "转账" * 10_000]
)
def test_a_long_text_is_judged_in_one_pass(make: Callable[[], str]) -> None:
    assert len(shipped(make()).judgement.firings) < 10


def test_a_visit_that_nobody_may_answer_is_kept_and_waits_for_nobody() -> None:
    for channel in ("wecom_kf", "tiktok_business"):
        verdict = shipped("", channel=channel, kind="interactive")
        assert verdict.consequences.needs_person is False and verdict.consequences.no_reply
    assert shipped("", channel="douyin", kind="interactive").consequences.needs_person is None
