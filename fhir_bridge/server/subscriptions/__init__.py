"""Subscriptions: R4's own by criteria, and topic-based ones as the R4 back-port of Subscriptions describes them."""
