"""What a SMART token means: scopes, signing keys, key sets of clients, and the tokens themselves."""
