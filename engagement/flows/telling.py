"""A flow in plain words, step by step, for whoever reads it and does not read YAML."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from engagement.flows.document import DURATION, Document, Match, Step, Test, Tests, Trigger, When

CHANNELS = {"email": "e-mail", "sms": "SMS", "push": "push", "inbox": "inbox"}


@dataclass(frozen=True, slots=True)
class Line:
    """One step as a sentence. `depth` is how deep it lies in others, `path` where it is in the text."""

    path: str
    depth: int
    text: str


def lines(document: Document) -> list[Line]:
    """Return every step as a sentence, in the order of the text, with the ways of a branch between."""
    return list(_lines(document.steps, "", 0))


def _lines(steps: tuple[Step, ...], before: str, depth: int) -> Iterator[Line]:
    for place, step in enumerate(steps, start=1):
        path = f"{before}{place}"
        yield Line(path, depth, sentence(step))
        for name, below in step.branches():
            if below:
                yield Line("", depth + 1, _way(step, name))
                yield from _lines(below, f"{path}.{name}.", depth + 1)


def _way(step: Step, name: str) -> str:
    if name == "then":
        return _("If it happens:") if step.wait_for else _("If so:")
    if name == "else":
        return _("If it does not happen in time:") if step.wait_for else _("If not:")
    arm = name.removeprefix("split-")
    assert step.split is not None
    return _("Arm %(arm)s (%(share)s %%):") % {"arm": arm, "share": step.split[arm].share}


def sentence(step: Step) -> str:
    """Return one step in words."""
    match step.verb:
        case "wait":
            if isinstance(step.wait, str):
                return _("Wait %(time)s.") % {"time": span(step.wait)}
            assert step.wait is not None
            return _("Wait until it is %(clock)s where the customer is.") % {
                "clock": f"{step.wait.until:%H:%M}"
            }
        case "wait_for":
            assert step.wait_for is not None
            return _("Wait for %(what)s, at most %(time)s.") % {
                "what": happening(step.wait_for),
                "time": span(step.wait_for.timeout),
            }
        case "if_":
            assert step.if_ is not None
            return _("Look whether %(condition)s.") % {"condition": condition(step.if_)}
        case "split":
            return _("Split customers into arms; everybody always falls into the same one.")
        case "message":
            return _message(step)
        case "points":
            return ngettext("Give %(count)s point.", "Give %(count)s points.", step.points or 0) % {
                "count": step.points
            }
        case "voucher":
            return _("Give a voucher of the reward %(reward)s.") % {"reward": step.voucher}
        case "webhook":
            assert step.webhook is not None
            return _("Tell other systems: %(name)s.") % {"name": step.webhook.name}
        case "note":
            return _("Note: %(text)s.") % {"text": step.note}
    return _("End here: %(reason)s.") % {"reason": step.exit}


def _message(step: Step) -> str:
    message = step.message
    assert message is not None
    channels = [CHANNELS[one] for one in message.channels]
    first, others = channels[0], channels[1:]
    survey = " " + _("It asks the survey %(survey)s.") % {"survey": message.survey} if message.survey else ""
    if not others:
        said = _("Send %(template)s by %(channel)s.") % {"template": message.template, "channel": first}
        return said + survey
    said = _("Send %(template)s by %(channel)s, or where that reaches nobody by %(others)s.") % {
        "template": message.template,
        "channel": first,
        "others": ", ".join(others),
    }
    return said + survey


def span(text: str) -> str:
    """Return `30m` as people say it."""
    found = DURATION.fullmatch(text)
    assert found is not None
    count = int(found[1])
    said = {
        "m": ngettext("%(count)s minute", "%(count)s minutes", count),
        "h": ngettext("%(count)s hour", "%(count)s hours", count),
        "d": ngettext("%(count)s day", "%(count)s days", count),
        "w": ngettext("%(count)s week", "%(count)s weeks", count),
    }[found[2]]
    return said % {"count": count}


def trigger(said: Trigger) -> str:
    """Return what starts a flow, in words."""
    if said.touchpoint is not None:
        tests = values(said.where)
        return f"{said.touchpoint} ({tests})" if tests else said.touchpoint
    if said.segment is not None:
        return _("Entering the segment %(segment)s") % {"segment": said.segment}
    if said.birthday is not None:
        days = said.birthday.days_before
        return _("%(days)s days before the birthday") % {"days": days} if days else _("The birthday")
    if said.points_expire is not None:
        return _("%(days)s days before points expire") % {"days": said.points_expire.days}
    if said.monthly is not None:
        return _("Day %(day)s of each month") % {"day": said.monthly.day}
    return _("Points have become enough for a reward")


def happening(match: Match) -> str:
    """Return a touchpoint in words."""
    tests = values(match.where)
    said = f"{match.touchpoint} ({tests})" if tests else match.touchpoint
    return _("%(what)s of the same %(key)s") % {"what": said, "key": match.key} if match.key else said


def values(tests: Tests) -> str:
    return ", ".join(_test(name, test) for name, test in tests.items())


def _test(name: str, test: object) -> str:
    if not isinstance(test, Test):
        return f"{name} = {test}"
    said = {
        "=": test.is_,
        "≠": test.is_not,
        "≥": test.at_least,
        "≤": test.at_most,
        "∈": ", ".join(map(str, test.one_of)) if test.one_of else None,
    }
    return ", ".join(f"{name} {sign} {value}" for sign, value in said.items() if value is not None)


def condition(when: When) -> str:
    """Return a condition in words."""
    parts = [values(when.data)] if when.data else []
    if when.segment:
        parts.append(_("the customer is in the segment %(segment)s") % {"segment": when.segment})
    if when.not_segment:
        parts.append(_("the customer is not in the segment %(segment)s") % {"segment": when.not_segment})
    if when.tier:
        parts.append(_("the tier is %(tiers)s") % {"tiers": ", ".join(when.tier)})
    if when.points:
        parts.append(_test(_("points"), when.points))
    if when.language:
        parts.append(_("the language is %(languages)s") % {"languages": ", ".join(when.language)})
    return "; ".join(parts)
