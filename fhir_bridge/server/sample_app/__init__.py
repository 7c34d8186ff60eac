"""A small SMART application of our own, for demonstrations: served at `/sample-app/` where the settings say so."""

from fhir_bridge.server.sample_app.routes import CLIENT_ID, LAUNCH_PATH, REDIRECT_PATH, SCOPE, router

__all__ = ["CLIENT_ID", "LAUNCH_PATH", "REDIRECT_PATH", "SCOPE", "router"]
