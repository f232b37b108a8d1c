"""Signals: answered at once, also while the program computes, on pipes and on a terminal."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import pytest
from helpers import runner
from helpers.loop_run import train

from jaxdqn.runs import signals

# Locking a mutex twice waits for ever outside of Python, so that no signal handler of Python runs.
COMPUTING = """
import ctypes
from jaxdqn.runs import signals
with signals.stop_request() as stop, {block}:
    stop.notice = "stopping ..."
    mutex, library = ctypes.create_string_buffer(256), ctypes.CDLL(None)
    library.pthread_mutex_lock(mutex)
    print("computing", flush=True)
    library.pthread_mutex_lock(mutex)
"""
TO_BE_SAVED = "signals.ending_at_once('')"
NOTHING_SAVED = "signals.ending_at_once('stopped.')"


def computing(block):
    words = [sys.executable, "-c", COMPUTING.format(block=block)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, cwd=runner.ROOT, **pipes)
    assert process.stdout.readline() == "computing\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_computes_ends_at_once_if_nothing_has_to_be_saved(number):
    process = computing(NOTHING_SAVED)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (128 + number, f"{number.name}: stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_computes_answers_and_ends_at_the_second_sigint(number):
    process = computing(TO_BE_SAVED)
    process.send_signal(number)
    assert [process.stderr.readline() for _ in range(2)] == ["\n", "stopping ...\n"]
    process.send_signal(signal.SIGTERM)  # A second SIGTERM changes nothing.
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "\nerror: stopped without saving.\n")


def test_an_earlier_signal_ends_the_block_before_it_begins():
    with signals.stop_request() as stop:
        stop.receive(signal.SIGTERM, None)
        with pytest.raises(signals.RunError, match=r"SIGTERM: stopped\.") as error:
            with signals.ending_at_once("stopped."):
                pytest.fail("the block began")
    assert error.value.exit_code == 143


def test_a_notebook_goes_on_after_a_signal():
    """It has no stop request, and Python raises KeyboardInterrupt."""
    # A shell that starts the tests in the background lets them ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), signals.ending_at_once("stopped."):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("allow_key_reuse")
def test_handlers_and_files_are_as_before_after_a_run(tmp_path):
    def state():
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        return handlers, wakeup

    before = state()
    train(tmp_path)
    assert state() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seen", "last"),
    [
        ("compiling ...", "SIGINT: stopped before training began."),
        ("evaluation", "SIGINT: stopped and saved at "),
    ],
)
def test_ctrl_c_on_a_terminal_of_80_columns(tmp_path, seen, last):
    """The answer begins a line of its own after the message or the bar, and fits into the columns."""
    words = ["-m", "jaxdqn", *runner.SMALL, "--steps", "901000", "--run-dir", tmp_path / "run"]
    terminal, end = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), end)
    process = subprocess.Popen([sys.executable, *map(str, words)], cwd=runner.ROOT, **streams)
    os.close(end)
    text, asked = b"", False
    while chunk := _read(terminal):
        text += chunk
        if not asked and seen.encode() in text:
            process.send_signal(signal.SIGINT)
            asked = True
    assert process.wait() == 130
    lines = text.decode().rstrip().splitlines()  # `\r` ends a line, too.
    assert lines[-1].startswith(last)
    assert max(len(x) for x in lines if " left" in x or x.startswith("stopping") or x == seen) <= 80
    begun = seen == "evaluation"
    assert (tmp_path / "run").exists() == begun == any(x.startswith("stopping") for x in lines)


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # The other end is closed.
        return b""
