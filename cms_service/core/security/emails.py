"""One canonical form for each e-mail address."""

from unicodedata import is_normalized

from cms_service.core.exceptions import ValidationFailed, Violation
from cms_service.core.security.look_alikes import has_ignorable, is_mixed, looks_like_ascii


def canonical_email(email: str, pointer: str = "/email") -> str:
    """The form in which a new address is stored and compared.

    Refuses an address that mixes scripts, or that is not ASCII and looks like an address in ASCII. Two addresses that
    are both not ASCII may still look alike.

    Raises:
        ValidationFailed: the address is not acceptable.
    """
    stored = stored_email(email, pointer)
    if not email.isascii() and has_ignorable(email):
        raise _ambiguous(pointer)
    if not stored.isascii() and _is_look_alike(stored):
        raise _ambiguous(pointer)
    return stored


def stored_email(email: str, pointer: str = "/email") -> str:
    """The form in which an account with this address is stored, be it older than the rule on look-alikes.

    An address that is another one once Unicode's compatibility forms are folded is refused, as is one that folding
    would turn into somebody else's, such as `ß` into `ss` (https://www.unicode.org/reports/tr36/).

    Raises:
        ValidationFailed: it is no address, or one that is never stored.
    """
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - takes 20 ms

    try:
        # The domain need not exist, and may be one of a closed network.
        address = validate_email(email, check_deliverability=False, test_environment=True, strict=True).normalized
    except EmailNotValidError:
        raise ValidationFailed(Violation(pointer, "not_an_email", "This is not an e-mail address.")) from None
    folded = address.casefold()
    is_one_of_several = folded != address.lower() or email.casefold() != email.lower()
    if is_one_of_several or not (is_normalized("NFKC", email) and is_normalized("NFKC", folded)):
        raise _ambiguous(pointer)
    return folded


def sought_email(text: str) -> str:
    """The form in which an account with the address would be stored; the text itself where none can have it.

    Nothing is folded then: the text must not find the account of somebody else.
    """
    try:
        return stored_email(text)
    except ValidationFailed:
        return text


def email_violations(email: str, pointer: str) -> list[Violation]:
    """Why `email` is not acceptable for an account; empty for an acceptable one."""
    try:
        canonical_email(email, pointer)
    except ValidationFailed as refusal:
        return list(refusal.violations)
    return []


def sought_email_violations(email: str, pointer: str) -> list[Violation]:
    """Why no account can have the address, be it older than the rule on look-alikes."""
    try:
        stored_email(email, pointer)
    except ValidationFailed as refusal:
        return list(refusal.violations)
    return []


def _is_look_alike(address: str) -> bool:
    """Judges the mailbox and each label of the domain by itself.

    The last label alone may look like ASCII, as the Cyrillic one of Serbia does: the domain does not look like another
    one as long as the labels before it do not look like ASCII, too.
    """
    mailbox, _, domain = address.rpartition("@")
    labels = domain.split(".")
    return any(map(is_mixed, (mailbox, *labels))) or any(map(looks_like_ascii, (mailbox, *labels[:-1], domain)))


def _ambiguous(pointer: str) -> ValidationFailed:
    return ValidationFailed(
        Violation(pointer, "ambiguous_characters", "The address has characters that look like others.")
    )
