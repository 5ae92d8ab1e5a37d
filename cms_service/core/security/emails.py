"""One canonical form for each e-mail address."""

from unicodedata import is_normalized

from email_validator import EmailNotValidError, validate_email

from cms_service.core.exceptions import ValidationFailed, Violation


def canonical_email(email: str, pointer: str = "/email") -> str:
    """The form in which an address is stored and compared.

    One that looks like another once Unicode's compatibility forms are folded is refused, as is one that folding would
    turn into somebody else's (`ß` into `ss`): nobody registers a look-alike of another's address
    (https://www.unicode.org/reports/tr36/).

    Raises:
        ValidationFailed: the address is not acceptable.
    """
    try:
        # The domain need not exist, and may be one of a closed network.
        address = validate_email(email, check_deliverability=False, test_environment=True, strict=True).normalized
    except EmailNotValidError:
        raise ValidationFailed(Violation(pointer, "not_an_email", "This is not an e-mail address.")) from None
    canonical = address.casefold()
    is_one_of_several = canonical != address.lower() or email.casefold() != email.lower()
    if is_one_of_several or not (is_normalized("NFKC", email) and is_normalized("NFKC", canonical)):
        violation = Violation(pointer, "ambiguous_characters", "The address has characters that look like others.")
        raise ValidationFailed(violation)
    return canonical


def sought_email(text: str) -> str:
    """The form in which an account with the address would be found. Nobody has one that is not acceptable."""
    try:
        return canonical_email(text)
    except ValidationFailed:
        return text


def email_violations(email: str, pointer: str) -> list[Violation]:
    """Why `email` is not acceptable; empty for an acceptable one."""
    try:
        canonical_email(email, pointer)
    except ValidationFailed as refusal:
        return list(refusal.violations)
    return []
