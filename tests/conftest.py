"""What holds for all tests."""

from hypothesis import Phase, settings

# No deadline: a busy machine is no failure. The same examples in every run; a longer run with
# others is a profile of its own: `pytest --hypothesis-profile=explore`.
settings.register_profile("ocft", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
# A planted fault is to be noticed, not understood.
settings.register_profile(
    "mutation", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("ocft")
