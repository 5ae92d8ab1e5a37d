from polyfactory import Use
from polyfactory.factories.msgspec_factory import MsgspecFactory

from cms_service.schemas import LoginRequest, RegisterRequest
from tests.factories.unique import unique_email

PASSWORD = "seven green owls on a wire"


class RegisterRequestFactory(MsgspecFactory[RegisterRequest]):
    email = Use(unique_email)
    password = PASSWORD
    display_name = "Ada Lovelace"


class LoginRequestFactory(MsgspecFactory[LoginRequest]):
    email = Use(unique_email)
    password = PASSWORD
