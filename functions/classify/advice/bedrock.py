"""A language model in Amazon Bedrock, asked by its Converse API.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Any

from functions.classify.advice.label_sheet import QUESTION, read_labels
from functions.classify.advice.panel import Answer, AnswerInvalid
from functions.common.errors import aws_faults

READ_SECONDS = 3.0
_MOST_TOKENS = 300


class BedrockModel:
    """`client` is boto3's for `bedrock-runtime`; `model_id` a model's id or an inference profile's."""

    name = "bedrock"

    def __init__(self, client: Any, model_id: str) -> None:
        self.client = client
        self.version = model_id

    def answer(self, text: str) -> Answer:
        """The model's labels; `AnswerInvalid` for anything but one whole object, `Unavailable` when there is no answer in time."""
        with aws_faults("Converse"):
            answer = self.client.converse(
                modelId=self.version,
                system=[{"text": QUESTION}],
                messages=[{"role": "user", "content": [{"text": text}]}],
                inferenceConfig={"maxTokens": _MOST_TOKENS, "temperature": 0.0},
            )
        return read_labels(_text(answer))


def _text(answer: dict[str, Any]) -> str:
    if answer.get("stopReason") != "end_turn":
        raise AnswerInvalid("the answer did not come to its end")
    try:
        (block,) = answer["output"]["message"]["content"]
        text = block["text"]
    except (KeyError, TypeError, ValueError):
        raise AnswerInvalid("the answer is not one text") from None
    return str(text)
