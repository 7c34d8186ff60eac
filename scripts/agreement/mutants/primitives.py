"""Mutants of primitive values: each type's formats, some of them odd but right, most of them wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from scripts.agreement.mutants.registry import Draft, mutator

VALUES: dict[str, tuple[Any, ...]] = {
    "date": (
        "2021", "2021-05", "2020-02-29", "2021-02-29", "2021-13-01", "2021-00-10", "2021-5-4", "20210504",
        "0000",
        "2021-05-04T10:30:00Z", "04/05/2021", "2021-05-32", "9999-12-31", "1582-10-10", "2021-05-04Z",
        "21-05-04",
    ),
    "dateTime": (
        "2021", "2021-05", "2021-05-04", "2021-05-04T10:30Z", "2021-05-04T10:30:00", "2021-05-04T24:00:00Z",
        "2021-05-04T10:30:60Z", "2021-05-04T10:30:61Z", "2021-05-04T10:30:00+14:00",
        "2021-05-04T10:30:00+15:00",
        "2021-05-04T10:30:00.1234567Z", "2021-05-04 10:30:00Z", "2021-02-30T10:30:00Z",
        "2021-05-04T10:30:00z",
        "2021-05-04T10:30:00-00:00", "2021-05-04T10:30:00+0200", "2021-05-04T10", "1066-10-14",
    ),
    "instant": (
        "2021-05-04", "2021-05-04T10:30:00", "2021-05-04T10:30:00Z", "2021-05-04T10:30:00.123+02:00",
        "2021-05-04T10:30:00.Z", "2021-05-04T10:30:00,5Z", "2021-05-04T25:30:00Z", "2021-05-04T10:30Z",
    ),
    "time": ("10:30:00", "10:30", "24:00:00", "10:30:00Z", "10:30:00.123", "1:30:00", "10:60:00", "10:30:60"),
    "decimal": (
        Decimal("1E3"), Decimal("1.0E-10"), Decimal("0.0000000000000000000000000001"), Decimal("-0"),
        Decimal("-5.50"),
        Decimal("12345678901234567890.123"), "12.5",
    ),
    "integer": (-1, 0, 2147483647, 2147483648, -2147483648, -2147483649, Decimal("1.0"), Decimal("1.5"), "3"),
    "positiveInt": (0, -1, 1, 2147483647, 2147483648, Decimal("2.0"), "3"),
    "unsignedInt": (0, -1, 1, 2147483648, Decimal("2.5"), "3"),
    "boolean": ("true", "false", 1, 0, "yes"),
    "id": ("a" * 64, "a" * 65, "with space", "under_score", "ünïcode", "a.b-c.1", "1", "a/b", "-"),
    "oid": (
        "urn:oid:1.2.3", "1.2.3", "urn:oid:1.02.3", "urn:oid:3.2.1", "urn:oid:1", "urn:oid:1.2.",
        "urn:oid:0.1", "urn:oid:",
    ),
    "uuid": (
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
        "c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:c757873d-ec9a-4326-a141-556f4323952",
        "urn:uuid:xyz",
    ),
    "uri": (
        "http://hospital.org/a b", "http://hospital.org/a", "urn:oid:1.2.3", "urn:oid:1.2.a", "urn:uuid:123",
        "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "justaword", "urn:isbn:0451450523", "http://",
        "a/b#c",
        "http://hospital.org/%zz", "http://hospital.org/{x}", "mailto:a@b.org", "::",
        "http://hospital.org/\u00e9", "1.2.840.10008",
        "oid:1.2.3", "urn:example:x y", "urn:iso:std:iso:3166", "HTTP://Hospital.org/X", "tel:+15551234",
    ),
    "url": (
        "http://hospital.org/a b", "https://hospital.org", "justaword", "mllp://10.1.1.10:9234",
        "ftp://x.org/y", "mailto:a@b.org",
        "/relative", "tel:555 1234", "sftp:x", "http:/one-slash.org",
    ),
    "canonical": (
        "http://hospital.org/a|1.0", "http://hospital.org/a|1.0|2.0", "#local", "Patient",
        "Questionnaire/q1", "http://hospital.org/a b",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "http://hospital.org/a#frag", "urn:oid:1.2.3.4",
        "http://hospital.org/a|",
    ),
    "code": ("two words", " lead", "trail ", "two  spaces", "tab\there", "ünïcode", "a-b_c.d", "line\nbreak"),
    "base64Binary": ("SGVsbG8=", "SGVsbG8", "SGVs bG8=", "####", "SGVsbG8===", "A", "SGVs\nbG8=", "====",
    "SGVsbG8_"),
    "string": (
        " ", "  lead", "trail  ", "\ttab", "line\nbreak", "\u0007bell", "\u00a0", "<b>bold</b>",
        "<script>x</script>", "a & b",
        "\u200b", "\U0001f600", "a\u0000b", "\u202edirection", "\u2029", "\u0085next", "\ufeffmark", "&lt;",
        "<!-- c -->",
    ),
    "markdown": (
        " ", "# Heading\n\ntext", "<b>bold</b>", "<script>x</script>", "[a](javascript:x)", "a\u0001b",
        "\n", "  lead", "<br/>",
        "a < b", "<<x>>", "![i](http://x.org/i.png)",
    ),
}  # fmt: skip
"""Values by type, in their JSON form."""


def _register(code: str) -> None:
    @mutator(f"primitive/{code}")
    def mutate_primitive(draft: Draft) -> str | None:
        pick = draft.pick([s for s in draft.spots(code) if s.name != "resourceType"])
        if pick is None:
            return None
        value = draft.random.choice(VALUES[code])
        pick.put(value)
        return f"{pick.path} is {value!r}"


for _code in VALUES:
    _register(_code)


@mutator("primitive/logical-id")
def logical_id(draft: Draft) -> str | None:
    """A resource's id in and out of form."""
    draft.resource["id"] = value = draft.random.choice(VALUES["id"])
    return f"id is {value!r}"


