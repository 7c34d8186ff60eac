"""Files in C-CDA documents: compressed, unreadable or elsewhere; and what their text states."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.ehr.test_ccda_values import EXAMPLE, converted, document, results

TEXT = b"LVEF 30 %. Patient is a current smoker."
RTF = b"{\\rtf1\\ansi " + TEXT + b"\\par}"


def raw(content: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(content) + deflater.flush()


def unstructured(repository: Path, attributes: str, content: bytes | str) -> bytes:
    head, _, rest = (repository / EXAMPLE).read_text().partition("<nonXMLBody>")
    assert rest
    text = content if isinstance(content, str) else base64.b64encode(content).decode()
    return (
        f"{head}<nonXMLBody><text {attributes}>{text}</text></nonXMLBody></component></ClinicalDocument>"
    ).encode()


def file_of(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """The file within the document, beside the document itself."""
    (own,) = (one for one in resources if one["resourceType"] == "DocumentReference")
    attachment: dict[str, Any] = own["content"][1]["attachment"]
    return attachment


def stated(resources: list[dict[str, Any]]) -> set[str]:
    return {
        one["code"]["coding"][0]["code"]
        for one in resources
        if one["resourceType"] == "Observation" and one["status"] == "preliminary"
    }


def codes(issues: list[dict[str, Any]]) -> set[str]:
    return {issue["code"] for issue in issues} - {"FB-CDA-006"}


@pytest.mark.parametrize(
    ("compression", "content"),
    [
        ("DF", zlib.compress(RTF)),
        ("DF", raw(RTF)),
        ("ZL", zlib.compress(RTF)),
        ("GZ", gzip.compress(RTF)),
    ],
    ids=["zlib as DF", "raw", "zlib", "gzip"],
)
def test_a_compressed_file_is_inflated_and_read(
    repository: Path, tmp_path: Path, compression: str, content: bytes
) -> None:
    given = f'mediaType="text/rtf" representation="B64" compression="{compression}"'
    resources, issues = converted(tmp_path, unstructured(repository, given, content))
    file = file_of(resources)
    assert (file["contentType"], base64.b64decode(file["data"])) == ("text/rtf", RTF)
    assert stated(resources) == {"10230-1", "72166-2"}
    assert codes(issues) == set()


@pytest.mark.parametrize(
    ("compression", "content", "kind"),
    [
        ("DF", zlib.compress(bytes(65 << 20)), "application/zlib"),
        ("GZ", gzip.compress(RTF)[:-9], "application/gzip"),
        ("DF", RTF, "application/octet-stream"),
        ("Z", RTF, "application/octet-stream"),
    ],
    ids=["too large", "cut", "not compressed", "unknown"],
)
def test_what_can_not_be_inflated_is_kept_as_what_it_is(
    repository: Path, tmp_path: Path, compression: str, content: bytes, kind: str
) -> None:
    given = f'mediaType="text/rtf" representation="B64" compression="{compression}"'
    resources, issues = converted(tmp_path, unstructured(repository, given, content))
    file = file_of(resources)
    assert (file["contentType"], base64.b64decode(file["data"])) == (kind, content)
    assert file["title"] == f"text/rtf, compressed ({compression})"
    assert codes(issues) == {"FB-CDA-009", "FB-CDA-010"}
    assert stated(resources) == set()


def test_content_that_is_no_base64_is_reported_and_stays_in_the_document(
    repository: Path, tmp_path: Path
) -> None:
    content = unstructured(repository, 'mediaType="application/pdf" representation="B64"', "@@not base64@@")
    resources, issues = converted(tmp_path, content)
    assert file_of(resources)["contentType"] == "text/plain; charset=utf-8"
    assert file_of(resources)["title"] == "application/pdf in what is no base64"
    assert base64.b64decode(file_of(resources)["data"]) == b"@@not base64@@"
    assert stated(resources) == set()
    (issue,) = (issue for issue in issues if issue["code"] == "FB-CDA-009")
    assert issue["severity"] == "error"
    assert "not base64" not in issue["message"]
    (original,) = (one for one in resources if one["resourceType"] == "Binary")
    assert base64.b64decode(original["data"]) == content


def test_a_result_that_is_no_base64_is_reported_with_its_line(repository: Path, tmp_path: Path) -> None:
    value = '<value xsi:type="ED" mediaType="image/png" representation="B64">@@</value>'
    content = document(repository, results(value))
    resources, issues = converted(tmp_path, content)
    (issue,) = (issue for issue in issues if issue["code"] == "FB-CDA-009")
    line = content.decode().partition(value)[0].count("\n") - 2
    assert issue["source"] == f"document.xml:{line}"
    ids = {f"{one['resourceType']}/{one['id']}" for one in resources}
    (result,) = (
        one for one in resources if one.get("code", {}).get("coding", [{}])[0].get("display") == "C1"
    )
    assert {one["reference"] for one in result["derivedFrom"]} <= ids


@pytest.mark.parametrize(
    ("given", "title", "url"),
    [
        ("scan.pdf", "scan.pdf", None),
        ("../a/b.pdf", "../a/b.pdf", None),
        ("https://example.org/scan.pdf", None, "https://example.org/scan.pdf"),
        ("urn:oid:1.2.3", None, "urn:oid:1.2.3"),
    ],
)
def test_a_relative_reference_is_no_url(
    repository: Path, tmp_path: Path, given: str, title: str | None, url: str | None
) -> None:
    content = unstructured(repository, 'mediaType="application/pdf"', f'<reference value="{given}"/>')
    resources, issues = converted(tmp_path, content)
    assert (file_of(resources).get("title"), file_of(resources).get("url")) == (title, url)
    assert codes(issues) == ({"FB-CDA-009"} if title else set())


def pdf(text: str) -> bytes:
    """A PDF of one page that shows a text."""
    shown = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(shown), shown),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = io.BytesIO(), []
    out.write(b"%PDF-1.4\n")
    for number, content in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    at = out.tell()
    out.write(b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer << /Root 1 0 R /Size 6 >>\nstartxref\n%d\n%%%%EOF" % at)
    return out.getvalue()


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        ('mediaType="text/plain"', TEXT.decode()),
        ('mediaType="text/plain" representation="B64"', TEXT),
        ('mediaType="application/rtf" representation="B64"', RTF),
        ('mediaType="application/pdf" representation="B64"', pdf(TEXT.decode())),
    ],
    ids=["text", "text in base64", "RTF", "PDF"],
)
def test_what_a_file_states_is_extracted_as_from_notes(
    repository: Path, tmp_path: Path, attributes: str, content: bytes | str
) -> None:
    resources, issues = converted(tmp_path, unstructured(repository, attributes, content))
    assert stated(resources) == {"10230-1", "72166-2"}
    assert codes(issues) == set()


@pytest.mark.parametrize(
    ("kind", "content"),
    [("application/pdf", pdf("")), ("image/png", b"PNG"), ("application/pdf", b"none")],
    ids=["scan", "image", "no PDF"],
)
def test_a_file_without_text_says_that_nothing_is_extracted(
    repository: Path, tmp_path: Path, kind: str, content: bytes
) -> None:
    given = f'mediaType="{kind}" representation="B64"'
    resources, issues = converted(tmp_path, unstructured(repository, given, content))
    assert base64.b64decode(file_of(resources)["data"]) == content
    assert codes(issues) == {"FB-CDA-010"}


def test_a_gzip_of_several_members_is_read_whole(repository: Path, tmp_path: Path) -> None:
    two = gzip.compress(RTF[:20]) + gzip.compress(RTF[20:])
    kind = 'mediaType="text/rtf" representation="B64" compression="GZ"'
    resources, issues = converted(tmp_path, unstructured(repository, kind, two))
    assert base64.b64decode(file_of(resources)["data"]) == RTF
    assert codes(issues) == set()
    _, issues = converted(tmp_path, unstructured(repository, kind, two[:-9]))
    assert "FB-CDA-009" in codes(issues)


def test_an_rtf_that_is_cut_off_is_reported_and_kept(repository: Path, tmp_path: Path) -> None:
    kind = 'mediaType="text/rtf" representation="B64"'
    resources, issues = converted(tmp_path, unstructured(repository, kind, RTF[:-1]))
    assert base64.b64decode(file_of(resources)["data"]) == RTF[:-1]
    assert any("it is cut off" in issue["message"] for issue in issues if issue["code"] == "FB-CDA-009")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "data:text/html,x"]
)
def test_what_a_browser_would_run_is_no_place_of_a_file(repository: Path, tmp_path: Path, url: str) -> None:
    text = f'<reference value="{url}"/>'
    resources, issues = converted(tmp_path, unstructured(repository, 'mediaType="text/html"', text))
    own = [one for one in resources if one["resourceType"] == "DocumentReference"]
    assert '"url": "j' not in json.dumps(own).lower()
    assert '"url": "data' not in json.dumps(own).lower()
    assert "FB-CDA-009" in codes(issues)
