"""One canonical form for each e-mail address."""

from unicodedata import is_normalized

from email_validator import EmailNotValidError, validate_email

from cms_service.core.exceptions import ValidationFailed, Violation


def canonical_email(email: str, pointer: str = "/email") -> str:
    """The form in which an address is stored and compared.

    Raises:
        ValidationFailed: it is no address, or it looks like another one once Unicode's compatibility forms are
            folded (https://www.unicode.org/reports/tr36/): nobody registers a look-alike of someone else's.
    """
    try:
        canonical = validate_email(email, check_deliverability=False, test_environment=True).normalized.casefold()
    except EmailNotValidError:
        raise ValidationFailed(Violation(pointer, "not_an_email", "This is not an e-mail address.")) from None
    if not (is_normalized("NFKC", email) and is_normalized("NFKC", canonical)):
        violation = Violation(pointer, "ambiguous_characters", "The address has characters that look like others.")
        raise ValidationFailed(violation)
    return canonical
