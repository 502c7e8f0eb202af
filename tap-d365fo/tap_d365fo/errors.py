"""What F&O says when it says no, in words; and the error table of its OData service."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from singer_delivery.errors import Refused
from singer_delivery.policy import Action, ErrorTable

#: `Write failed for table row of type 'X'. Infolog: Level: text.; Level: text.`
FAILED_ROW = re.compile(
    r"(?P<operation>[A-Z][\w ]*?) failed for table row of type '(?P<entity>[^']*)'\.?\s*"
    r"(?:Infolog:\s*(?P<infolog>.*))?",
    re.DOTALL,
)
LEVEL = re.compile(r"(?:^|;\s*)(Info|Warning|Error):\s*")
WRITE_EXCEPTION = "AxODataWriteException"
MISSING_FOR_UPDATE = "No resources were found when selecting for update"
DUPLICATE_KEY = "record already exists"
UPDATE_CONFLICT = "update conflict occurred"
#: Lines of an infolog that only a programmer can use.
TECHNICAL = re.compile(r"^(validate(Field|Write|Delete) failed on |Update has been cancel)", re.I)
GENERIC = frozenset({"", "An error has occurred."})
NOT_REGISTERED = (
    "the application is not registered in Microsoft Entra ID applications or lacks a role: "
    "in Dynamics, System administration > Setup > Microsoft Entra ID applications, give its "
    "client id a user whose roles include this data entity"
)


@dataclass(frozen=True)
class InfoLog:
    """One line of the infolog; `level` is Info, Warning or Error."""

    level: str
    text: str


@dataclass(frozen=True)
class Problem:
    """An error answer, read. `business` tells that F&O's own rules refused the row.

    `text` is for a person: the infolog without its technical lines, else the innermost message.
    `messages` holds every message of the body, outermost first.
    """

    text: str
    infolog: tuple[InfoLog, ...] = ()
    entity: str = ""
    business: bool = False
    messages: tuple[str, ...] = ()


class BusinessRefusal(Refused):
    """F&O's own rules refused a row; `problem.text` is the reason without the request around it."""

    def __init__(
        self,
        message: str,
        *,
        problem: Problem,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.problem = problem


def refusal(text: str, answer: requests.Response, request_id: str | None) -> Refused:
    """Return what a refused answer stands for: F&O's own rules, or a request it cannot read."""
    problem = read_problem(answer)
    if not problem.business:
        return Refused(text, status=answer.status_code, request_id=request_id)
    return BusinessRefusal(text, problem=problem, status=answer.status_code, request_id=request_id)


class FinOpsErrorTable(ErrorTable):
    """The error table of F&O: business errors are 400 today, 500 on older platforms and in $batch.

    Such an error proves that nothing was written, whatever its status. An update conflict is one
    that goes away: another user or worker held the row.
    """

    def for_response(self, method: str, response: requests.Response) -> Action:
        """Return what this answer asks for."""
        if response.is_redirect:
            return Action.DENY  # to a sign-in page, or from an address that is not the exact one
        if response.status_code in {400, 412, 500}:
            problem = read_problem(response)
            if is_update_conflict(problem):
                return Action.RETRY
            if problem.business:
                return Action.REFUSE
        return super().for_response(method, response)


def is_duplicate_key(problem: Problem) -> bool:
    """Tell whether a create was refused because the key is taken (text of an English user)."""
    return any(DUPLICATE_KEY in message for message in problem.messages)


def is_missing_for_update(problem: Problem) -> bool:
    """Tell whether an update or delete found no such row: F&O has no upsert, and says 400."""
    return any(MISSING_FOR_UPDATE in message for message in problem.messages)


def is_update_conflict(problem: Problem) -> bool:
    """Tell whether somebody else changed the row in between (text of an English user)."""
    return any(UPDATE_CONFLICT in message for message in problem.messages)


def explain(response: requests.Response) -> str:
    """Return why F&O refused, in words; for ApiSession."""
    if response.is_redirect:
        target = urlsplit(response.headers["Location"]).netloc or "another page"
        return f"leads to {target}: is base_url the exact address of the environment?"
    text = read_problem(response).text
    match response.status_code:
        case 403:
            return f"{NOT_REGISTERED}. {text}".rstrip(" .")
        case 401:
            return (
                "the token is not accepted; the token must be for exactly this environment's "
                f"host, from the tenant that the environment lives in. {text}"
            ).rstrip(" .")
        case 404:
            return text or "not found"
        case _:
            return text or response.reason or "no reason given"


def is_absence(response: requests.Response) -> bool:
    """Tell whether a 404 means that there is no such row.

    F&O answers an empty or short body then; a web page comes from a gateway before a stopped
    environment, and an unknown set is named as a segment.
    """
    page = response.content.lstrip().startswith(b"<")
    return response.status_code == 404 and not page and "segment" not in read_problem(response).text


def read_problem(response: requests.Response) -> Problem:
    """Read the body of an error answer, whatever it is: OData JSON, HTML, plain text, nothing."""
    text = response.content.decode("utf-8", errors="replace").strip()
    try:
        body = json.loads(text) if text else None
    except ValueError:
        return Problem(text=_shorten(_plain(text)))
    if not isinstance(body, dict):
        return Problem(text=_shorten(_plain(text)))
    details = list(_details(body))
    return _problem(tuple(m for m, _ in details), tuple(kind for _, kind in details))


def _problem(messages: tuple[str, ...], kinds: tuple[str, ...]) -> Problem:
    row = next(filter(None, map(FAILED_ROW.search, messages)), None)
    infolog = tuple(parse_infolog(row["infolog"] or "")) if row else ()
    return Problem(
        text=_shorten(_words(infolog) or _innermost(messages, row)),
        infolog=infolog,
        entity=row["entity"] if row else "",
        business=bool(row)
        or any(WRITE_EXCEPTION in kind for kind in kinds)
        or any(MISSING_FOR_UPDATE in message for message in messages),
        messages=messages,
    )


def _details(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (message, exception type) from the outermost error to the innermost."""
    level: Any = body.get("error", body)
    while isinstance(level, Mapping):
        message = level.get("message", level.get("Message", ""))
        yield str(message or "").strip(), str(level.get("type") or "")
        level = level.get("innererror") or level.get("internalexception")


def parse_infolog(text: str) -> list[InfoLog]:
    """Split the part behind `Infolog:`; text without a level counts as one Error."""
    parts = LEVEL.split(text.strip())
    lines = [InfoLog("Error", parts[0])] if parts[0].strip() else []
    lines += [InfoLog(*pair) for pair in zip(parts[1::2], parts[2::2], strict=True)]
    return [InfoLog(line.level, _sentence(line.text)) for line in lines]


def telling(text: str) -> str:
    """Return a message without its technical parts; of an infolog, the lines for a person."""
    row = FAILED_ROW.search(text)
    infolog = tuple(parse_infolog((row["infolog"] if row else text) or ""))
    return _shorten(_words(infolog) or _sentence(text))


def _sentence(text: str) -> str:
    """Join the lines of a text and undo the full stop that F&O adds to one."""
    return re.sub(r"\.\.$", ".", re.sub(r"\s+", " ", text).strip())


def _words(infolog: tuple[InfoLog, ...]) -> str:
    telling = [line.text for line in infolog if not TECHNICAL.match(line.text)]
    return " ".join(telling or [line.text for line in infolog])


def _innermost(messages: tuple[str, ...], row: re.Match[str] | None) -> str:
    if row:
        return f"{row['operation']} failed for {row['entity']}"
    telling = [_sentence(message) for message in messages if message not in GENERIC]
    return telling[-1] if telling else _sentence(messages[-1] if messages else "")


def _plain(text: str) -> str:
    """Return the title of an HTML page, or its text; any other text as it is."""
    if "<" not in text:
        return _sentence(text)
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    source = title[1] if title else re.sub(r"(?is)<(script|style).*?</\1>", " ", text)
    return _sentence(html.unescape(re.sub(r"<[^>]*>", " ", source)))


def _shorten(text: str, limit: int = 1000) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
