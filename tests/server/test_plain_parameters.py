"""Parameters in which nothing is encoded are read and written without the steps for what is."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.server.rest.answers import encoded
from fhir_bridge.server.rest.refusal import Refusal
from fhir_bridge.server.rest.search import decoded

TEXTS = st.text("ab=&%+ _-./~|:,;?#é\n\x00", max_size=5) | st.sampled_from(["code", "patient", "p1", "718-7"])


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
def test_links_have_parameters_as_any_program_writes_them(parameters: list[tuple[str, str]]) -> None:
    assert encoded(parameters) == urlencode(parameters)


@given(st.text("ab=&%+_-./2", max_size=12) | st.just("patient=p1&code=718-7&a="))
def test_a_query_is_read_as_any_program_reads_it(query: str) -> None:
    try:
        result = decoded(query)
    except Refusal:
        return
    assert result == parse_qsl(query, keep_blank_values=True, errors="strict")
