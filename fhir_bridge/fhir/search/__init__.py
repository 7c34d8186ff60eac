"""How `fhir.search_parameters` works: expressions to places, places to walkers, values to index entries."""
