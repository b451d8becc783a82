"""What all tests share."""

import os
import signal

from hypothesis import settings

settings.register_profile(
    "ci", derandomize=True
)  # the same examples every time: a new find belongs to whoever looks, not to whoever submits
if os.environ.get("CI"):
    settings.load_profile("ci")

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts the tests in the background ignores Ctrl-C
