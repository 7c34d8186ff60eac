"""How `fhir.search_parameters` works: expressions to one function for a type, values to index entries."""
