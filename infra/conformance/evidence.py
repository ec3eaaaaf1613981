"""What cannot be found by doing: which kinds of message a channel reads, and who vouches for how we read its signature.

`independent` is code or a value that is not ours and against which a test of ours runs; where it says "none", nothing but our own reading
of the vendor's pages vouches for the channel. A test compares both with code and tests.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """`receives`: our kinds, beside `unsupported` for what is new.

    `test`: a file under tests/ and a text that stands in it; None where nothing is independent. `terms`: on what pictures and buttons
    depend, and why those that are not shown go in words.
    """

    receives: tuple[str, ...]
    independent: str
    test: tuple[str, str] | None
    terms: str = ""


def _kinds(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_PYWA = ("unit/test_hmac_raw_body.py", "def test_whatsapps_published_vector_is_verified_and_read")
_META = "file image interactive link mixed text video voice"

EVIDENCE: dict[str, Evidence] = {
    "aliyun_sms": Evidence(
        ("text",),
        "webhooks are not signed; sending: the vendor's worked example",
        ("unit/test_cloud_signatures.py", "def test_alibabas_worked_example_is_reproduced"),
        terms="neither picture nor buttons, and no address: an approved template with one variable",
    ),
    "dingtalk": Evidence(
        _kinds("file image mixed text video voice"),
        "a value made by `nonebot-adapter-ding`",
        ("unit/test_dingtalk.py", "def test_the_signature_is_that_of_an_adapter_that_verifies_the_same_webhooks"),
        terms="buttons not in groups, and not where markdown would read the text",
    ),
    "douyin": Evidence(
        _kinds("image interactive sticker text video"),
        "none: the formula of the vendor's page",
        None,
        terms="pictures would have to be uploaded; no buttons are documented",
    ),
    "email": Evidence(
        _kinds("file link mixed text"),
        "posts that the vendor's `sns-validator` took",
        ("unit/test_email.py", "def test_what_amazons_own_validator_takes_holds_and_no_more"),
    ),
    "feishu": Evidence(
        _kinds("contact file image interactive location mixed sticker text video voice"),
        "a webhook that the vendor's `lark-oapi` took; encryption: the vendor's example too",
        ("unit/test_feishu.py", "def test_what_the_vendors_sdk_takes_is_taken_and_read"),
        terms="buttons with `cards`; pictures would have to be uploaded",
    ),
    "generic": Evidence(
        ("all",), "`standardwebhooks`, and its vector", ("unit/test_generic.py", "from standardwebhooks import Webhook")
    ),
    "instagram": Evidence(_kinds(_META), "pywa's vector of the same header", _PYWA),
    "line": Evidence(
        _kinds("file image interactive location sticker text video voice"),
        "the vector of line-bot-sdk-python",
        ("unit/test_hmac_raw_body.py", "def test_lines_published_vector_is_reproduced"),
    ),
    "messenger": Evidence(_kinds(f"{_META} location sticker"), "pywa's vector of the same header", _PYWA),
    "qq": Evidence(
        _kinds("file image mixed text video voice"),
        "PyNaCl, and botgo's vector",
        ("unit/test_qq.py", "from nacl.signing import"),
        terms="buttons with `keyboard`",
    ),
    "slack": Evidence(
        _kinds("file image interactive mixed text"),
        "`slack_sdk`, and its vector",
        ("unit/test_slack.py", "from slack_sdk.signature import"),
    ),
    "telegram": Evidence(
        _kinds("contact file image interactive location mixed sticker text video voice"),
        "nothing is signed: a fixed token",
        None,
    ),
    "tencent_sms": Evidence(
        ("text",),
        "webhooks are not signed; sending: a value made by the vendor's SDK",
        ("unit/test_cloud_signatures.py", "def test_a_signature_is_that_of_tencents_own_sdk"),
        terms="neither picture nor buttons: an approved template with one variable",
    ),
    "tiktok_business": Evidence(
        _kinds("image interactive link text"),
        "none: the formula of the vendor's page",
        None,
        terms="under at most 40 characters; pictures would have to be uploaded",
    ),
    "twilio": Evidence(
        _kinds("contact file image interactive location mixed text video voice"),
        "`twilio`, and its vectors",
        ("unit/test_twilio_signatures.py", "from twilio.request_validator import"),
        terms="to WhatsApp, and by MMS with `mms`; buttons need a template approved beforehand",
    ),
    "wechat_oa": Evidence(
        _kinds("image interactive link location text video voice"),
        "`wechatpy`, and its vectors",
        ("unit/test_simulator_wechat_oa.py", "from wechatpy"),
        terms="a picture as a card",
    ),
    "wecom": Evidence(
        _kinds("image interactive link location text video voice"),
        "`wechatpy`, and the vendor's sample",
        ("unit/test_wecom.py", "def test_the_vendors_samples_are_verified_and_read_as_they_came"),
        terms="buttons under at most 112 characters; a picture as a card",
    ),
    "wecom_kf": Evidence(
        _kinds("contact file image interactive link location order text video voice"),
        "callbacks: `wechatpy`; messages: none",
        ("fakes/wecom_accounts.py", "from wechatpy"),
        terms="pictures would have to be uploaded",
    ),
    "weibo": Evidence(
        _kinds("image interactive location text voice"),
        "the vendor's example",
        ("unit/test_weibo.py", "def test_the_vendors_vector_is_reproduced_and_accepted"),
        terms="a picture as a card; no buttons are documented",
    ),
    "whatsapp": Evidence(
        _kinds("contact file image interactive location mixed order reaction sticker text video voice"),
        "pywa's vector",
        _PYWA,
    ),
}
