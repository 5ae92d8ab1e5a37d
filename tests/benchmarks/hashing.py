"""The limit of a login: Argon2id with the service's parameters, on as many threads, and nothing else."""

import time
from concurrent.futures import ThreadPoolExecutor

import argon2

from cms_service.core.security import ARGON2ID
from tests.benchmarks.figures import Figures, figures_of


def verify_in_a_loop(seconds: float, threads: int) -> Figures:
    hasher = argon2.PasswordHasher.from_parameters(ARGON2ID)
    password = "a password of some length"
    stored = hasher.hash(password)
    end = time.perf_counter() + seconds

    def work(_: int) -> list[float]:
        durations = []
        while (start := time.perf_counter()) < end:
            hasher.verify(stored, password)
            durations.append(time.perf_counter() - start)
        return durations

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        durations = [duration for part in pool.map(work, range(threads)) for duration in part]
    return figures_of(durations, time.perf_counter() - start)
