"""What this server sends to others: to FHIR servers by REST, to other systems as HL7 v2 over MLLP."""

from fhir_bridge.server.delivery.forwarding import fill
from fhir_bridge.server.delivery.loading import Emptied, deliver_all
from fhir_bridge.server.delivery.targets import Target, TargetError, Targets

__all__ = ["Emptied", "Target", "TargetError", "Targets", "deliver_all", "fill"]
