"""Letters that look like Latin ones and are not: Cyrillic and Greek among Latin letters, small capitals, letters in boxes.

A text in Russian or Greek stays what it is: its letters count as Latin ones only inside a word that has Latin letters too, or where every
foreign letter of the text could be one.
"""

from __future__ import annotations

import re
import unicodedata

_CYRILLIC = "аaвbеeѕsіiјjкkмmнhоoрpсcтtуyхxԁdԛqԝwһhѵvӏlгrАaВbЕeЅsІiЈjКkМmНhОoРpСcТtУyХxԌgԚqԜwѴvӀl"
_GREEK = "αaιiκkνvοoρpυuϲcΑaΒbΕeΖzΗhΙiΚkΜmΝnΟoΡpΤtΥyΧxϹc"
_OTHERS = "➕+ᴀaʙbᴄcᴅdᴇeꜰfɢgʜhɪiᴊjᴋkʟlᴍmɴnᴏoᴘpʀrꜱsᴛtᴜuᴠvᴡwʏyᴢzıiɑaɡgøoØođdĐdłlŁl"
# Letters in black circles and black squares, from A on. Squared words (🆘) are something else.
_BLACK = (0x1F150, 0x1F170)

# Greek, Cyrillic, small ones of both, accented Greek, and the Greek letters of mathematics.
_BLOCKS = ((0x0370, 0x052F), (0x1D26, 0x1D2B), (0x1D5D, 0x1D78), (0x1DBF, 0x1DBF), (0x1F00, 0x1FFF), (0x1D6A8, 0x1D7CB))
_FOREIGN = "".join(f"{chr(first)}-{chr(last)}" for first, last in _BLOCKS)
FOREIGN = re.compile(f"[{_FOREIGN}]")
_LATIN_OR_FOREIGN = re.compile(f"[a-zA-Z{_FOREIGN}]+")
_LATIN = re.compile("[a-zA-Z]")


def _pairs(letters: str) -> dict[int, str]:
    return {ord(letters[place]): letters[place + 1] for place in range(0, len(letters), 2)}


def _with_marks(plain: dict[int, str]) -> dict[int, str]:
    """The same for these letters with accents and in other shapes, which are folded to them: ϰ, ά, 𝝂."""
    shapes = {
        code: unicodedata.normalize("NFKD", chr(code).lower())[:1] for first, last in _BLOCKS for code in range(first, last + 1)
    }
    return {code: plain[ord(letter)] for code, letter in shapes.items() if letter and ord(letter) in plain}


_TABLE = _with_marks(_pairs(_CYRILLIC + _GREEK))
ALWAYS: dict[str, str] = {chr(code): letter for code, letter in _pairs(_OTHERS).items()} | {
    chr(first + place): chr(ord("a") + place) for first in _BLACK for place in range(26)
}


def latin(text: str) -> str:
    """The text with its foreign letters as the Latin ones that they stand for; as long as it was."""
    if all(ord(letter) in _TABLE for letter in FOREIGN.findall(text)):
        return text.translate(_TABLE)
    return _LATIN_OR_FOREIGN.sub(_word, text)


def _word(found: re.Match[str]) -> str:
    word = found[0]
    return word.translate(_TABLE) if _LATIN.search(word) else word
