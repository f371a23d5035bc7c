"""Errors of drivers become what a person or the next pull does about them, without a secret."""

from __future__ import annotations

import traceback

import pymysql
import pytest
from sqlalchemy import exc

from connectors.errors import (
    ConnectorError,
    SourceMisconfigured,
    SourceUnreachable,
    SourceUnreadable,
)
from connectors.sql_erp.failures import translated


def raised(error: Exception, *, secret: str = "", label: str = "query") -> ConnectorError:
    with (
        pytest.raises(ConnectorError) as caught,
        translated("erp", secrets=(secret,), label=label),
    ):
        raise error
    return caught.value


def of_mysql(code: int) -> Exception:
    original = pymysql.OperationalError(code, "it went wrong\nand more")
    return exc.OperationalError("SELECT 1", {}, original)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1205, SourceUnreachable),
        (1213, SourceUnreachable),
        (2003, SourceUnreachable),
        (2013, SourceUnreachable),
        (1054, SourceMisconfigured),
        (1792, SourceMisconfigured),
        (1690, SourceUnreadable),
    ],
)
def test_the_numbers_of_mysql_are_known(code: int, kind: type[ConnectorError]) -> None:
    error = raised(of_mysql(code))
    assert type(error) is kind
    assert error.message == "Source erp: it went wrong"


def test_a_secret_is_taken_out_in_every_spelling() -> None:
    error = raised(ValueError("user:p%40ss and p@ss"), secret="p@ss")
    assert error.message == "Source erp: user:••• and •••"
    assert "p@ss" not in "".join(traceback.format_exception(error))


def test_a_harmless_cause_is_kept() -> None:
    cause = ValueError("year 10000 is out of range")
    assert raised(cause, secret="p@ss").__cause__ is cause


def test_an_error_while_connecting_is_of_the_url() -> None:
    assert raised(of_mysql(2003), label="").place == "url"


def test_a_defect_is_not_taken_for_a_fault_of_the_source() -> None:
    with pytest.raises(ZeroDivisionError), translated("erp"):
        raise ZeroDivisionError
