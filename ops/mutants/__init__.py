"""Mutation tests of the pure rules: does a test fail for every line that is wrong?

mutmut writes the mutants and runs the tests, on a copy of the project that is thrown away. It mutates the bodies of
functions; constants and tables stay as they are, so the tests spell out those that matter.
"""
