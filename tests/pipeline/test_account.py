"""The account of a run: nothing is counted twice, nothing gets lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.account import MAX_ISSUE_GROUPS, Account

outcomes = st.lists(
    st.tuples(st.sampled_from(["converted", "partial", "skipped", "rejected"]), st.integers(1, 500)),
    max_size=40,
)


@given(outcomes, outcomes)
def test_read_is_converted_plus_skipped_plus_rejected_also_when_pieces_add_up(
    left: list[tuple[str, int]], right: list[tuple[str, int]]
) -> None:
    accounts = []
    for result in (left, right):
        account = Account()
        for outcome, records in result:
            account.count_record(outcome, records)
        assert account.balanced
        accounts.append(account)
    total = Account()
    for account in accounts:
        total.add(account)
    assert total.balanced
    assert total.read == sum(records for _, records in left + right)
    assert total.partial == sum(records for outcome, records in left + right if outcome == "partial")


def test_a_partial_record_is_a_converted_record() -> None:
    account = Account()
    account.count_record("partial")
    assert (account.read, account.converted, account.partial) == (1, 1, 1)


def test_issues_are_counted_by_what_they_say_with_the_first_place() -> None:
    account = Account()
    account.count_issues([Issue("error", "FB-X", "wrong", f"file:{line}") for line in (7, 8, 9)])
    assert account.report(seconds=0)["issues"] == [
        {"severity": "error", "code": "FB-X", "source": "file:7", "message": "wrong", "count": 3}
    ]


def test_a_flood_of_different_messages_is_bounded_and_still_counted() -> None:
    account = Account()
    account.count_issues(
        Issue("warning", "FB-X", f"message {number}") for number in range(MAX_ISSUE_GROUPS + 50)
    )
    issues = account.report(seconds=0)["issues"]
    assert len(issues) == MAX_ISSUE_GROUPS + 1
    assert sum(issue["count"] for issue in issues) == MAX_ISSUE_GROUPS + 50


def test_an_account_survives_the_manifest() -> None:
    account = Account()
    account.count_record("partial", 3)
    account.resources["Patient"] += 2
    account.unmapped["urn:x", "a", "A"] += 4
    account.stored["created"] += 1
    account.count_issues([Issue("error", "FB-X", "wrong", "file:1")])
    restored = Account.restore(account.dump())
    left, right = account.report(seconds=1), restored.report(seconds=1)
    left.pop("peak_mb")
    right.pop("peak_mb")
    assert left == right
