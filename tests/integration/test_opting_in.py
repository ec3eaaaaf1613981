from __future__ import annotations

import pytest

from tests.fakes.house import open_house


def test_who_opted_out_hears_nothing_until_they_opt_in_again(tmp_path):
    with open_house(tmp_path, only=("generic",)) as house:
        generic = house.simulators["generic"]
        for number, text in enumerate(("退订", "请问几点开门?", "START", "请问怎么退货?")):
            house.receive("generic", generic.text("u1", text, native_id=f"m{number}"))
            house.pump()
        replies = {item["sk"]: item for item in house.of_kind("R#")}
        told = [replies[f"R#{item['sk'][2:]}"]["reason"] for item in sorted(house.of_kind("M#"), key=lambda item: item["seq"])]
        assert told == ["opted_out", "opted_out", "keyword", "keyword"]
        assert len(house.said()) == 2
        (conversation,) = house.of_kind("@")
        assert not conversation.get("opted_out")


@pytest.mark.parametrize("text", ["Please start the washing machine repair", "订阅号在哪里看?", "我想取消订阅"])
def test_the_words_within_a_sentence_opt_nobody_in(tmp_path, text):
    with open_house(tmp_path, only=("generic",)) as house:
        generic = house.simulators["generic"]
        for number, said in enumerate(("TD", text)):
            house.receive("generic", generic.text("u1", said, native_id=f"m{number}"))
            house.pump()
        assert house.said() == []
        assert house.of_kind("@")[0]["opted_out"] is True


@pytest.mark.parametrize("text", ["UNSTOP", "Resubscribe", "opt in", "opt me in", "subscribe me again", "恢复订阅", "重新接收"])
def test_every_word_for_it_opts_in_again_whatever_the_model_reads_in_it(tmp_path, text):
    with open_house(tmp_path, only=("generic",)) as house:
        generic = house.simulators["generic"]
        for number, said in enumerate(("TD", text)):
            house.receive("generic", generic.text("u1", said, native_id=f"m{number}"))
            house.pump()
        assert not house.of_kind("@")[0].get("opted_out")
        assert len(house.said()) == 1
