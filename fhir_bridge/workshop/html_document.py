"""What all pages of the workshop share: one file, nothing from elsewhere, and nothing that may be loaded."""

from __future__ import annotations

from html import escape

__all__ = ["html_document"]


def html_document(title: str, style: str, body: str, script: str = "") -> str:
    """A whole HTML page. `title` is escaped; `style`, `body` and `script` are HTML already."""
    policy = "default-src 'none'; style-src 'unsafe-inline'" + (
        "; script-src 'unsafe-inline'" if script else ""
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}"
        + (f"<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )
