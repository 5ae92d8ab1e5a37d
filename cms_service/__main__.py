"""`python -m cms_service` is `cms-service`."""

from cms_service.cli import main

if __name__ == "__main__":
    main()
