"""One message judged: rules and model give claims, claims give labels, and the rules say what is to follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from functions.classify.config import Action
from functions.classify.denials import taken_back
from functions.classify.labels import FLAGS, Claim, resolve
from functions.classify.model.opinion import Model, Opinion
from functions.classify.model.scoring import view
from functions.classify.noise import is_noise, is_number
from functions.classify.reading import Reading
from functions.classify.rules import Examination, Fired, RuleBook
from functions.classify.weighing import believed, is_hint, standing, unsure, weighed
from functions.common.judgement import Firing, Judgement, Span

NOISE_RULE = "noise"
NUMBER_RULE = "number"
NOISE_SCORE = 0.8

# Asked with an opinion and the axes on which nobody is sure: the opinion with the advice taken, and who gave it.
SecondOpinion = Callable[[Opinion, frozenset[str]], tuple[Opinion, tuple[Firing, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What rules say is to follow. `needs_person` None: none of them said, or none that may. `points` by the rule that gave them."""

    team: str | None = None
    hold: tuple[str, ...] = ()
    escalate: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    reply: str | None = None
    suggest: tuple[str, ...] = ()
    no_reply: bool = False
    opt_in: bool = False
    needs_person: bool | None = None
    points: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a message, and what rules want done about it."""

    judgement: Judgement
    consequences: Consequences


@dataclass(slots=True)
class Claims:
    """What rules and, where there is one, the model say of one message.

    `standing` are the rules' claims that the model leaves alone, `hints` those that it may doubt.
    """

    model: Model | None
    reading: Reading
    standing: list[Claim] = field(default_factory=list)
    hints: list[Claim] = field(default_factory=list)
    opinion: Opinion | None = None
    advice: tuple[Firing, ...] = ()

    def hear(self, rule: str, claims: Iterable[Claim]) -> None:
        """A rule's claims."""
        if self.model is None:
            self.standing += claims
            return
        for claim in standing(rule, claims, self.model.rules):
            (self.hints if is_hint(rule, claim, self.model.rules) else self.standing).append(claim)

    def count(self) -> int:
        """How many claims of rules are heard."""
        return len(self.standing) + len(self.hints)

    def ask(self, rules: Iterable[str]) -> None:
        """The model, once the rules are known that fire on the text alone."""
        text = view(self.reading)
        # Of a picture without a word there is nothing to say.
        if self.model and not text.isspace() and text:
            self.opinion = self.model.opinion(self.model.scorer.features(text, rules))

    def consult(self, second_opinion: SecondOpinion) -> None:
        """Others, about what neither the model nor a rule is sure of."""
        if self.opinion and (axes := unsure(self.standing, self.opinion)):
            self.opinion, self.advice = second_opinion(self.opinion, axes)

    def take_back(self, fired: list[Fired]) -> frozenset[str]:
        """Flags that rules deny: nobody is heard who says them."""
        flags = taken_back(fired)
        for flag in flags:
            self.standing = [claim for claim in self.standing if claim.axis != flag]
            self.overrule(flag)
        return flags

    def overrule(self, axis: str) -> None:
        """What the model says of an axis is not heard: a rule knows the words, and they mean the opposite."""
        if self.opinion is not None:
            values = {known: said for known, said in self.opinion.values.items() if known != axis}
            self.opinion = replace(self.opinion, values=values)

    def settled(self, firings: tuple[Firing, ...] = ()) -> Judgement:
        """The labels on all that was said so far."""
        if self.opinion is None:
            return resolve([*self.standing, *self.hints], language=self.reading.language, firings=firings)
        claims = [*self.standing, *believed(self.hints, self.opinion)]
        return resolve(
            weighed(claims, self.opinion),
            language=self.reading.language,
            firings=firings,
            uncertain=unsure(claims, self.opinion),
        )


