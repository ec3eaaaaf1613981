"""Codes and passwords that a sender gives away: a value right beside the word that says what it is, in folded text.

`密码 abc123`, `482913是我的验证码`, `my otp is 482913`. Coupons, pickup codes, error codes and postal codes are none, nor is a
Wi-Fi password; and a word without a value is a question about one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from functions.common.numbers import Stretch, has_one

_CODE_WORDS = ("码", "cvv", "cvc", "otp", "code", "pin", "password")
_PASS_WORDS = ("密码", "口令", "passw", "pwd", "pswd")
_IS = (
    r"(?: ?(?:就是|还是|应该是|是|为|改成|改为|设成|设为|发你|给你|发给你|告诉你|is still|is|was|to)(?:了|:)?)?"
    r"(?: ?[:=#,\-→】\])\"'”]){0,2} ?[\[(\"'“【]?"
)
# "4000元", "60秒": a number that counts something is no code.
_COUNTS = (
    r"(?![\w@%$.,]{0,64}[a-z0-9]@)"
    r"(?! ?(?:元|块|秒|分钟|小时|天|年|月|号|次|位|个|条|人|点|%|days?|hours?|times?|minutes?|digits?|seconds?)(?![a-z]))"
)
_CODE_WORD = (
    r"(?:验证码|校验码|动态码|动态密码|登录码|短信码|安全码|激活短信码|(?<![a-z])(?:cvv2?|cvc2?|otp|passcode|pin|pin number|my code"
    r"|(?:verification|security|login|log-in|sign-in|auth|authentication|sms|one[- ]time|6[- ]digit|2fa) (?:code|passcode|password|pin)"
    r"|code (?:you|they|it|i)(?:'ve)?(?: have| just)? (?:sent|texted|got|received)(?: me| you)?))"
)
_CODE = r"(?:\d{3} \d{3}|\d{2,4}-\d{2,4}|\d{3,8}|(?=[a-z]{0,7}\d[a-z]*\d)[a-z0-9]{4,8})"
_NAMED_CODE = re.compile(rf"{_CODE_WORD}{_IS}(?P<value>{_CODE})(?![a-z0-9.])(?!-\d){_COUNTS}")
_CODE_THEN_NAME = re.compile(
    r"(?<![\d.])(?P<value>\d{4,8}) ?(?:[,(（【\[\"'”])? ?(?:就是|是|为|is|-)? ?(?:the|my|your|您的|你的|我的|本次|这次|刚收到的|收到的)? ?"
    r"(?:登录|支付|注册|绑定|短信|手机)?的?"
    r"(?:验证码|校验码|动态码|(?<![a-z])(?:verification|security|login|sms|one[- ]time|auth) (?:code|password)|(?<![a-z])otp(?![a-z]))"
)
_CALLED_ONE = r"(?<!wifi)(?<!wi-fi)(?<!无线)(?<!网络)(?<!wifi )(?<!wi-fi )(?:密码|口令|(?<![a-z])(?:password|passwd|pwd|pswd))"
_VALUE = r"(?=[a-z!@#$%^&*._+-]{0,31}\d)[a-z0-9!@#$%^&*._+-]{4,32}(?<![.])"
_NAMED_PASS = re.compile(rf"{_CALLED_ONE}{_IS}(?P<value>{_VALUE})(?![a-z0-9]){_COUNTS}")


def codes(text: str) -> Iterator[Stretch]:
    """Where verification codes, PINs and card security codes stand."""
    for pattern in (_NAMED_CODE, _CODE_THEN_NAME) if has_one(text, _CODE_WORDS) else ():
        yield from (match.span("value") for match in pattern.finditer(text))


def passwords(text: str) -> Iterator[Stretch]:
    """Where passwords stand that are called so."""
    return (match.span("value") for match in _NAMED_PASS.finditer(text)) if has_one(text, _PASS_WORDS) else iter(())
