"""Where our FHIR and another engine's differ, element by element, and who is right (docs/peers.md)."""
