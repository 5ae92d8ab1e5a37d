"""Makes the table of characters that `cms_service/core/security/characters.py` holds: `just characters`."""
