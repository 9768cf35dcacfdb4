"""What domains above hosts want to hear of a host.

Hosts know no instances and no images; those domains register here what is to
be called with domain states and surveys, when a host falls silent, before one
is removed (what they have on it, and what they must forget of it), and who
opens an image's bytes for a host.  Naming one again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Response
from sqlalchemy.orm import Session

from agents.wire.reports import DomainStates, SurveyReport
from webcloud.errors import NotFound
from webcloud.hosts.models import Host

StatesObserver = Callable[[Session, Host, DomainStates], bool]
SurveyObserver = Callable[[Session, Host, SurveyReport], None]
HostObserver = Callable[[Session, Host], None]
Holder = Callable[[Session, Host], list[str]]
ImageOpener = Callable[[Session, Host, str], Response]

_states: list[StatesObserver] = []
_surveys: list[SurveyObserver] = []
_silences: list[HostObserver] = []
_removals: list[HostObserver] = []
_holders: list[Holder] = []
_image_openers: list[ImageOpener] = []


def on_domain_states(observer: StatesObserver) -> None:
    """Have ``observer`` called, in the request's transaction, with each newer message.

    It returns whether it must be told all again soon, because something could not be judged yet.
    """
    if observer not in _states:
        _states.append(observer)


def on_survey(observer: SurveyObserver) -> None:
    """Have ``observer`` called, in the request's transaction, with each survey a host sends."""
    if observer not in _surveys:
        _surveys.append(observer)


def on_silence(observer: HostObserver) -> None:
    """Have ``observer`` called in the transaction that writes down a host's silence."""
    if observer not in _silences:
        _silences.append(observer)


def silences() -> tuple[HostObserver, ...]:
    return tuple(_silences)


def on_removal(observer: HostObserver) -> None:
    """Have ``observer`` called in the transaction that removes an empty host."""
    if observer not in _removals:
        _removals.append(observer)


def removals() -> tuple[HostObserver, ...]:
    return tuple(_removals)


def holds(holder: Holder) -> None:
    """Have ``holder`` say, in words, what it has on a host that is to be removed."""
    if holder not in _holders:
        _holders.append(holder)


def holders() -> tuple[Holder, ...]:
    return tuple(_holders)


def opens_images(opener: ImageOpener) -> None:
    """Name the function that answers a host's download of an image."""
    _image_openers[:] = [opener]


def tell(session: Session, host: Host, states: DomainStates) -> bool:
    """Whether an observer wants all domains told again soon."""
    wanted = False
    for observer in _states:
        wanted = observer(session, host, states) or wanted
    return wanted


def tell_survey(session: Session, host: Host, report: SurveyReport) -> None:
    for observer in _surveys:
        observer(session, host, report)


def image_for(session: Session, host: Host, image_id: str) -> Response:
    """The image's bytes as a response with Range support. Raises NotFound."""
    for opener in _image_openers:
        return opener(session, host, image_id)
    raise NotFound("No images are served here.")
