"""A custom classifier in Amazon Comprehend, behind an endpoint of the operator's.

https://docs.aws.amazon.com/comprehend/latest/APIReference/API_ClassifyDocument.html
"""

from __future__ import annotations

from typing import Any, get_args

from functions.classify.advice.panel import Answer, AnswerInvalid
from functions.common.errors import aws_faults
from functions.common.judgement import Business, Sentiment, Spam, Urgency

READ_SECONDS = 2.0
# Below this the classifier is no surer than the model that asked.
LEAST_SCORE = 0.6
CLASSES = {
    f"{axis}.{value}"
    for axis, values in {"business": Business, "sentiment": Sentiment, "spam": Spam, "urgency": Urgency}.items()
    for value in get_args(values)
}


class ComprehendClassifier:
    """`client` is boto3's for `comprehend`. The classifier is multi-class; its classes are called `axis.value` (`sentiment.negative`)."""

    name = "comprehend"

    def __init__(self, client: Any, endpoint: str) -> None:
        self.client = client
        self.endpoint = endpoint
        self.version = endpoint.rpartition("/")[2]

    def answer(self, text: str) -> Answer:
        """The likeliest class; nothing if that is not likely enough. `AnswerInvalid` for a class that is no label."""
        with aws_faults("ClassifyDocument"):
            answer = self.client.classify_document(Text=text, EndpointArn=self.endpoint)
        try:
            best = max(answer["Classes"], key=lambda each: each["Score"])
            name, score = best["Name"], float(best["Score"])
        except (KeyError, TypeError, ValueError):
            raise AnswerInvalid("no classes in the answer") from None
        if name not in CLASSES or not 0 <= score <= 1:
            raise AnswerInvalid("the likeliest class is no label")
        axis, _, value = name.partition(".")
        return Answer({axis: (value,)}, {name: round(score, 2)}) if score >= LEAST_SCORE else Answer({}, {})
