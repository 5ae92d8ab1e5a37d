"""Version 1 of the API, one controller for each resource."""

from cms_service.api.v1.router import router

__all__ = ["router"]
