"""Whether a sign-in that fails tells by its answer or its time what is wrong: `just test-enumeration`."""
