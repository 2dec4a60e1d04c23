"""Routes 1 to 11 of CONTRACT section 0: sign-in, sessions, profile."""

from core.errors import ALREADY_EXISTS, NOT_FOUND, RATE_LIMITED, TOKEN_INVALID
from core.http.routing import ADMIN, LIVE_USER, ONCE_USER, PUBLIC, USER, Call, Repeat, Route, aliases
from core.resilience.rank import Rank
from plugins.user.models import Device
from plugins.user.ports import OTP_EXPIRED, OTP_INVALID
from plugins.user.service import UserService
from plugins.user.sessions import Sessions
from plugins.user.signin import SignIn
from plugins.user.wire import (
    ChangeProfile,
    CodeSent,
    Logout,
    Message,
    Refresh,
    RefreshAnswer,
    SendCode,
    SignInAnswer,
    UserAnswer,
    VerifyCode,
)

REFRESH_DEADLINE = 1.0
"""Seconds (RELIABILITY 3)."""


class AuthRoutes:
    """Handlers of sign-in and sessions. The public ones ignore any Authorization header (CONTRACT A.1)."""

    def __init__(self, signin: SignIn, sessions: Sessions) -> None:
        self._signin, self._sessions = signin, sessions

    async def send(self, call: Call[SendCode, None]) -> CodeSent:
        """Handles POST /auth/send-otp."""
        retry_in = await self._signin.send(call.body.number(), Device(id=call.body.device_id), call.client)
        return CodeSent(message="The code is on its way.", expires_in=self._signin.code_lifetime, retry_in=retry_in)

    async def verify(self, call: Call[VerifyCode, None]) -> SignInAnswer:
        """Handles POST /auth/verify-otp."""
        body = call.body
        done = await self._signin.verify(body.number(), body.otp, body.device(), call.client, call.user_agent)
        return SignInAnswer.of(done)

    async def refresh(self, call: Call[Refresh, None]) -> RefreshAnswer:
        """Handles POST /auth/token/refresh."""
        return RefreshAnswer.of(await self._sessions.refresh(call.body.refresh_token, call.body.device_id))

    async def logout(self, call: Call[Logout, None]) -> Message:
        """Handles POST /auth/logout."""
        await self._sessions.logout(call.principal, call.body.refresh_token, all_devices=call.body.all_devices)
        return Message(message="Signed out.")

    def table(self) -> tuple[Route, ...]:
        """The routes."""
        send = Route(
            method="POST",
            path="/auth/send-otp",
            policy=PUBLIC,
            handler=self.send,
            body=SendCode,
            answer=CodeSent,
            summary="Send a sign-in code to a phone",
            repeat=Repeat.NATURAL,
            errors=(RATE_LIMITED,),
        )
        verify = Route(
            method="POST",
            path="/auth/verify-otp",
            policy=PUBLIC,
            handler=self.verify,
            body=VerifyCode,
            answer=SignInAnswer,
            summary="Sign in with a code",
            repeat=Repeat.NATURAL,
            errors=(OTP_INVALID, OTP_EXPIRED),
        )
        refresh = Route(
            method="POST",
            path="/auth/token/refresh",
            policy=PUBLIC,
            handler=self.refresh,
            body=Refresh,
            answer=RefreshAnswer,
            summary="Exchange a refresh token for a new pair",
            repeat=Repeat.NATURAL,
            errors=(TOKEN_INVALID,),
            deadline=REFRESH_DEADLINE,
            rank=Rank.VITAL,
        )
        logout = Route(
            method="POST",
            path="/auth/logout",
            policy=ONCE_USER,
            handler=self.logout,
            body=Logout,
            answer=Message,
            summary="End this session, or all of mine",
            repeat=Repeat.NATURAL,
        )
        return (*aliases(send, "/auth/otp/send"), *aliases(verify, "/auth/otp/verify"), refresh, logout)


class ProfileRoutes:
    """Handlers of accounts."""

    def __init__(self, users: UserService) -> None:
        self._users = users

    async def read(self, call: Call[None, None]) -> UserAnswer:
        """Handles GET /users/profile."""
        return UserAnswer.of(await self._users.profile(call.principal.user_id))

    async def change(self, call: Call[ChangeProfile, None]) -> UserAnswer:
        """Handles PUT /users/me."""
        return UserAnswer.of(await self._users.change(call.tx, call.principal.user_id, call.body.patch()))

    async def delete(self, call: Call[None, None]) -> Message:
        """Handles DELETE /users/me."""
        await self._users.delete(call.principal)
        return Message(message="Your account was deleted. To have it back, sign in again within 24 hours.")

    async def account(self, call: Call[None, None]) -> UserAnswer:
        """Handles GET /users/{user_id}."""
        return UserAnswer.of(await self._users.account(call.uuid("user_id")))

    def table(self) -> tuple[Route, ...]:
        """The routes."""
        read = Route(
            method="GET",
            path="/users/profile",
            policy=USER,
            handler=self.read,
            answer=UserAnswer,
            summary="My profile",
        )
        change = Route(
            method="PUT",
            path="/users/me",
            policy=LIVE_USER,
            handler=self.change,
            body=ChangeProfile,
            answer=UserAnswer,
            summary="Change my profile",
            repeat=Repeat.NATURAL,
            errors=(ALREADY_EXISTS,),
        )
        delete = Route(
            method="DELETE",
            path="/users/me",
            policy=USER,  # the service asks for the session in its own transaction
            handler=self.delete,
            answer=Message,
            summary="Delete my account",
            repeat=Repeat.NATURAL,
        )
        account = Route(
            method="GET",
            path="/users/{user_id:uuid}",
            policy=ADMIN,
            handler=self.account,
            answer=UserAnswer,
            summary="Anybody's account",
            errors=(NOT_FOUND,),
        )
        return (*aliases(read, "/users/me"), *aliases(change, "/users/profile"), delete, account)
