"""What a request to a server can end with, beside an answer."""

from pbrlsvr.errors import ServiceError


class BadResponse(ServiceError):  # noqa: N818
    """Answers that cannot be used: the server works, and this request may be to blame.

    Raised by the `read` of `Endpoint.post` so that the request is repeated, and by `post` where that did not help.
    """


class RejectedError(ServiceError):
    """The server refuses the request, and would again."""

    def __init__(self, message: str, status: int = 0, body: str = ""):
        super().__init__(message)
        self.status, self.body = status, body


class BusyError(ServiceError):
    """Every server asks for a pause (429 with Retry-After) that is longer than this request may wait."""

    def __init__(self, message: str, seconds: float):
        super().__init__(message)
        self.seconds = seconds


class UntrustedError(ServiceError):
    """An answer is wrong in a way that most answers do not show, so that none of this server's can be used.

    Raised by the `read` of `Endpoint.post`, and by `post` with the server's address; the request is not repeated.
    """
