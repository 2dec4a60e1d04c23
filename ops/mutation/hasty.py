"""A pytest plugin: Hypothesis draws the same examples every time, and is not to look for a simpler one that fails."""

from hypothesis import Phase, settings

settings.register_profile(
    "hasty", derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("hasty")
