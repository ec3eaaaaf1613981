"""Letters that look like Latin ones and are not: Cyrillic and Greek among Latin letters, small capitals, letters in boxes.

A text in Russian or Greek stays what it is: its letters count as Latin ones only inside a word that has Latin letters too, or where every
foreign letter of the text could be one.
"""

from __future__ import annotations

import re

_CYRILLIC = "аaвbеeѕsіiјjкkмmнhоoрpсcтtуyхxԁdԛqԝwһhѵvӏlгrАaВbЕeЅsІiЈjКkМmНhОoРpСcТtУyХxԌgԚqԜwѴvӀl"
_GREEK = "αaιiκkνvοoρpυuϲcΑaΒbΕeΖzΗhΙiΚkΜmΝnΟoΡpΤtΥyΧxϹc"
_OTHERS = "➕+ᴀaʙbᴄcᴅdᴇeꜰfɢgʜhɪiᴊjᴋkʟlᴍmɴnᴏoᴘpʀrꜱsᴛtᴜuᴠvᴡwʏyᴢzıiɑaɡgøoØođdĐdłlŁl"
# Letters in black circles and black squares, from A on. Squared words (🆘) are something else.
_BLACK = (0x1F150, 0x1F170)

FOREIGN = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LATIN_OR_FOREIGN = re.compile("[a-zA-Z\u0370-\u03ff\u0400-\u052f]+")
_LATIN = re.compile("[a-zA-Z]")


def _pairs(letters: str) -> dict[int, str]:
    return {ord(letters[place]): letters[place + 1] for place in range(0, len(letters), 2)}


_TABLE = _pairs(_CYRILLIC + _GREEK)
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
