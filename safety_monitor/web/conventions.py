"""What all routes of the REST API have in common: who may ask, what a request says, and how one is refused."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from safety_monitor.config.web import Role
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.web.access import Visitor

Found = TypeVar("Found")


class Answered(BaseModel):
    """What is answered; may be made of a value of the program that has the same fields."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class Asked(BaseModel):
    """What a request says; a field that does not exist is refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Decision(Asked):
    """What somebody says who acknowledges, cancels or disarms."""

    pin: Annotated[str, Field(max_length=64)] = ""
    """Where the station asks for one."""


class Problem(BaseModel):
    """What is wrong with a request."""

    detail: Any


def needs(role: Role) -> Any:
    """A dependency that lets only those pass who have at least this role."""

    async def check(request: Request) -> Visitor:  # one that is not async would take a thread
        visitor: Visitor = request.state.visitor
        if not visitor.may(role):
            raise HTTPException(403, f"needs the role {role}; you are {visitor.role}")
        return visitor

    return Depends(check)


Answers = dict[int | str, dict[str, Any]]
"""What a route may answer, by status, as FastAPI has it for its document."""


def problems(texts: Mapping[int, str]) -> Answers:
    """Answers that say what is wrong with a request."""
    return {status: {"model": Problem, "description": text} for status, text in texts.items()}


REFUSALS = problems(
    {
        401: "Not signed in",
        403: "Not allowed",
        413: "Too large",
        421: "Not its name",
        422: "Malformed",
        503: "The journal, or evidence, cannot be read",
    }
)
REFUSED = problems({409: "Its state does not allow it"})


def in_journal(use: Callable[[], Found], status: int) -> Found:
    """What `use` gives; a refusal of the journal becomes an answer with this status, one that cannot be used 503."""
    try:
        return use()
    except JournalUnusableError as error:
        raise HTTPException(503, str(error)) from None
    except JournalError as error:
        raise HTTPException(status, str(error)) from None
