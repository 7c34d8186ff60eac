"""`python -m fhir_bridge.cli`."""

from fhir_bridge.cli.main import main

if __name__ == "__main__":
    main()
