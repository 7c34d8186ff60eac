"""When worker processes are forked from the one that has compiled the mappings."""

from __future__ import annotations

import sys
from threading import Event, Thread

import pytest

from fhir_bridge.pipeline.engine import may_fork


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the threads of a process")
def test_a_process_of_several_threads_is_not_forked() -> None:
    ended = Event()
    other = Thread(target=ended.wait)
    other.start()
    try:
        assert not may_fork()
    finally:
        ended.set()
        other.join()
