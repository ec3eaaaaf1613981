"""What people do to words to hide them from machines, undone: 转.账, 薇❤信, l-o-a-n, cas1no, 亻弋开.

The result is looked at beside the folded view, not in its place, and only for words that anybody hides: taken for the text itself it
would make words of what is none (打 款式 is no 打款).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

_HANS = "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]"
_HAN = re.compile(_HANS)
# Punctuation that ends a clause is no filler, nor is what stands for personal data (of private use).
_CLAUSE_END = re.compile("[,;:!?。、\ue000-\uf8ff]")
_HEART = "[❤♥💗💕🧡💛💚💙💜🖤⭐]"
_PICTURE = "[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"
_PICTURES = re.compile(f"{_PICTURE}+")
# What may be a gap: a run between Chinese characters, between letters that stand alone, or of pictures between letters. Its first character
# is looked for before what stands in front of it, for characters are what is found at once.
_RUN = re.compile(
    rf"[\W_](?:(?<={_HANS}[\W_])[\W_]{{0,3}}(?={_HANS})|(?<=[a-z][\W_])(?<![^\W_][a-z][\W_])[\W_]?(?=[a-z](?![^\W_]))"
    rf"|(?<=[a-z]{_PICTURE}){_PICTURE}{{0,3}}(?=[a-z]))"
)
# From so many letters on, what stands beside a picture is a word: love😀you.
_PIECE = 3
_LETTERS_FROM, _ENDS_IN_LETTERS = re.compile("[a-z]+"), re.compile("[a-z]+$")
_ALONE, _END = "(?<![a-z0-9])", "(?![a-z])"
# 加微糖, 加微波炉 and 加威士忌 are orders.
_OTHER_WORDS = "[波博商小型微笑电店风妙量观调辣甜苦酸糖冰积粒机火士章]"
# 裙子 is a skirt, 企鹅 a bird, 丁丁 a name and 威信 a virtue, unless somebody is to be added to them.
_VARIANTS: tuple[tuple[str, str], ...] = (
    (rf"[薇徽葳溦]\W?信|[微薇徽威葳溦]\W?芯|[薇徽葳]\W?心|[微薇威徽葳]{_HEART}信?|[微薇威徽葳v]\W{{0,2}}xin", "微信"),
    (rf"(?<=[加+佳伽嘉添])\W?威信|威信(?=[号:\d]|同号)|威{_HEART}信", "微信"),
    (rf"{_ALONE}v{_HEART}信?|{_ALONE}(?:v\W{{0,2}}(?:信|芯)|w信|wei\W?xin|wechat|[vw]\W?x){_END}", "微信"),
    (rf"(?<=[加+佳伽嘉家])\W?v{_END}(?!\W?[信芯心x])", "微信"),
    (rf"(?<=[加+佳伽嘉])\W?[微薇威徽](?!\W?[信芯心x]|{_OTHER_WORDS})", "微信"),
    (r"扣扣|抠抠|扣q|q扣|q\W{1,2}q", "qq"),
    (r"(?<=[加+佳伽嘉])\W?(?:企鹅|扣|抠|q(?![a-z]))", "qq"),
    (r"企鹅(?=\W{0,2}(?:号|群|\d{3}))|[秋球]{2}(?=\W?(?:号|群|\d{5}))", "qq"),
    (r"君羊|峮|(?<=[加进入拉q扣])裙(?![子装摆裤边撑])|裙号(?!码)", "群"),
    (r"(?<=加)(?:丁丁|叮叮)|(?:丁丁|叮叮)(?=群|号)", "钉钉"),
    # The signs for “add me”.
    (r"[+佳伽嘉](?=\W?(?:[v微薇威徽扣企q]))|力口|家(?=v)", "加"),
    # Characters taken apart, and half in pinyin.
    ("亻弋", "代"), ("亻氐", "低"), ("亻言", "信"), ("车专", "转"), ("贝长", "账"), ("讠正", "证"), ("石马", "码"), ("钅艮", "银"),
    (r"(?<=发)木票", "票"), ("tao(?=现)", "套"), ("(?<=下)kuan|(?<=[贷汇打])kuan", "款"), ("dai(?=款)", "贷"), ("zhuan(?=账|钱)", "转"),
    ("(?<=转)zhang", "账"), ("hui(?=款)", "汇"), ("(?<=验)zheng(?=码)", "证"), ("yan(?=证码)", "验"), ("(?<=密)ma(?![a-z])", "码"),
    ("mi(?=码)", "密"), ("(?<=[发开])piao", "票"), ("fa(?=票)", "发"), ("shua(?=[单粉])", "刷"), ("(?<=刷)dan(?![a-z])", "单"),
    # Other characters that sound the same.
    ("发[漂飘嘌]", "发票"), ("蜜码", "密码"), ("验正码|岩证码|验証码", "验证码"), ("转[帐障胀]|撰账", "转账"),
    ("代款(?=.{0,6}(?:秒|息|额))", "贷款"),
)  # fmt: skip
# One of these begins every variant, which spares most places of a text the rest; a mark does behind the signs for “add me” alone.
_VARIANT = re.compile(
    r"(?:(?=[+薇徽葳溦微威vw扣抠q企秋球君峮裙丁叮佳伽嘉家力亻车贝讠石钅木tkdzhymfps漂飘嘌蜜验岩转撰代发障胀])|(?<=[加+佳伽嘉家])(?=\W))(?:"
    + "|".join(pattern for pattern, _ in _VARIANTS)
    + ")"
)
# One of these is in every variant; most texts have none and are done with. 微 alone would be in too many.
_SUSPECT = re.compile(
    rf"[加佳伽嘉]\W?微(?!信)|{_HEART}|[芯薇徽葳溦威扣抠企秋球君峮裙丁叮力亻车贝讠石钅木漂飘嘌蜜岩障胀撰正証代帐+a-z]"
)
_LEET = re.compile(r"[013457@!$](?:(?<=[a-z].)|(?<=[a-z]0.))(?=0?[a-z]|(?<=[@$])(?![a-z0-9]))")
_LETTERS = {"0": "o", "1": "i", "!": "i", "3": "e", "4": "a", "@": "a", "5": "s", "$": "s", "7": "t"}


@dataclass(frozen=True, slots=True)
class Bare:
    """A folded text without its disguises; character i of it stands for `places[i]` (start, end) of the folded text."""

    text: str
    places: tuple[tuple[int, int], ...]

    def stretch(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the folded text behind `text[start:end]`, which must not be empty."""
        return self.places[start][0], self.places[end - 1][1]


