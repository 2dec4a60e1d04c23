"""Mutation tests of the pure rules: for every line that goes wrong a test must fail.

mutmut writes the mutants and runs the tests, on a copy of the project that is thrown away. It mutates the bodies of
functions; constants and tables stay as they are, so the tests spell out those that matter.
"""
