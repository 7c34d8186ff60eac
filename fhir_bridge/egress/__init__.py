"""The one port for what leaves: addresses that are listed, and no private ones unless their networks are listed."""

from fhir_bridge.egress.allowed import Allowed, EgressRefused, origin_of
from fhir_bridge.egress.mllp import MllpError, exchange
from fhir_bridge.egress.transport import GuardedTransport, client

__all__ = ["Allowed", "EgressRefused", "GuardedTransport", "MllpError", "client", "exchange", "origin_of"]
