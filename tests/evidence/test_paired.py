"""Paired comparisons: Holm's correction, simultaneous intervals, and what they find and do not."""

import numpy as np
import pytest

from experiments.evidence.paired import differences, holm
from tests.reference import rejections_allowed
