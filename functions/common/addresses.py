"""Postal addresses of persons, found in folded text: a way or an estate with a number, and what goes with it before and behind.

A town, a district or a street by itself is no one's address, and neither is a floor of a building that is not named: people ask about
shops there. An address is known by its core (路88号, 花园3栋, 2单元501) and then followed to both sides, so that the cost is linear in the
length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from functions.common.numbers import Stretch

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_NO = r"(?:\d{1,5}|[一二三四五六七八九十百]{1,4})"
# "3号发货" is a date.
_NOT_A_DAY = r"(?! ?(?:之?前|之?后|左右|下午|上午|早上|晚上|中午|才|就|发货|到货|收到|到的|下单|线|店|门店|柜))"
_WAY = r"(?<!线)(?<!电)(?<!网)(?<!思)(?<!套)(?<!半)(?<!一)(?<!走)(?:大道|大街|路|街|巷|胡同|弄|村|社区|坊)(?: ?[一二三四五六七八九十]段)?"
_ESTATE = (
    r"(?:小区|花园|公寓|大厦|广场|家园|新村|宿舍|公馆|别墅|国际|山庄|新城|名城|雅苑|嘉苑|佳苑|新苑|丽苑|苑"
    r"|华府|豪庭|华庭|名邸|名都|世家|公园里|家属院|大院|学院|大学|校区)"
)
_WAY_NUMBER = rf" ?(?:{_NO}(?:[-之]\d{{1,3}})?(?:号院|号楼|号{_NOT_A_DAY})|\d{{1,5}}(?:弄|巷|组(?!合)))"
_BLOCK = rf"(?: ?(?:[a-z]|{_NO}|[东西南北])(?:号楼|栋|幢|座(?!位)|塔|单元|号院|期(?=\d|[一二三四五六七八九])|区(?=\d)))"
_ROOM = r"(?: ?(?:\d{1,2}(?:楼|层) ?)?[a-z]?\d{2,5}(?:-\d{1,4})? ?(?:室|房(?!间多)|户))"
_DOOR = rf"(?: ?{_NO}(?:号{_NOT_A_DAY}|楼|层|门))"
_BARE_ROOM = r"(?: ?-?[a-z]?\d{3,4}(?![\d.])(?! ?(?:元|块|年|件|个|米|克|人|次|号)))"
_DETAIL = rf"(?:[ ,]?[{_HAN}a-z0-9]{{1,10}}?{_ESTATE}(?={_BLOCK}|{_ROOM}|{_DOOR}|{_BARE_ROOM}))?(?:{_BLOCK}|{_ROOM}|{_DOOR})*{_BARE_ROOM}?"

_CORES = (
    rf"(?<=[{_HAN}]){_WAY}{_WAY_NUMBER}",
    rf"(?<=[{_HAN}])园 ?{_NO}(?:号楼|栋|幢|单元)",
    rf"(?<=[{_HAN}a-z0-9]){_ESTATE}(?:{_BLOCK}|{_ROOM}|(?={_NO}号楼))",
)
_HOUSEHOLD = (
    r"(?<!\d)(?:\d{1,3}|[a-z])(?:号楼|栋|幢|座) ?"
    r"(?:(?:\d{1,2}|[一二三四五六])单元 ?(?:\d{1,2}(?:楼|层) ?)?[a-z]?\d{3,4}(?: ?[室房户号])?(?!\d)|\d{3,4} ?[室房户])"
    r"|(?<!\d)(?:\d{1,2}|[一二三四五六])单元 ?(?:\d{1,2}(?:楼|层) ?)?\d{3,4} ?[室房户]"
)
# "12-3-501" only where the text says that it is where somebody lives.
_DASHED_ROOM = re.compile(r"(?:地址|我家|住在|家住|住的是|房号|门牌号?)(?:是|为|在)? ?:? ?(\d{1,3}-\d{1,2}-\d{3,4})(?![\d-])")

# Without one of these there is no address: the cheap question first. It begins with all characters that any of them begins with, for those
# are looked for at once; which of them it was is asked after that.
_NAME_ENDS = "路街道巷弄村坊区同苑园寓厦场舍馆墅际庄城府庭邸都家院学里"
_CHINESE_SIGNS = re.compile(
    rf"[{_NAME_ENDS}栋幢座楼单\d室房户段](?:(?<=[{_NAME_ENDS}]) ?{_NO}[号弄巷组栋幢座塔单室房户期区门楼层-]"
    rf"|(?<=[栋幢座楼]) ?[\d一二三四五六]|(?<=单)元|(?<=\d)-\d{{1,2}}-\d|(?<=[\d{_HAN}][室房户段]))"
)

_REACH = 40
_RUN = re.compile(rf"[{_HAN}](?:[{_HAN}0-9]| (?=[{_HAN}]))*$")
# What stands before a place and is no part of its name.
_LEADS = re.compile(
    r"收货地址|详细地址|我的地址|地址|寄到|送到|发到|改成|改到|改为|寄给|发给|送给|快递到|住在|家住|我家|我住|住|位于|坐落|就在|在|到|是|为|换成|的|寄|收件|请|我们?|那边|这边|谢谢|麻烦|你好|您好"
)
# A shop's address is nobody's.
_A_SHOP = re.compile(
    r"(?:你们|你家|您家|贵店|贵司|门店|店铺|总店|分店|本店|店|餐厅|饭店|酒店|公司|商场|医院|学校)[^,;。!?]{0,6}$"
)

_WAY_WORD = (
    r"(?:street|st|road|rd|avenue|ave|boulevard|blvd|lane|ln|drive|dr|court|ct|terrace|crescent|close|parkway|pkwy|highway|hwy)"
)
_ENGLISH_SIGNS = re.compile(rf"\d[a-z]?,? [^\d]{{2,70}}? {_WAY_WORD}(?![a-z])")
_NOT_A_NAME = (
    r"(?:the|a|an|of|on|in|at|for|to|my|your|our|hours?|hrs?|mins?|minutes?|days?|weeks?|years?|months?|miles?|km|kms|meters?|people|men|women"
    r"|or|and|is|was|more|times?|am|pm|way|one|per|off|down|up|this|that|from|no|not|items?|pieces?|pcs|x|usb|cd|gb|tb|ssd|hard|test|flash|disk|thumb"
    r"|very|so|too|it|i|we|you|they|when|if|can|will|as|with|by|until|till|before|after)"
)
_WORD = rf"(?!{_NOT_A_NAME} )[a-z][a-z'.]{{1,20}}"
_ENGLISH = (
    r"(?<![\d./$£€#:-])(?:(?:flat|apt|apartment|unit|suite) ?#?[a-z]?\d{1,4}[a-z]?,? )?(?<!\d)\d{1,5}[a-z]?,? "
    rf"(?:[nsew]\.? |north |south |east |west )?(?:\d{{1,3}}(?:st|nd|rd|th)|{_WORD}(?: {_WORD}){{0,2}}) {_WAY_WORD}(?![a-z])\.?"
    r"(?:,? (?:n|s|e|w|ne|nw|se|sw)(?![a-z]))?"
    r"(?:,? ?(?:apt|apartment|unit|flat|suite|ste|floor|room|#)\.? ?#?[a-z]?\d{1,5}[a-z]?)?"
    r"(?:,? (?:[a-z]{2,20} ){0,2}?[a-z]{2,20},? ?(?:[a-z]{2},? )?\d{5}(?:-\d{4})?(?!\d))?"
    r"(?:,? (?:[a-z]{2,20},? ){0,2}?[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}(?![a-z0-9]))?"
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern, compiled when a text first needs it: most processes see few addresses, and all of them start."""
    return re.compile(pattern)


