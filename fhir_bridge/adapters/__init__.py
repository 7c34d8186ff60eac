"""Readers of what hospitals have; each family registers its adapters as a plug-in."""
