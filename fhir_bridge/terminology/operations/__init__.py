"""The operations of a FHIR terminology service over the terminology available."""
