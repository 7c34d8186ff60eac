"""The endpoints of the SMART authorization server: authorize, token, introspection, launch, discovery."""
