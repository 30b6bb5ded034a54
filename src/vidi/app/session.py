"""Who may use the app: whoever holds the token of this start, which the address brings and a cookie keeps."""

import secrets

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vidi.serving.auth.access import TokenLock, make_token
from vidi.serving.auth.middleware import cookie_name
from vidi.serving.bodies import json_response
from vidi.serving.problems import Problem

SESSION = "/api/1/session"


class AppLock(TokenLock):
    """Opens with the token of this start, and once with a code that may be seen on a command line."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token or make_token()
        super().__init__(self.token)
        self._once: TokenLock | None = None

    def code(self) -> str:
        """A new code that opens once: other users of this computer see how a browser is started."""
        code = secrets.token_urlsafe(32)
        self._once = TokenLock(code)
        return code

    def opens(self, token: bytes) -> bool:
        """Whether a token or a code is the right one."""
        if super().opens(token):
            return True
        once, is_code = self._once, self._once is not None and self._once.opens(token)
        if is_code and self._once is once:
            self._once = None
        return is_code


def routes(lock: AppLock) -> list[Route]:
    """The route that exchanges the token, sent as a bearer token, for a cookie that no script can read."""

    async def begin(request: Request) -> Response:
        if "authorization" not in request.headers:
            raise Problem("unauthorized", "The request has no token.", "Open the address that the terminal shows.")
        response = json_response({"open": True})
        response.set_cookie(
            cookie_name(request.scope),
            lock.token,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    return [Route(SESSION, begin, methods=["POST"])]
