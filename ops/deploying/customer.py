"""The test customer's sign-in: an ordinary account of the shop's own, whose refresh token the tool keeps in a file."""

from pathlib import Path

import attrs

from ops.deploying.files import replace
from ops.deploying.model import DeployError, Refused
from ops.deploying.web import ask

DEVICE = "ops-deploy"


@attrs.frozen
class TestCustomer:
    """`file` holds the refresh token, for its owner's eyes only. Every use renews it; a week without one ends it."""

    __test__ = False
    file: Path

    def ask_for_code(self, url: str, phone: str) -> None:
        """One real text message, to the shop's own phone. Raises DeployError."""
        sent = ask("POST", f"{url}/api/v1/auth/send-otp", body={"phone": phone})
        if sent.status != 200:  # noqa: PLR2004  OK
            raise DeployError(f"no code was sent: {sent.status or sent.said}")

    def sign_in(self, url: str, phone: str, code: str) -> None:
        """With the code that was sent. Raises DeployError."""
        body = {"phone": phone, "otp": code, "deviceId": DEVICE}
        got = ask("POST", f"{url}/api/v1/auth/verify-otp", body=body)
        if got.status != 200:  # noqa: PLR2004  OK
            raise DeployError(f"not signed in: {got.status or got.said}")
        self._keep(got.data["refreshToken"])

    def renew(self, url: str) -> str:
        """An access token. Raises Refused."""
        try:
            token = self.file.read_text("utf-8").strip()
        except OSError as error:
            raise Refused(f"no test customer ({error.strerror}): ops/deploy sign-in PHONE") from None
        body = {"refreshToken": token, "deviceId": DEVICE}
        got = ask("POST", f"{url}/api/v1/auth/token/refresh", body=body)
        if got.status != 200:  # noqa: PLR2004  OK
            said = got.status or got.said
            raise Refused(f"the test customer's sign-in was not renewed: {said}; after 401: ops/deploy sign-in PHONE")
        self._keep(got.data["refreshToken"])
        return str(got.data["accessToken"])

    def _keep(self, token: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        replace(self.file, token)
