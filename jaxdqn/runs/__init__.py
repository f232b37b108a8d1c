"""All that touches the world outside: choices, progress, logs, saves, signals, pictures.

Nothing heavy is imported here: `--help` must answer at once.
"""

import time

STARTED = time.perf_counter()
"""When this process began to import, in seconds of `time.perf_counter`."""
