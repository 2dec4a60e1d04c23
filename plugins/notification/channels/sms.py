"""SMS: MSG91's flow API, and any gateway that takes a plain JSON message."""

from collections.abc import Mapping

from plugins.notification.channels.http import Http, refusal
from plugins.notification.ports import Message, Permanent, Sent, Temporary

DEAD_NUMBER = ("mobile", "number")
"""MSG91 tells by text only which field it refused."""


class Msg91:
    """MSG91 sends registered texts by their id and fills in variables.

    https://control.msg91.com/apidoc/textsms/send-sms-flow.php, where `template_id` still has its older name `flow_id`.
    The variables have the names that the texts here use, such as `##orderNumber##` or `##code##`.
    """

    provider = "msg91"

    def __init__(self, http: Http, *, url: str, authkey: str, templates: Mapping[str, str]) -> None:
        self._http, self._url, self._authkey, self._templates = http, f"{url}/api/v5/flow", authkey, templates

    async def send(self, message: Message) -> Sent:
        """One message to one number."""
        template = self._templates.get(message.template)
        if template is None:
            raise Permanent(self.provider, "no_template")
        recipient = {**message.variables, "mobiles": message.to.removeprefix("+")}
        body = {"template_id": template, "short_url": "0", "recipients": [recipient]}
        answer = await self._http.post(self.provider, self._url, headers={"authkey": self._authkey}, json=body)
        said, text = answer.body.get("type"), str(answer.body.get("message", ""))
        if answer.status == 200 and said == "success":  # noqa: PLR2004  the protocol's own numbers
            return Sent(self.provider, text[:100])
        if said == "error" and answer.status < 500 and any(word in text.lower() for word in DEAD_NUMBER):  # noqa: PLR2004  the protocol's own numbers
            raise Permanent(self.provider, "bad_number", dead_address=True)
        if said == "error" and answer.status in (200, 400):
            raise Temporary(self.provider, "refused")
        raise refusal(self.provider, answer)


class Gateway:
    """A second provider: POST <url>/messages {to, text, template, reference}, answered 2xx with an `id`.

    400 and 422 mean that the number is bad; everything else is the gateway's trouble.
    """

    provider = "sms_gateway"

    def __init__(self, http: Http, *, url: str, key: str) -> None:
        self._http, self._url, self._key = http, f"{url}/messages", key

    async def send(self, message: Message) -> Sent:
        """One message to one number."""
        body = {"to": message.to, "text": message.text, "template": message.template, "reference": message.key}
        answer = await self._http.post(
            self.provider, self._url, headers={"Authorization": f"Bearer {self._key}"}, json=body
        )
        if 200 <= answer.status < 300:  # noqa: PLR2004  the protocol's own numbers
            return Sent(self.provider, str(answer.body.get("id", ""))[:100])
        if answer.status in (400, 422):
            raise Permanent(self.provider, "bad_number", dead_address=True)
        raise refusal(self.provider, answer)