def addresses(text: str) -> Iterator[Stretch]:
    """Where postal addresses stand."""
    if _CHINESE_SIGNS.search(text):
        yield from _chinese(text)
    if _ENGLISH_SIGNS.search(text):
        yield from (match.span() for match in _compiled(_ENGLISH).finditer(text))


def _chinese(text: str) -> Iterator[Stretch]:
    for core in map(_compiled, _CORES):
        for match in core.finditer(text):
            head = _head(text, match.start())
            if head is not None:
                yield head, _tail(text, match.end())
    yield from (match.span() for match in _compiled(_HOUSEHOLD).finditer(text))
    yield from (match.span(1) for match in _DASHED_ROOM.finditer(text))


def _head(text: str, core: int) -> int | None:
    """Where the name before a core begins; None when there is no name, or it is a shop's."""
    least = max(0, core - _REACH)
    run = _RUN.search(text, least, core)
    if run is None:
        return None
    begins = run.start()
    for lead in _LEADS.finditer(text, begins, core):
        begins = lead.end()
    while begins < core and text[begins] in " ,":
        begins += 1
    if begins >= core or _A_SHOP.search(text, max(0, begins - 12), begins):
        return None
    return begins


def _tail(text: str, end: int) -> int:
    """Where what belongs to an address behind its core ends."""
    detail = _compiled(_DETAIL).match(text, end)
    return detail.end() if detail else end
