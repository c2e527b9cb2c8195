"""Feeds: RSS and Atom, Mastodon, X (Twitter)."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("RssSource", "source", "rss:rss_source", extra="feeds",
            needs=("feedparser", "httpx")),
    BuiltIn("MastodonSource", "source", "mastodon:mastodon_source", extra="http",
            needs=("httpx",)),
    BuiltIn("TwitterSource", "source", "twitter:twitter_source", extra="http",
            needs=("httpx",), also=("XSource",)),
    BuiltIn("TwitterSink", "sink", "twitter:twitter_sink", extra="http",
            needs=("httpx",), also=("XSink",)),
)  # fmt: skip
