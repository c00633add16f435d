"""Benchmarks: ratios of two things measured in turns in one run, never absolute promises."""
