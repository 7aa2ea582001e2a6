"""The forms of keys and tokens, as their providers document them.

The only list of these forms, for the wrapper and the test kit. Pure, and based on the standard library alone.

Every form has a mark, characters that ordinary text does not have (`AIza`, `ghp_`). Long words are searched first, then
marks in them, and only there is the whole form matched. So it is fast, and not slower for a hostile text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from .patterns import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Form:
    """The form of one kind of secret."""

    __slots__ = ("before", "kind", "marks", "pattern")

    def __init__(self, kind: str, marks: tuple[str, ...], pattern: str, before: tuple[int, ...]) -> None:
        self.kind = kind
        self.marks = marks
        """Every secret of this kind contains one of these."""
        self.pattern = pattern
        """Matches the whole form; the secret is its first group, if it has one."""
        self.before = before
        """How many characters of the secret may come before the mark."""


class Secret:
    """The position of a secret in a text."""

    __slots__ = ("end", "kind", "start")

    def __init__(self, start: int, end: int, kind: str) -> None:
        self.start = start
        self.end = end
        self.kind = kind


_START: Final = r"(?:(?<![A-Za-z0-9_.-])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9A-F]{2})|(?<=[A-Z]_))"
"""No letter before it, except one of an escape in JSON or a URL, or of the name of a variable."""
_STRONG_START: Final = r"(?:(?<![A-Za-z0-9])|(?<![A-Za-z0-9+/]{12})|(?<=[a-z]{9})|(?<=\\[nrtbf])|(?<=%[0-9A-F]{2}))"
"""Another word may come before it, but no long run of mixed letters, which base64 is."""
_END: Final = r"(?![A-Za-z0-9_-])"
_MIXED: Final = r"(?:(?=[A-Za-z_.~+/%-]{0,200}\d)(?=[0-9_.~+/%-]{0,200}[A-Za-z])|(?=[A-Za-z0-9]{24}))"
"""Letters and digits, or more of either than a word has: a word or a number is no key."""
_RANDOM: Final = r"(?=(?:[\w-]{0,200}[-_])?(?:(?=[A-Za-z]{0,9}\d)(?=\d{0,9}[A-Za-z])[A-Za-z0-9]{10}|[A-Za-z0-9]{20}))"
"""Somewhere ten letters and digits in a row: words joined by hyphens are no key."""
_UUID: Final = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"


def _form(
    kind: str,
    marks: str,
    rest: str,
    *,
    start: str = _START,
    end: str = _END,
    before: tuple[str, tuple[int, ...]] = ("", (0,)),
) -> Form:
    """Return the form of one of the *marks* and then *rest*; *before* may come first, with so many characters."""
    literals = tuple(marks.split())
    alternatives = "|".join(map(re.escape, literals))
    return Form(kind, literals, f"(?a){start}{before[0]}(?:{alternatives})(?:{rest}){end}", before[1])


@cache
def forms() -> tuple[Form, ...]:
    """Return all forms. They are made for the first text that is searched: most programs search none."""
    return (
        # Google and Maxim
        _form("a Google API key", "AIza", r"[\w-]{35}", start=_STRONG_START),
        _form("a Google API key", "AQ.", rf"(?=Ab8|{_RANDOM})[\w-]{{30,}}"),
        _form("a Google OAuth token", "ya29.", r"[\w.-]{19,}\w"),
        _form("a Google OAuth token", "1//0 4/0A", r"(?=[\w-]{0,60}\d)[\w-]{20,}"),
        _form("a Google OAuth client secret", "GOCSPX-", r"[\w-]{20,}", start=_STRONG_START),
        _form("a Gemini ephemeral token", "auth_tokens/", rf"{_MIXED}[\w-]{{20,}}"),
        _form("a Firebase server key", ":APA91b", r"[\w-]{120,}", before=(r"[\w-]{11}", (11,)), start=_START),
        _form("a Maxim API key", "sk_mx_", r"[\w-]{8,}", start=_STRONG_START),
        # Those who serve models
        _form("an Anthropic key", "sk-ant-", rf"{_RANDOM}[\w-]{{24,}}", start=_STRONG_START),
        _form(
            "an OpenAI key", "sk-proj- sk-svcacct- sk-admin- sk-None-", rf"{_RANDOM}[\w-]{{24,}}", start=_STRONG_START
        ),
        _form("an API key of the form sk-...", "sk-", rf"{_MIXED}[A-Za-z0-9]{{24,}}"),
        _form("an OpenRouter key", "sk-or-v1-", r"[0-9a-f]{40,}"),
        _form("a Langfuse key", "sk-lf-", _UUID),
        _form("a LangSmith key", "lsv2_pt_ lsv2_sk_", r"[0-9a-f]{32}(?:_[0-9a-f]{10})?"),
        _form("a Groq key", "gsk_", rf"{_MIXED}[A-Za-z0-9]{{40,}}"),
        _form("an xAI key", "xai-", rf"{_MIXED}[A-Za-z0-9]{{40,}}"),
        _form("a Perplexity key", "pplx-", rf"{_MIXED}[A-Za-z0-9]{{40,}}"),
        _form("a Tavily key", "tvly-", rf"(?:dev-|prod-)?{_MIXED}[A-Za-z0-9-]{{24,}}"),
        _form("a Replicate token", "r8_", rf"{_MIXED}[A-Za-z0-9]{{37}}"),
        _form("a Hugging Face token", "hf_ api_org_", rf"{_MIXED}[A-Za-z0-9]{{30,}}"),
        _form("a Fireworks key", "fw_", rf"{_MIXED}[A-Za-z0-9]{{20,}}"),
        _form("a Cerebras key", "csk-", rf"{_MIXED}[a-z0-9]{{40,}}"),
        _form("an NVIDIA key", "nvapi-", r"[\w-]{50,}"),
        _form("a Together key", "tgp_v1_", r"[\w-]{30,}"),
        _form("a Pinecone key", "pcsk_", r"[A-Za-z0-9_]{40,}"),
        _form("an ElevenLabs key", "sk_", r"[0-9a-f]{48}"),
        _form("a Jina key", "jina_", rf"{_MIXED}[\w-]{{40,}}"),
        _form("a Firecrawl key", "fc-", r"[0-9a-f]{32}"),
        _form("an E2B key", "e2b_", r"[0-9a-f]{40}"),
        # Those who watch
        _form("a Logfire token", "pylf_v1_ pylf_v2_", r"[a-z]+_[\w-]{30,}"),
        _form("a PostHog key", "phx_", rf"{_MIXED}[A-Za-z0-9]{{40,}}"),
        _form("a Sentry token", "sntryu_", r"[0-9a-f]{64}"),
        _form("a Sentry token", "sntrys_", r"eyJ[\w+/=-]{60,}"),
        _form("a New Relic key", "NRAK-", r"[A-Z0-9]{27}"),
        _form("a Grafana token", "glsa_", r"[A-Za-z0-9]{32}(?:_[0-9a-fA-F]{8})?"),
        _form("a Grafana token", "glc_", r"eyJ[\w+/=-]{40,}"),
        _form("a Dynatrace token", "dt0c01. dt0s16.", r"[A-Z0-9]{24}\.[A-Z0-9]{64}"),
        # Code and packages
        _form("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{36,}", start=_STRONG_START),
        _form("a GitHub token", "github_pat_", rf"{_MIXED}\w{{30,}}", start=_STRONG_START),
        _form(
            "a GitLab token",
            "glpat- gldt- glrt- glft- glsoat- glimt- glptt- gloas- glagent- glffct-",
            rf"{_MIXED}[\w-]{{20,}}(?:\.[\w-]{{2,}}\.[\w-]{{5,}})?",
        ),
        _form("a GitLab token", "glcbt-", r"[0-9a-fA-F]{1,5}_[\w-]{20,}"),
        _form("a Bitbucket password", "ATBB", rf"{_MIXED}[A-Za-z0-9]{{32}}"),
        _form("an Atlassian token", "ATATT3", r"[\w=-]{100,}"),
        _form("an npm token", "npm_", rf"{_MIXED}[A-Za-z0-9]{{36,}}"),
        _form("a PyPI token", "pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZw", r"[\w-]{50,}"),
        _form("a RubyGems key", "rubygems_", r"[0-9a-f]{48}"),
        _form("a NuGet key", "oy2", rf"{_MIXED}[a-z0-9]{{43}}"),
        _form("a Docker token", "dckr_pat_ dckr_oat_", r"[\w-]{27,}"),
        _form("a Buildkite token", "bkua_", r"[0-9a-f]{40}"),
        _form("a CircleCI token", "CCIPAT_", r"[A-Za-z0-9]{22}_[0-9a-f]{40}"),
        _form("a SonarQube token", "squ_ sqp_ sqa_", r"[0-9a-f]{40}"),
        _form("a JFrog key", "AKCp", rf"{_MIXED}[A-Za-z0-9]{{69}}"),
        _form("a Sourcegraph token", "sgp_", r"(?:(?:[0-9a-f]{16}|local)_)?[0-9a-f]{40}"),
        _form("a Snyk token", "snyk_uat. snyk_sat.", r"[\w.-]{39,}\w"),
        _form("a Postman key", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
        _form("a Prefect key", "pnu_ pnb_", rf"{_MIXED}[A-Za-z0-9]{{36}}"),
        _form("an Infracost key", "ico-", rf"{_MIXED}[A-Za-z0-9]{{32}}"),
        _form("a Readme key", "rdme_", r"[a-z0-9]{70}"),
        # Clouds
        _form("an AWS key id", "AKIA ASIA ABIA ACCA", r"(?=[A-Z]*\d)[A-Z0-9]{16}"),
        _form("an AWS Bedrock key", "ABSKQmVkcm9ja", r"[\w+/=-]{60,}"),
        _form("an Azure client secret", "Q~", r"[\w.~-]{31,34}", before=(r"[\w.~-]{3}\d", (4,))),
        _form("an Azure OpenAI key", "JQQJ99", r"[A-Za-z0-9]{26}", before=(r"[A-Za-z0-9]{52}", (52,))),
        _form("an Alibaba key id", "LTAI", rf"{_MIXED}[A-Za-z0-9]{{20}}"),
        _form("a Cloudflare key", "v1.0-", r"[0-9a-f]{24}-[0-9a-f]{146}"),
        _form("a DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{64}"),
        _form("a Heroku key", "HRKU-", r"[\w-]{36,}"),
        _form("a Fly token", "fm1r_ fm1a_ fm2_ fo1_", rf"{_MIXED}[\w+/=-]{{40,}}"),
        _form("a Netlify token", "nfp_ nfc_ nfo_ nfu_", rf"{_MIXED}[A-Za-z0-9]{{36,}}"),
        _form("a Supabase token", "sbp_", r"(?:oauth_|v0_)?[0-9a-f]{40}"),
        _form("a Supabase secret key", "sb_secret_", r"[\w-]{25,}"),
        _form("a Neon key", "napi_", rf"{_MIXED}[a-z0-9]{{50,}}"),
        _form("a PlanetScale secret", "pscale_tkn_ pscale_pw_ pscale_oauth_", r"[\w.=-]{31,}\w"),
        _form("a Databricks token", "dapi", r"[0-9a-f]{32}(?:-\d)?"),
        _form("a Vault token", "hvs. hvb. hvr.", rf"{_MIXED}[\w-]{{24,}}"),
        _form("a Terraform token", ".atlasv1.", r"[\w=-]{60,}", before=(r"[A-Za-z0-9]{14}", (14,))),
        _form(
            "a Doppler token",
            "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.",
            r"(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,}",
        ),
        _form("a 1Password token", "ops_eyJ", r"[\w+/=-]{100,}"),
        _form("a Pulumi token", "pul-", r"[0-9a-f]{40}"),
        _form("an OpenShift token", "sha256~", r"[\w-]{43}"),
        _form("an age key", "AGE-SECRET-KEY-1", r"[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{50,}", start=_STRONG_START),
        # Messages, payments, data
        _form(
            "a Slack token", "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xoxc- xoxd-", rf"{_MIXED}[\w%.+/=-]{{9,}}[\w%=]"
        ),
        _form("a Slack token", "xoxe.xoxp- xoxe.xoxb-", r"[\w-]{20,}"),
        _form("a Slack app token", "xapp-", r"\d-[A-Za-z0-9-]{10,}"),
        _form("a SendGrid key", "SG.", r"[\w-]{16,64}\.[\w-]{16,80}"),
        _form("a Mailgun key", "key-", r"[0-9a-f]{32}"),
        _form("a Mailchimp key", "-us", r"\d{1,2}", before=(r"[0-9a-f]{32}", (32,))),
        _form("a Brevo key", "xkeysib- xsmtpsib-", r"[0-9a-f]{64}-[A-Za-z0-9]{16}"),
        _form("a Resend key", "re_", r"(?=[A-Za-z_]*\d)[A-Za-z0-9]{8}_[A-Za-z0-9]{24}"),
        _form("a Twilio key", "SK", r"[0-9a-f]{32}"),
        _form("a Telegram token", ":AA", r"[\w-]{33}", start=r"(?<!\d)", before=(r"\d{8,10}", (10, 9, 8))),
        _form("a Discord token", "MT Mj Mz ND NT Nj Nz OD OT", r"[\w-]{22,26}\.[\w-]{6}\.[\w-]{27,40}"),
        _form(
            "a Stripe key",
            "sk_live_ sk_test_ rk_live_ rk_test_ sk_org_live_ sk_org_test_",
            rf"{_MIXED}[A-Za-z0-9]{{16,}}",
            start=_STRONG_START,
        ),
        _form("a webhook secret", "whsec_", rf"{_MIXED}[A-Za-z0-9+/=]{{24,}}"),
        _form("a Square token", "sq0atp- sq0csp-", r"[\w-]{22,43}"),
        _form("a Shopify token", "shpat_ shpca_ shppa_ shpss_", r"[0-9a-fA-F]{32}"),
        _form("a Plaid token", "access-production- access-sandbox- access-development-", _UUID),
        _form("a Flutterwave key", "FLWSECK- FLWSECK_TEST-", r"[0-9a-fA-F]{32}(?:-X)?"),
        _form("a Shippo token", "shippo_live_ shippo_test_", r"[0-9a-f]{40}"),
        _form("an EasyPost key", "EZAK EZTK", rf"{_MIXED}[A-Za-z0-9]{{54}}"),
        _form("a Duffel token", "duffel_live_ duffel_test_", r"[\w=-]{43}"),
        _form("an Airtable token", "pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
        _form("a Notion token", "secret_", rf"{_MIXED}[A-Za-z0-9]{{43}}"),
        _form("a Notion token", "ntn_", rf"{_MIXED}[A-Za-z0-9]{{40,}}"),
        _form("a Linear token", "lin_api_ lin_oauth_", r"[A-Za-z0-9]{32,}"),
        _form("a Figma token", "figd_ figo_", r"[\w-]{36,}"),
        _form("a Dropbox token", "sl.", rf"(?:u\.)?{_RANDOM}[\w-]{{100,}}"),
        _form("a Contentful token", "CFPAT-", r"[\w-]{43}"),
        _form("a Typeform token", "tfp_", r"[\w.=-]{43,}\w"),
        _form("a HubSpot token", "pat-na1- pat-na2- pat-eu1-", r"(?=[a-f-]*\d)[0-9a-f-]{36}"),
        _form("a LaunchDarkly key", "sdk- api-", _UUID),
        _form("a Mapbox token", "sk.eyJ", r"[\w-]{16,}\.[\w-]{20,}"),
        _form("a Facebook token", "EAA", rf"{_MIXED}[A-Za-z0-9]{{120,}}"),
        # Addresses that whoever knows them may post to: what follows the host
        _form(
            "a Slack webhook",
            "hooks.slack.com/services/ hooks.slack.com/workflows/ hooks.slack.com/triggers/",
            r"(T?[\w-]+/[\w/-]{8,})",
            start="",
            end="",
        ),
        _form(
            "a Discord webhook",
            "discord.com/api/webhooks/ discordapp.com/api/webhooks/",
            r"(\d+/[\w-]{20,})",
            start="",
            end="",
        ),
        _form(
            "a Teams webhook",
            ".webhook.office.com/ outlook.office.com/webhook/ outlook.office365.com/webhook/",
            r"([\w@/-]{36,})",
            start="",
            end="",
        ),
        _form("a Zapier webhook", "hooks.zapier.com/hooks/catch/", r"(\d+/\w{5,})", start="", end=""),
        _form("a Make webhook", ".make.com/", r"([a-z0-9]{32})", start=""),
        _form("an IFTTT webhook", "maker.ifttt.com/trigger/", r"\w+/(?:json/)?with/key/([\w-]{16,})", start="", end=""),
        # Webs of tokens, and keys in armour
        _form("a JSON web token", "eyJ", r"[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*", start=_STRONG_START),
        _form(
            "an encrypted JSON web token",
            "eyJ",
            r"[\w-]{8,}\.[\w-]*\.[\w-]{8,}\.[\w-]{8,}\.[\w-]{16,}",
            start=_STRONG_START,
        ),
        _form(
            "a PASETO",
            "v1.local. v2.local. v3.local. v4.local. v1.public. v2.public. v3.public. v4.public.",
            r"[\w-]{60,}(?:\.[\w-]+)?",
        ),
    )


def tokens(text: str) -> list[Secret]:
    """Return the secrets in *text* that have a known form, in order and without overlaps."""
    if len(text) < _SHORTEST:
        return []
    return without_overlaps(_armored(text) + list(_marked(text)))


def replaced(text: str, replacement: str) -> str:
    """Return *text* with every secret of a known form replaced by *replacement*."""
    parts: list[str] = []
    at = 0
    for secret in tokens(text):
        parts += (text[at : secret.start], replacement)
        at = secret.end
    return "".join((*parts, text[at:]))


def without_overlaps(secrets: Iterable[Secret]) -> list[Secret]:
    """Return *secrets* in order; those that overlap are merged into one."""
    kept: list[Secret] = []
    for secret in sorted(secrets, key=lambda secret: (secret.start, -secret.end)):
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
        elif secret.end > kept[-1].end:
            kept[-1] = Secret(kept[-1].start, secret.end, kept[-1].kind)
    return kept


def _marked(text: str) -> Iterator[Secret]:
    for word in compiled(_WORD).finditer(text):
        past = 0
        for mark in _marks(at_start=word.end() - word.start() > _LONG).finditer(text, word.start(), word.end()):
            if mark.start() < past:
                continue  # inside a secret: matching again would be slow in a text with many marks
            for secret in _matches(text, mark[1], mark.start()):
                past = max(past, secret.end)
                yield secret


def _matches(text: str, mark: str, at: int) -> Iterator[Secret]:
    for form in _forms_with(mark):
        for before in form.before:
            if at >= before and (match := compiled(form.pattern).match(text, at - before)):
                yield Secret(*match.span(match.lastindex or 0), form.kind)
                break


@cache
def _forms_with(mark: str) -> list[Form]:
    """Return the forms with *mark*, or with a longer mark that begins with it."""
    return [form for form in forms() if any(longer.startswith(mark) for longer in form.marks)]


@cache
def _marks(*, at_start: bool) -> re.Pattern[str]:
    """Return a pattern for any mark; with *at_start*, only for marks without a letter before them."""
    before = "(?<![A-Za-z0-9_-])" if at_start else ""
    marks = sorted({mark for form in forms() for mark in form.marks})
    return re.compile(f"{before}(?=({_tree(marks)}))")


def _tree(words: Iterable[str]) -> str:
    """Return a pattern for any of *words*; if one begins with another, for the shorter one."""
    branches: dict[str, list[str]] = {}
    for word in words:
        if not word:
            return ""
        branches.setdefault(word[0], []).append(word[1:])
    alternatives = "|".join(re.escape(first) + _tree(rests) for first, rests in branches.items())
    return f"(?:{alternatives})"


_SHORTEST: Final = 14
_WORD: Final = rf"[A-Za-z0-9_.~+/:=%@-]{{{_SHORTEST},}}"
_LONG: Final = 1024
"""Length from which on a word is data, such as base64: a secret in it only counts at the start of a part."""
# Keys in armor: base64 between two lines. The lines may be quoted, indented or escaped, and the last may be missing.

_ARMOR: Final = (
    r"-----?[ ]?BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?[ ]?-----?|PuTTY-User-Key-File-\d|<RSAKeyValue>"
)
_ARMOR_END: Final = r"-----?[ ]?END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?[ ]?-----?|Private-MAC: \w+|</RSAKeyValue>"
_ARMOR_LINE: Final = r"[^A-Za-z0-9+/=]{0,24}(?:[A-Z][A-Za-z-]{1,30}: [^\n\\]{0,200}|[A-Za-z0-9+/=]{16,})"
_ARMOR_REST: Final = r"[^A-Za-z0-9+/=]{1,24}[A-Za-z0-9+/=]{1,15}(?=[\"'`)]{0,2}\s*(?:\\[nr]|[\r\n]|$))"
_MATERIAL: Final = r"[A-Za-z0-9+/=]{24}"


def _armored(text: str) -> list[Secret]:
    """Return the private keys in *text*; the first line alone, without a key, does not count."""
    if "PRIVATE KEY" not in text and "PuTTY-" not in text and "<RSAKey" not in text:
        return []
    starts = list(compiled(_ARMOR).finditer(text))
    limits = [start.start() for start in starts[1:]]
    secrets: list[Secret] = []
    for start, limit in zip(starts, [*limits, len(text)], strict=False):
        last = compiled(_ARMOR_END).search(text, start.end(), limit)
        end = last.end() if last else _cut(text, start.end(), limit)
        if compiled(_MATERIAL).search(text, start.end(), end):
            secrets.append(Secret(start.start(), end, "a private key"))
    return secrets


def _cut(text: str, at: int, limit: int) -> int:
    """Return the end of a key whose last line is missing."""
    while match := compiled(_ARMOR_LINE).match(text, at, limit):
        at = match.end()
    rest = compiled(_ARMOR_REST).match(text, at, limit)
    return rest.end() if rest else at
