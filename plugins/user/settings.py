"""The user domain's section of the settings: `[user]`, or VURKSHA_USER__<KEY>."""

import attrs

from core.settings import Secret


@attrs.frozen(kw_only=True)
class UserSettings:
    """Limits of RELIABILITY 4.4 and 4.5. Lifetimes are in seconds unless the name says otherwise."""

    code_pepper: Secret
    """At least 32 bytes, kept outside the database; keys of one-time codes and of their sealed messages."""
    code_lifetime: int = 300
    code_cooldown: int = 30
    code_attempts: int = 3
    code_failures_per_hour: int = 10
    code_failures_per_day: int = 20
    sends_per_phone_hour: int = 5
    sends_per_phone_day: int = 10
    sends_per_device_hour: int = 5
    sends_per_address_hour: int = 60
    sends_per_prefix_hour: int = 100
    sends_per_second: int = 20
    sends_per_day: int = 50_000
    strict_sends: int = 200
    """Sends within 10 minutes from which the share of used codes is looked at."""
    strict_percent: int = 20
    """Below this share of used codes sending turns strict."""
    strict_minutes: int = 30
    strict_divisor: int = 5
    """In strict mode the limits per address, prefix and second are divided by this."""
    refresh_idle_days: int = 7
    refresh_absolute_days: int = 90
    refresh_grace: int = 120
    max_sessions: int = 10
    max_addresses: int = 10
