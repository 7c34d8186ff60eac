"""How far our validator and the official HL7 validator agree on which resources have errors (docs/agreement.md)."""
