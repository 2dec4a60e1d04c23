"""The section [payment]. Secrets come from the environment or a `*_FILE` only."""

import attrs

from core.settings import Secret


@attrs.frozen(kw_only=True)
class PaymentSettings:
    """Which provider takes online payments and how it is reached. Times are seconds."""

    provider: str = ""
    """`sandbox` (never in production), `razorpay`, or another plugin's. Empty: `razorpay` if its keys are set; sandbox
    in development and test; else none, and only cash on delivery is left."""
    call_timeout: float = 3.0
    """For one call to the provider (RELIABILITY 3)."""
    concurrency: int = 3
    """Errands under way per replica and sort: two sorts of them leave room among the plugin's own connections."""
    lease: float = 20.0
    """How long a claimed errand is this replica's: longer than its slowest call."""
    poll: float = 1.0
    """The safety net beside the wake-up after a commit."""
    webhook_rate: float = 1_000.0
    """Notices per second and address."""
    keep_notices_days: int = 30
    max_methods: int = 10
    """Saved ways to pay, per customer."""

    razorpay_url: str = "https://api.razorpay.com/v1"
    razorpay_key_id: str = ""
    """Public: the app's checkout needs it."""
    razorpay_key_secret: Secret | None = None
    razorpay_webhook_secrets: list[Secret] = attrs.field(factory=list)
    """One, or two while it is changed: either proves a notice (RELIABILITY 4.14)."""
    sandbox_secret: Secret | None = None
    """Proves the sandbox's notices; made at start when it is not set."""
