"""Bad input: each is a correct result or one clear sentence; none hangs, none leaks."""
