"""HL7 v2 messages that are sent to the server: over MLLP, and over HTTP."""
