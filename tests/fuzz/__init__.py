"""Parsers fed with anything: targets for a coverage-guided fuzzer and for the usual tests."""
