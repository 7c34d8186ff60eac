"""The page on which a terminology review is done, served to its reviewer alone."""

from fhir_bridge.server.review.app import review_app

__all__ = ["review_app"]