def judge(book: RuleBook, reading: Reading, model: Model | None = None, second_opinion: SecondOpinion | None = None) -> Verdict:
    """Judge one message, by the rules alone where there is no model; `second_opinion` is asked about what is uncertain."""
    examination = book.examine(reading)
    fired = examination.first()
    claims = Claims(model, reading)
    noise, number = _is_noise(fired, reading), is_number(reading.folded.text)
    for rule in fired:
        claims.hear(rule.rule.name, claims_of(rule.rule.then))
    if noise:
        claims.hear(NOISE_RULE, [Claim("spam", "noise", NOISE_SCORE)])
    if number:
        # The model, which knows the length of numbers and not their value, takes some for noise.
        claims.hear(NUMBER_RULE, [Claim("spam", "none", NOISE_SCORE)])
    claims.ask(evidence(fired, noise=noise))
    if second_opinion:
        claims.consult(second_opinion)
    if any(rule.rule.then.opt_in for rule in fired):
        claims.overrule("opt_out")
    denied = claims.take_back(fired)
    so_far, heard = claims.settled(), claims.count()
    later = examination.second(so_far)
    for rule in later:
        claims.hear(rule.rule.name, claims_of(rule.rule.then))
    fired += later
    changed = claims.count() > heard or claims.take_back(fired) != denied
    firings = [book.firing(rule, reading) for rule in fired]
    whole = (Span(start=0, end=reading.folded.length),)
    built_in = [NOISE_RULE] * noise + [NUMBER_RULE] * number
    firings += [Firing(rule=name, version=book.version, spans=whole) for name in built_in]
    all_firings = (*firings, *claims.advice)
    judgement = claims.settled(all_firings) if changed else replace(so_far, firings=all_firings)
    return Verdict(judgement, _consequences(fired, _overreaching(fired, examination, judgement)))


def evidence(fired: list[Fired], *, noise: bool) -> list[str]:
    """The rules that the model hears of: those that fired on the text alone."""
    return [rule.rule.name for rule in fired] + [NOISE_RULE] * noise


def _is_noise(fired: list[Fired], reading: Reading) -> bool:
    return not any(any(claims_of(rule.rule.then)) for rule in fired) and is_noise(reading.folded.text)


def _overreaching(fired: list[Fired], examination: Examination, judgement: Judgement) -> set[str]:
    """Rules that would have a machine settle a message in which more is said than they know of."""
    settling = (rule for rule in fired if rule.rule.then.needs_person is False)
    return {rule.rule.name for rule in settling if not examination.settles(rule, judgement)}


def claims_of(action: Action) -> Iterator[Claim]:
    """What a rule says of the axes."""
    for axis in ("business", "urgency", "sentiment", "spam"):
        if value := getattr(action, axis):
            yield Claim(axis, value, action.score)
    for axis in ("content", "risk"):
        for value in getattr(action, axis):
            yield Claim(axis, value, action.score)
    for flag in FLAGS:
        if getattr(action, flag):
            yield Claim(flag, "true", action.score)


def _consequences(fired: list[Fired], overreaching: set[str]) -> Consequences:
    actions = [rule.rule.then for rule in fired]
    heeded = [rule.rule.then for rule in fired if rule.rule.name not in overreaching]
    said = [action.needs_person for action in heeded if action.needs_person is not None]
    return Consequences(
        team=next((action.team for action in actions if action.team), None),
        hold=tuple(dict.fromkeys(reason for action in actions for reason in action.hold)),
        escalate=tuple(dict.fromkeys(reason for action in actions for reason in action.escalate)),
        tags=tuple(dict.fromkeys(tag for action in actions for tag in action.tag)),
        reply=next((action.reply for action in heeded if action.reply), None),
        suggest=tuple(dict.fromkeys(template for action in actions for template in action.suggest)),
        no_reply=any(action.no_reply for action in actions),
        opt_in=any(action.opt_in for action in heeded),
        needs_person=any(said) if said else None,
        points={rule.rule.name: rule.rule.then.points for rule in fired if rule.rule.then.points},
    )
