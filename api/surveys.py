"""Surveys, and the answers that a till, a kiosk or staff tell for a customer."""

from datetime import datetime
from typing import Annotated, Any

from django.utils import translation
from pydantic import BaseModel, Field

from api import fields
from api.adjustments import named
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Reference, Short
from engagement.models import Survey, SurveyAnswer
from engagement.surveys import answering, asking
from engagement.surveys.answering import MOST_LETTERS, Said
from lib import public_ids

COMMENT = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"


class PointOut(BaseModel):
    score: int
    label: str


class SurveyOut(BaseModel):
    """`scale` is what can be chosen, in the merchant's language; it is empty where words are the answer."""

    id: str
    code: str
    name: str
    kind: str
    question: dict[str, str] = Field(description="By language.")
    scale: list[PointOut]
    asks_comment: bool


class SurveyAnswerIn(Body):
    """What a customer answered. `channel` says where: till, kiosk, phone."""

    customer: Short
    score: Annotated[int, Field(strict=True, ge=0, le=20)] | None = None
    comment: Annotated[str, fields.text(MOST_LETTERS, pattern=COMMENT)] = ""
    channel: Annotated[str, fields.text(20)] = "till"
    language: fields.Language | None = None
    reference: Reference


class SurveyAnswerOut(BaseModel):
    id: str
    survey: str
    customer: str
    score: int | None
    band: str | None
    comment: str
    channel: str
    reference: str
    created_at: datetime


class Surveys(Door):
    @call(scopes=("customers:read",), answers={200: SurveyOut}, orderings=("code", "id"))
    def get(self) -> Answer:
        """List the surveys that are on, with what can be answered."""
        rows = Survey.objects.filter(merchant=self.merchant, is_on=True).select_related("merchant")
        return self.listed(rows, shape=lambda found: [survey(row) for row in found])


class SurveyAnswers(Door):
    @call(
        scopes=("customers:write",),
        body=SurveyAnswerIn,
        answers={201: SurveyAnswerOut, 200: SurveyAnswerOut},
    )
    def post(self, said: SurveyAnswerIn, survey: str) -> Answer:
        """
        Keep a customer's answer. The survey is named by id or code.

        A reference that was told before answers 200 with the first answer; an answer is never changed.
        """
        number = public_ids.read(Survey.prefix, survey)
        ours = {"code": survey} if number is None else {"pk": number}
        found = Survey.objects.filter(merchant=self.merchant, **ours).select_related("merchant").first()
        if found is None:
            raise fields.missing()
        customer = named(self, said.customer, pointer="/customer")
        words = Said(said.score, said.comment, said.language or "", said.channel)
        return self.do(
            lambda: answering.record(
                survey=found, customer=customer, said=words, reference=said.reference, at=self.at, by=self.by
            ),
            show=lambda kept: Answer(
                201 if kept[1] else 200, answer(kept[0], found), customer_id=customer.pk
            ),
        )


def survey(row: Survey) -> dict[str, Any]:
    """Return a survey as it is answered."""
    words = asking.words(row, row.merchant.language)
    return {
        "id": row.public_id,
        "code": row.code,
        "name": row.name,
        "kind": row.kind,
        "question": {language: said["question"] for language, said in row.texts.items()},
        "scale": [{"score": score, "label": label} for score, label in _scale(row, words.choices)],
        "asks_comment": row.asks_comment,
    }


def _scale(row: Survey, choices: tuple[str, ...]) -> list[tuple[int, str]]:
    with translation.override(row.merchant.language):
        return asking.scale(row, choices)


def answer(row: SurveyAnswer, of: Survey) -> dict[str, Any]:
    """Return an answer as it is answered."""
    return {
        "id": row.public_id,
        "survey": of.public_id,
        "customer": public_ids.show("cus", row.customer_id),
        "score": row.score,
        "band": row.band or None,
        "comment": row.comment,
        "channel": row.channel,
        "reference": row.reference,
        "created_at": row.at,
    }
