"""Accounts and access control for a content platform."""
