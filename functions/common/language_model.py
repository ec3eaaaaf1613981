"""A language model in Amazon Bedrock, asked by its Converse API.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Any

from functions.common.errors import Poison, aws_faults

READ_SECONDS = 3.0


class NoWholeAnswer(Poison):
    """The model's answer did not come to its own end, or is not one text."""


class LanguageModel:
    """`client` is boto3's for `bedrock-runtime`; `model_id` a model's id or an inference profile's."""

    def __init__(self, client: Any, model_id: str) -> None:
        self.client = client
        self.model_id = model_id

    def said(self, instructions: str, text: str, *, most_tokens: int) -> str:
        """What it says to a text; `NoWholeAnswer`, or `Unavailable` when there is no answer in time."""
        with aws_faults("Converse"):
            answer = self.client.converse(
                modelId=self.model_id,
                system=[{"text": instructions}],
                messages=[{"role": "user", "content": [{"text": text}]}],
                inferenceConfig={"maxTokens": most_tokens, "temperature": 0.0},
            )
        return _text(answer)


def _text(answer: dict[str, Any]) -> str:
    if answer.get("stopReason") != "end_turn":
        raise NoWholeAnswer("the answer did not come to its end")
    try:
        (block,) = answer["output"]["message"]["content"]
        text = block["text"]
    except (KeyError, TypeError, ValueError):
        raise NoWholeAnswer("the answer is not one text") from None
    return str(text)