def bare(folded: str) -> Bare | None:
    """A folded text without its disguises; None when it has none. Linear in the length of the text."""
    view = _rewritten(Bare(folded, ()), _RUN, _gap)
    if _SUSPECT.search(view.text):
        view = _rewritten(view, _VARIANT, _standard)
        view = _rewritten(view, _LEET, lambda found: _LETTERS[found[0]])
    return view if view.places else None


def _standard(found: re.Match[str]) -> str:
    """What a variant stands for. Asked of those found only: a pattern that notes which of its parts it was takes three times as long."""
    return next(standard for pattern, standard in _VARIANTS if _compiled(pattern).match(found.string, found.start()))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _gap(run: re.Match[str]) -> str:
    """Nothing, for filler between Chinese characters, between letters that stand alone (l-o-a-n, s t o p), or a picture within a word
    (re❤fund). Else the run itself."""
    text, (start, end) = run.string, run.span()
    if not start or end == len(text) or end - start > 4:
        return run[0]
    if _HAN.match(text[start - 1]) and _HAN.match(text[end]):
        return run[0] if _CLAUSE_END.search(run[0]) else ""
    if _PICTURES.fullmatch(run[0]):
        return "" if _splits_a_word(text, start, end) else run[0]
    return (
        "" if end - start < 3 and _alone(text, start - 1) and _alone(text, end) and not _CLAUSE_END.search(run[0]) else run[0]
    )


def _splits_a_word(text: str, start: int, end: int) -> bool:
    """Whether there are letters on both sides, and on one of them too few for a word of its own; v❤ has a meaning already."""
    before, after = _ENDS_IN_LETTERS.search(text, max(0, start - _PIECE), start), _LETTERS_FROM.match(text, end)
    return bool(before and before[0] != "v" and after and min(len(before[0]), len(after[0])) < _PIECE)


def _alone(text: str, place: int) -> bool:
    return "a" <= text[place] <= "z" and not any(text[at : at + 1].isalnum() for at in (place - 1, place + 1) if at >= 0)


def _rewritten(view: Bare, pattern: re.Pattern[str], standard: Callable[[re.Match[str]], str]) -> Bare:
    """A view with every find replaced by what it stands for; the view itself when there is none, or all are as they should be."""
    hits = [
        (found.start(), found.end(), said) for found in pattern.finditer(view.text) if (said := standard(found)) != found[0]
    ]
    if not hits:
        return view
    places = view.places or tuple((place, place + 1) for place in range(len(view.text)))
    parts: list[str] = []
    kept: list[tuple[int, int]] = []
    reached = 0
    for start, end, said in hits:
        parts += (view.text[reached:start], said)
        kept += places[reached:start]
        kept += ((places[start][0], places[end - 1][1]),) * len(said)
        reached = end
    return Bare("".join((*parts, view.text[reached:])), (*kept, *places[reached:]))
