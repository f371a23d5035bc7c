"""Fixtures of every suite: real database servers, one of each per session."""

from tests.databases import mariadb, postgres

__all__ = ["mariadb", "postgres"]
