"""Lets pytest explain the suite's failed asserts; it rewrites only test modules by itself."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.connectors.conformance")
