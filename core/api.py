"""What plugins may use of the kernel: every other name of `core` is private and may change without a word.

The version counts as SemVer does: a new name or field raises the minor part, taking or changing one the major part. A
plugin says in its manifest which versions it works with; `vurksha plugins doctor` flags imports that are not listed.
"""

from collections.abc import Mapping

API_VERSION = "1.2"
OWN_RANGE = ">=1,<2"
"""The versions that a plugin works with whose manifest names none."""

PUBLIC: Mapping[str, Mapping[str, str]] = {
    "core.api": {
        "API_VERSION": "the version of what is listed here",
    },
    "core.audit": {
        "operator": "names who runs a command, for the audit log",
        "person": "names who called a route, for the audit log",
        "record": "writes an act down in the transaction that does it",
    },
    "core.auth": {
        "Principal": "who asks: user, session, role",
        "Role": "the roles that a policy may name",
        "SESSIONS": "the port of the gate that ends sessions; the domain of users provides it",
        "TokenIssuer": "signs and reads access tokens; the domain of users needs it",
    },
    "core.cli": {
        "run": "runs a command's work with the database open",
    },
    "core.context": {
        "cause": "what led to the work under way: correlation, user, event",
        "deadline": "when the time for the work under way ends, on the monotonic clock",
        "leave_time": "gives what follows a commit its time, also past the deadline",
        "remaining": "the seconds of the deadline that a call may use",
    },
    "core.convert": {
        "camel": "a field's name on the wire",
        "dump_json": "JSON as the kernel writes it",
        "wire": "the one converter between JSON and frozen classes",
    },
    "core.errors": {
        "Code": "declares an error that clients see",
        "FieldError": "one field that was refused",
        "Invalid": "refuses input with every field that is wrong",
        "Problem": "refuses a request with a code",
        "not_found": "the answer for what is not there or somebody else's",
        "ALREADY_EXISTS": "409",
        "CONFLICT": "409",
        "FORBIDDEN": "403",
        "GONE": "410",
        "INVALID_FORMAT": "400, what cannot be read",
        "INVALID_INPUT": "400, what breaks a rule of the domain",
        "NOT_FOUND": "404",
        "PRECONDITION_FAILED": "412, for If-Match",
        "RATE_LIMITED": "429, a limit of the domain's own",
        "SESSION_EXPIRED": "401, for the domain of users",
        "TIMEOUT": "504",
        "TOKEN_INVALID": "401, for the domain of users",
        "UNAVAILABLE": "503, try again soon",
    },
    "core.events.model": {
        "Event": "the base of event classes",
        "EventMeta": "what a handler is told beside the event",
    },
    "core.events.record": {
        "encode": "events as the arguments of an SQL function that emits them",
    },
    "core.events.subscription": {
        "Handler": "the signature of a handler",
        "Subscription": "a consumer's interest in an event",
    },
    "core.extensions": {
        "Extends": "a contribution to a point",
        "Extension": "a contribution and whose it is",
        "Extensions": "what was contributed, as the kernel hands it out",
        "Point": "declares what a domain leaves open to others",
    },
    "core.hookspecs": {
        "hookimpl": "marks a method as a hook",
    },
    "core.http.fields": {
        "ManyOf": "bounds a list",
        "Moment": "a time",
        "Number": "bounds a number",
        "OneOf": "one of some words",
        "Rule": "what a field's rule is, for one of your own",
        "Schema": "the OpenAPI schema that such a rule answers",
        "Text": "bounds a text",
        "Whole": "bounds a whole number",
    },
    "core.http.health": {
        "HealthCheck": "declares a check that /health shows",
    },
    "core.http.routing": {
        "Cache": "how long a public read may be kept",
        "Call": "one request, as a handler sees it",
        "Encoded": "an answer that is JSON already",
        "Files": "declares a folder of public files",
        "Operation": "the identity of a keyed request, for an SQL function",
        "Pagination": "where a list answer stands",
        "Permission": "a right, which the settings may give to others",
        "Policy": "who may call a route",
        "Raw": "a route whose handler reads the raw bytes: another system's notices",
        "Repeat": "what makes a route safe to repeat",
        "Reply": "an answer with more than its data",
        "Route": "declares a route",
        "Sent": "what such a route was sent",
        "aliases": "the same route under further paths",
        "ADMIN": "policy: administrators, role and session read anew",
        "ONCE_USER": "policy: whoever has an access token, also of a session that has just ended",
        "LIVE_USER": "policy: whoever is signed in, session read anew",
        "PUBLIC": "policy: anybody",
        "USER": "policy: whoever is signed in",
    },
    "core.isolation.guards": {
        "Overran": "what a plugin contributed took longer than it may",
        "PutAside": "the plugin that contributed it is not available",
        "Guards": "calls what other plugins contribute, so that failures count against who contributed it",
    },
    "core.jobs": {
        "Job": "declares periodic work",
    },
    "core.kernel": {
        "Kernel": "what a plugin builds its services from",
        "Manifest": "what a plugin says of itself",
        "Seed": "the signature of what writes demo data",
    },
    "core.observe.counts": {
        "Count": "counts for `/metrics` what a plugin has done",
    },
    "core.observe.tracing": {
        "carried": "the trace under way, as a text to keep beside work that is left for later",
        "continued": "joins such work to that trace, also on another replica",
        "outgoing": "a span for a call of somebody else's server",
        "span": "a span of one's own within the trace under way",
    },
    "core.plugins": {
        "PluginError": "stops the start: what a required plugin declares cannot be used",
    },
    "core.privacy.exports": {
        "ExportStatus": "how far a copy of somebody's data is; the domain of users shows it",
        "Exports": "asks for such a copy; the domain of users does",
    },
    "core.permissions": {
        "needs": "the policy of a route that asks for a right",
    },
    "core.privacy.model": {
        "BATCH": "rows that one step of an erasure takes at most",
        "Fate": "what becomes of a table's rows when their person is erased",
        "Holding": "declares a table with personal data",
        "PEOPLE": "the port that finds people; the domain of users provides it",
        "People": "the signature of that port",
        "PersonalData": "declares what a plugin holds of people",
        "Step": "how far an erasure came",
        "Subject": "whose data is meant",
        "uuid_of": "an id from a text, or nothing",
    },
    "core.privacy.requests": {
        "Erasures": "asks for an erasure; the domain of users does",
    },
    "core.resilience.breaker": {
        "Breaker": "keeps an outage of a provider short for who asks",
        "Breakers": "those of this replica, to which a plugin adds its own",
        "Open": "raised while a breaker is open",
    },
    "core.resilience.rank": {
        "Rank": "who goes first when there is not enough for all",
    },
    "core.services": {
        "Port": "declares what a domain offers to others",
        "PortMissing": "nobody provides the port that was asked for",
        "Provided": "an implementation of a port",
        "Services": "the ports, as the kernel hands them out",
    },
    "core.session_book": {
        "OpenSession": "a session as operators see it",
        "SESSION_BOOK": "the port by which the console asks for a user's sessions; the domain of users provides it",
        "Whose": "an account and its open sessions",
    },
    "core.settings": {
        "BadSettings": "refuses settings that contradict each other",
        "Secret": "a text that never prints",
        "Settings": "everything that was set, as the kernel hands it out",
    },
    "core.store.cache": {
        "Cache": "values kept in memory and Redis",
    },
    "core.store.db": {
        "Db": "reads, commands, transactions",
        "Lost": "the connection broke under a statement",
        "NotReached": "the database was not reached: nothing happened",
        "Refused": "an SQL function refused (SQLSTATE VK000)",
        "RolledBack": "PostgreSQL undid the transaction: it may be tried again",
        "Row": "one row of an answer",
        "Tx": "a transaction and the events that it emits",
    },
    "core.store.redis": {
        "Redis": "commands and messages; nothing true lives there alone",
        "RedisDown": "Redis is away",
        "RedisRefused": "Redis refused a command",
    },
    "core.tasks": {
        "SILENCE": "seconds that a loop with something to do every second may stand still",
        "Stray": "what a task waited for was given up by a library",
        "no_stray": "turns such a cancellation into an error",
        "Tasks": "background work that has an owner",
    },
    "core.types": {
        "Clock": "a source of time, for tests",
        "INDIA": "the shop's zone",
        "Paise": "money inside",
        "Rupees": "money on the wire",
        "SessionId": "the id of a session",
        "UserId": "the id of a user",
        "rupees": "paise as they go on the wire",
        "utc_now": "the clock that is used outside of tests",
        "uuid7": "a new id that sorts by time",
    },
}
"""Public names by module, each with what a plugin uses it for."""

TESTING = "core.testing"
"""The harness for tests of plugins: every name in the modules that begin so is public."""


def is_public(module: str, name: str) -> bool:
    """Whether `from module import name` is allowed in a plugin; `name` is empty for `import module`."""
    if f"{module}.".startswith(f"{TESTING}."):
        return True
    return name in PUBLIC.get(module, {}) or f"{module}.{name}".rstrip(".") in PUBLIC
