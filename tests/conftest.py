"""Fixtures of every suite: real database servers, one of each per session."""

from tests.databases import mariadb, postgres
from tests.fuzzing import register_profiles

__all__ = ["mariadb", "postgres"]

register_profiles()
