"""A language model in Amazon Bedrock that fills in the label sheet."""

from __future__ import annotations

from typing import Any

from functions.classify.advice.label_sheet import QUESTION, read_labels
from functions.classify.advice.panel import Answer, AnswerInvalid
from functions.common.language_model import READ_SECONDS, LanguageModel, NoWholeAnswer

__all__ = ["READ_SECONDS", "BedrockModel"]
_MOST_TOKENS = 300


class BedrockModel:
    """`client` is boto3's for `bedrock-runtime`; `model_id` a model's id or an inference profile's."""

    name = "bedrock"

    def __init__(self, client: Any, model_id: str) -> None:
        self.client = client
        self.version = model_id

    def answer(self, text: str) -> Answer:
        """The model's labels; `AnswerInvalid` for anything but one whole object, `Unavailable` when there is no answer in time."""
        try:
            return read_labels(LanguageModel(self.client, self.version).said(QUESTION, text, most_tokens=_MOST_TOKENS))
        except NoWholeAnswer as reason:
            raise AnswerInvalid(str(reason)) from None
