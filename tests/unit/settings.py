"""Settings for tests that need no database."""

from ipaddress import IPv4Network, IPv6Network

from cms_service.core.config import Settings, load_settings

NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
"""The address of no database: nobody listens there."""


def edge_settings(
    *,
    public_url: str = "http://127.0.0.1:8000",
    cors_origins: tuple[str, ...] = (),
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
) -> Settings:
    """Valid settings with what the edge of the service looks at."""
    return load_settings(
        {
            "CMS_ENV": "production",
            "CMS_PUBLIC_URL": public_url,
            "CMS_DATABASE_URL": "postgresql://cms@db.internal/cms",
            "CMS_SECRET_KEY": "7Uq0VbYc0oV0m6kq1r4sQ2hZt3Xx9LwPj5NfG8aBcDE=",
            "CMS_CORS_ORIGINS": ",".join(cors_origins),
            "CMS_TRUSTED_PROXIES": ",".join(map(str, trusted_proxies)),
        }
    )
