"""How long the fuzz tests look: always at the same examples, or at many new ones."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

THOROUGH = "thorough"
"""The profile of `make test-all`: pytest --hypothesis-profile=thorough."""

_TIMES_MORE = 20


def register_profiles() -> None:
    """Let pytest know the profile; it is loaded before any test module is."""
    settings.register_profile(THOROUGH, deadline=None)


def fuzz(examples: int) -> settings:
    """Look at so many examples, the same in every run; under `THOROUGH` at many more, new ones."""
    thorough = settings.get_current_profile_name() == THOROUGH
    return settings(
        max_examples=examples * (_TIMES_MORE if thorough else 1),
        derandomize=not thorough,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