@mutator("primitive/white-space")
def white_space(draft: Draft) -> str | None:
    """A string value with white space around it or instead of it."""
    pick = draft.pick([s for s in draft.spots() if isinstance(s.value, str) and s.code != "xhtml"])
    if pick is None:
        return None
    value = draft.random.choice([" " + pick.value, pick.value + " ", pick.value + "\n", "", " ", "\t"])
    pick.put(value)
    return f"{pick.path} ({pick.code}) is {value[:40]!r}"


@mutator("primitive/extension-shape")
def extension_shape(draft: Draft) -> str | None:
    """`_name` beside a primitive, rightly and wrongly built (R4 json.html#primitive)."""
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    pick = draft.pick([s for s in draft.spots() if not isinstance(s.value, dict) and s.code != "xhtml"])
    if pick is None:
        return None
    owner, shadow = pick.owner.value, "_" + pick.name
    if pick.index is None:
        content: Any = draft.random.choice(
            [
                {"extension": [absent]},
                {"id": "e1"},
                {},
                [None],
                [{"extension": [absent]}],
                "x",
                None,
                {"extension": []},
                {"value": 1},
            ]
        )
        owner[shadow] = content
        if draft.random.random() < 0.4:
            del owner[pick.name]
            return f"{pick.path} replaced by {shadow} {content!r}"
        return f"{pick.owner.path}.{shadow} is {content!r}"
    size = len(owner[pick.name])
    content = draft.random.choice(
        [
            [None] * size,
            [{"extension": [absent]}] * size,
            [{"extension": [absent]}] * (size + 1),
            {"extension": [absent]},
            [{"id": "e1"}] + [None] * (size - 1),
            [],
            [{}] * size,
        ]
    )
    owner[shadow] = content
    if draft.random.random() < 0.3:
        owner[pick.name] = [None] * size
        return f"{pick.owner.path}.{shadow} is {content!r}, values null"
    return f"{pick.owner.path}.{shadow} is {content!r}"
