"""What code takes from outside itself, so that a test can give it instead."""

from cms_service.core.dependencies.clock import Clock, SystemClock
from cms_service.core.dependencies.entropy import Entropy, SystemEntropy

__all__ = ["Clock", "Entropy", "SystemClock", "SystemEntropy"]
