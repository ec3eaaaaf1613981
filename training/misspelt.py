"""Messages once more with wrong characters of the same sound, as they are typed in haste, dictated, or written to hide: 转宽, 投素.

Every third message that has such characters is learnt in both ways, in the fold of its author. Messages are drawn whatever their labels,
so that a wrong character is a sign of nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from zlib import crc32

import numpy as np

from training.seed import Example

_EVERY, _WRONG = 3, 0.2
# Characters of one sound, tones aside; each stands for all that are beside it.
_SOUNDS = """
在再 的得地 做作坐座 款宽 请清青情 账帐胀障 钱前千 退腿 换唤焕 投头 诉素速 货祸或 发法 票漂飘 到道倒
码马吗妈 密蜜 转专砖传 汇会惠 信心新芯 律率绿 师诗失 告高搞 警景井 报抱爆曝 光广 伤商 烧稍 死四 跳条
药要 血雪 烫汤 电店垫 火伙活 炸诈 漏露 毒独 打大 行型形 银引 卡咖 支只知 付负复服福 宝保饱 号好
验燕严 证正政 人仁 工公 客刻 订定丁 单丹担 快块筷 递弟 物误务 流留刘 价架假 优忧 券劝 动冻洞 登灯
录路 员圆元 积机鸡 分份 品拼 质制 量亮辆 坏怀 修休 时十实 候后 么嘛 为位未 没美每媒 有友又 是事市
不布部 现先线 已以 收手首 取去 消小 预遇玉 约月 改该 明名 天田 今金斤 晚完 急集级 差茶查 太态 气汽起
骗片 体提 院愿 安按 全权 语雨 声生 带代待 离里理
"""
_OTHERS = {own: sounds.replace(own, "") for sounds in reversed(_SOUNDS.split()) for own in sounds}


def with_misspelt(examples: Iterable[Example]) -> Iterator[Example]:
    """The examples, every third of those that can be misspelt a second time so; the same ones for the same texts."""
    for example in examples:
        yield example
        if _name(example.text) % _EVERY == 0:
            text = misspelt(example.text)
            if text != example.text:
                yield replace(example, text=text, misspelt=True)


def misspelt(text: str) -> str:
    """A text with one in five of the characters that sound like others in their place; the same for the same text."""
    chance = np.random.default_rng(_name(text)).random((len(text), 2))
    return "".join(_other(own, which) if wrong < _WRONG else own for own, (wrong, which) in zip(text, chance, strict=True))


def _other(own: str, which: float) -> str:
    others = _OTHERS.get(own, own)
    return others[int(which * len(others))]


def _name(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass"))
