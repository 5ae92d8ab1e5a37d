"""Which web pages may call the service."""

from litestar.config.cors import CORSConfig

from cms_service.core.config import Settings


def cors_config(settings: Settings) -> CORSConfig | None:
    """Exactly the configured origins, without cookies; None when there are none.

    Litestar answers a preflight for a method or header that is not listed with a 400 in plain text. Neither list would
    protect anything, since an origin is trusted or not, and no credential rides along by itself.
    """
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=False,
        expose_headers=[
            "Deprecation",
            "ETag",
            "Idempotency-Replayed",
            "Link",
            "Location",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "Sunset",
            "X-Request-ID",
        ],
    )
