"""The section [notification]. Secrets come from the environment or a `*_FILE` only."""

import attrs

from core.settings import Secret


@attrs.frozen(kw_only=True)
class NotificationSettings:
    """Which media are in use, and how their providers are reached. Times are seconds."""

    media: list[str] = attrs.field(factory=lambda: ["push", "sms", "email"])
    """Each needs its provider's secrets in production. Without them, elsewhere, the journal alone counts as sent."""
    call_timeout: float = 3.0
    """For one call to one provider (RELIABILITY 3)."""
    concurrency: int = 8
    """Messages under way per medium and replica."""
    lease: float = 20.0
    """How long a claimed delivery is this replica's. The process does not start when it is too short for one call of
    `call_timeout` to each provider of a medium, one call more, and 4 s."""
    poll: float = 1.0
    """The safety net beside the wake-up after an event."""
    keep_entries_days: int = 90
    keep_deliveries_days: int = 30

    fcm_service_account: Secret | None = None
    """The JSON key file of a Google service account, as text."""
    fcm_url: str = "https://fcm.googleapis.com"
    google_token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105  an address

    msg91_authkey: Secret | None = None
    msg91_url: str = "https://control.msg91.com"
    msg91_templates: list[str] = attrs.field(factory=list)
    """`OUR_TEMPLATE=their id`, one for each text that goes out by SMS."""
    sms_gateway_url: str = ""
    """A second provider, asked when the first does not answer: any gateway that takes POST <url>/messages."""
    sms_gateway_key: Secret | None = None

    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    """`starttls`, `tls` (from the first byte, usually port 465) or `none`."""
    smtp_user: str = ""
    smtp_password: Secret | None = None
    smtp_ca_file: str = ""
    """Certificates to trust instead of the system's."""
    email_from: str = "Vurksha <orders@vurksha.example>"
    email_unsubscribe: str = "<mailto:unsubscribe@vurksha.example>"
    """RFC 2369: links in angle brackets, separated by commas."""
