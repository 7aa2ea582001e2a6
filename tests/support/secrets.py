# ruff: noqa: E501  (a row of a table is a line)
"""Secrets of many vendors in their documented forms, and harmless text that looks like them.

Every value is made up, from a prefix and letters out of a seeded generator, so that no scanner of repositories takes
this file for a leak.
"""

from __future__ import annotations

import base64
import json
import random
import string
from pathlib import Path
from typing import Final

WORD: Final = string.ascii_letters + string.digits
LOWER: Final = string.ascii_lowercase + string.digits
UPPER: Final = string.ascii_uppercase + string.digits
HEX: Final = "0123456789abcdef"
URL_SAFE: Final = WORD + "_-"
STANDARD: Final = WORD + "+/"


def drawn(alphabet: str, length: int, seed: object = "") -> str:
    """Return that many letters of *alphabet*, always the same ones; at least one letter and one digit among them."""
    source = random.Random(f"{alphabet}{length}{seed}")
    while True:
        text = "".join(source.choice(alphabet) for _ in range(length))
        ends_well = text[-1:].isalnum() and text[:1].isalnum()
        if ends_well and (length < 4 or (any(map(str.isdigit, text)) and any(map(str.isalpha, text)))):
            return text


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def uuid(seed: object = "") -> str:
    digits = drawn(HEX, 32, seed)
    return "-".join((digits[:8], digits[8:12], f"4{digits[13:16]}", f"a{digits[17:20]}", digits[20:]))


def web_token(seed: object = "") -> str:
    return ".".join(
        (encoded({"alg": "HS256", "typ": "JWT"}), encoded({"sub": "1234567890"}), drawn(URL_SAFE, 43, seed))
    )


def armored(kind: str, lines: int = 6, dashes: str = "-----") -> str:
    body = "\n".join(drawn(STANDARD, 64, f"{kind}{number}") for number in range(lines))
    return f"{dashes}BEGIN {kind}{dashes}\n{body}\n{dashes}END {kind}{dashes}"


def _words() -> dict[str, str]:
    """Return secrets that are one word, by kind: what has a form is known wherever it stands."""
    made = {
        # prefix, alphabet, length
        "Google API key": ("AIza", URL_SAFE, 35),
        "Google API key, of AI Studio": ("AIza" + "Sy", URL_SAFE, 33),
        "Google API key, new": ("AQ." + "Ab8", URL_SAFE, 47),
        "Google OAuth token": ("ya29" + ".a0", URL_SAFE, 160),
        "Google OAuth token, short": ("ya29" + ".c.", URL_SAFE, 60),
        "Google refresh token": ("1//" + "0g", URL_SAFE, 60),
        "Google OAuth code": ("4/" + "0A", URL_SAFE, 70),
        "Google client secret": ("GOCSPX" + "-", URL_SAFE, 28),
        "Gemini ephemeral token": ("auth_tokens" + "/", HEX, 64),
        "Maxim key": ("sk_" + "mx_", LOWER, 32),
        "OpenAI key": ("sk" + "-", WORD, 48),
        "OpenAI project key": ("sk" + "-proj-", URL_SAFE, 148),
        "OpenAI project key, short": ("sk" + "-proj-", WORD, 40),
        "OpenAI service key": ("sk" + "-svcacct-", URL_SAFE, 120),
        "OpenAI admin key": ("sk" + "-admin-", URL_SAFE, 120),
        "Anthropic key": ("sk-" + "ant-api03-", URL_SAFE, 95),
        "Anthropic admin key": ("sk-" + "ant-admin01-", URL_SAFE, 95),
        "Anthropic OAuth token": ("sk-" + "ant-oat01-", URL_SAFE, 95),
        "OpenRouter key": ("sk-" + "or-v1-", HEX, 64),
        "DeepSeek key": ("sk" + "-", HEX, 32),
        "LangSmith key": ("lsv2" + "_pt_", HEX, 32),
        "LangSmith service key": ("lsv2" + "_sk_", HEX, 32),
        "Groq key": ("gsk" + "_", WORD, 52),
        "xAI key": ("xai" + "-", WORD, 80),
        "Perplexity key": ("pplx" + "-", WORD, 48),
        "Tavily key": ("tvly" + "-", WORD, 32),
        "Tavily key, new": ("tvly" + "-dev-", WORD, 32),
        "Replicate token": ("r8" + "_", WORD, 37),
        "Hugging Face token": ("hf" + "_", string.ascii_letters + "0123", 34),
        "Hugging Face organisation token": ("api" + "_org_", string.ascii_letters + "0123", 34),
        "Fireworks key": ("fw" + "_", WORD, 24),
        "Cerebras key": ("csk" + "-", LOWER, 48),
        "NVIDIA key": ("nvapi" + "-", URL_SAFE, 64),
        "Together key": ("tgp" + "_v1_", URL_SAFE, 43),
        "Pinecone key": ("pcsk" + "_", WORD, 68),
        "ElevenLabs key": ("sk" + "_", HEX, 48),
        "Jina key": ("jina" + "_", WORD, 60),
        "Firecrawl key": ("fc" + "-", HEX, 32),
        "E2B key": ("e2b" + "_", HEX, 40),
        "Logfire token": ("pylf" + "_v1_us_", WORD, 43),
        "PostHog personal key": ("phx" + "_", WORD, 43),
        "Sentry user token": ("sntryu" + "_", HEX, 64),
        "Sentry organisation token": ("sntrys" + "_eyJ", URL_SAFE, 120),
        "New Relic user key": ("NRAK" + "-", UPPER, 27),
        "Grafana service token": ("glsa" + "_", WORD, 32),
        "Grafana cloud token": ("glc" + "_eyJ", WORD, 80),
        "GitHub token": ("ghp" + "_", WORD, 36),
        "GitHub OAuth token": ("gho" + "_", WORD, 36),
        "GitHub user token": ("ghu" + "_", WORD, 36),
        "GitHub app token": ("ghs" + "_", WORD, 36),
        "GitHub refresh token": ("ghr" + "_", WORD, 36),
        "GitHub fine-grained token": ("github" + "_pat_", WORD, 82),
        "GitLab token": ("glpat" + "-", WORD, 20),
        "GitLab deploy token": ("gldt" + "-", WORD, 20),
        "GitLab runner token": ("glrt" + "-", WORD, 20),
        "GitLab trigger token": ("glptt" + "-", HEX, 40),
        "GitLab OAuth secret": ("gloas" + "-", HEX, 64),
        "GitLab agent token": ("glagent" + "-", URL_SAFE, 50),
        "GitLab job token": ("glcbt" + "-64_", WORD, 20),
        "Bitbucket app password": ("ATBB", WORD, 32),
        "Atlassian token": ("ATATT" + "3xFfGF0", URL_SAFE, 180),
        "Slack bot token": ("xoxb" + "-123456789012-1234567890123-", WORD, 24),
        "Slack user token": ("xoxp" + "-123456789012-123456789012-123456789012-", HEX, 32),
        "Slack refresh token": ("xoxe" + "-1-", WORD, 146),
        "Slack configuration token": ("xoxe" + ".xoxp-1-", WORD, 160),
        "Slack session token": ("xoxc" + "-123456789012-123456789012-", HEX, 64),
        "Slack app token": ("xapp" + "-1-A0123456789-1234567890123-", HEX, 64),
        "SendGrid key": ("SG" + "." + drawn(URL_SAFE, 22) + ".", URL_SAFE, 43),
        "Mailgun key": ("key" + "-", HEX, 32),
        "Brevo key": ("xkeysib" + "-" + drawn(HEX, 64) + "-", WORD, 16),
        "Resend key": ("re" + "_" + drawn(WORD, 8) + "_", WORD, 24),
        "Twilio API key": ("SK", HEX, 32),
        "Stripe key": ("sk" + "_live_", WORD, 24),
        "Stripe key, long": ("sk" + "_live_51", WORD, 97),
        "Stripe test key": ("sk" + "_test_", WORD, 24),
        "Stripe restricted key": ("rk" + "_live_", WORD, 24),
        "Stripe webhook secret": ("whsec" + "_", WORD, 32),
        "Square access token": ("sq0" + "atp-", URL_SAFE, 22),
        "Square secret": ("sq0" + "csp-", URL_SAFE, 43),
        "Shopify token": ("shpat" + "_", HEX, 32),
        "Shopify custom app token": ("shpca" + "_", HEX, 32),
        "Shopify private app token": ("shppa" + "_", HEX, 32),
        "Shopify secret": ("shpss" + "_", HEX, 32),
        "npm token": ("npm" + "_", WORD, 36),
        "PyPI token": ("pypi" + "-AgEIcHlwaS5vcmc", URL_SAFE, 120),
        "TestPyPI token": ("pypi" + "-AgENdGVzdC5weXBpLm9yZw", URL_SAFE, 120),
        "RubyGems key": ("rubygems" + "_", HEX, 48),
        "NuGet key": ("oy2", LOWER, 43),
        "Docker token": ("dckr" + "_pat_", URL_SAFE, 27),
        "Vault token": ("hvs" + ".", URL_SAFE, 95),
        "Vault batch token": ("hvb" + ".", URL_SAFE, 140),
        "Terraform token": (drawn(WORD, 14) + ".atlas" + "v1.", WORD, 67),
        "DigitalOcean token": ("dop" + "_v1_", HEX, 64),
        "DigitalOcean OAuth token": ("doo" + "_v1_", HEX, 64),
        "DigitalOcean refresh token": ("dor" + "_v1_", HEX, 64),
        "Heroku key": ("HRKU" + "-AA", URL_SAFE, 58),
        "Fly token": ("fm2" + "_", WORD, 120),
        "Netlify token": ("nfp" + "_", WORD, 36),
        "Supabase token": ("sbp" + "_", HEX, 40),
        "Supabase secret key": ("sb_" + "secret_", URL_SAFE, 31),
        "Neon key": ("napi" + "_", LOWER, 64),
        "PlanetScale token": ("pscale" + "_tkn_", URL_SAFE, 43),
        "PlanetScale password": ("pscale" + "_pw_", URL_SAFE, 43),
        "Databricks token": ("dapi", HEX, 32),
        "Airtable token": ("pat" + drawn(WORD, 14) + ".", HEX, 64),
        "Notion secret": ("secret" + "_", WORD, 43),
        "Notion token": ("ntn" + "_", WORD, 46),
        "Linear key": ("lin" + "_api_", WORD, 40),
        "Linear OAuth token": ("lin" + "_oauth_", HEX, 64),
        "Figma token": ("figd" + "_", URL_SAFE, 40),
        "Dropbox token": ("sl" + ".", URL_SAFE, 135),
        "Cloudflare origin CA key": ("v1" + ".0-" + drawn(HEX, 24) + "-", HEX, 146),
        "Doppler token": ("dp" + ".pt.", WORD, 43),
        "Doppler service token": ("dp" + ".st.dev.", WORD, 43),
        "1Password service token": ("ops" + "_eyJ", WORD, 250),
        "Postman key": ("PMAK" + "-" + drawn(HEX, 24) + "-", HEX, 34),
        "Pulumi token": ("pul" + "-", HEX, 40),
        "Sourcegraph token": ("sgp" + "_", HEX, 40),
        "Contentful token": ("CFPAT" + "-", URL_SAFE, 43),
        "Typeform token": ("tfp" + "_", URL_SAFE, 59),
        "Prefect key": ("pnu" + "_", WORD, 36),
        "Dynatrace token": ("dt0c01" + "." + drawn(UPPER, 24) + ".", UPPER, 64),
        "Mapbox secret token": ("sk" + "." + encoded({"u": "someone"}) + ".", URL_SAFE, 22),
        "Facebook token": ("EAA", WORD, 180),
        "AWS key id": ("AKIA", UPPER.replace("0", "").replace("1", "").replace("8", "").replace("9", ""), 16),
        "AWS temporary key id": ("ASIA", UPPER.replace("0", "").replace("1", "").replace("8", "").replace("9", ""), 16),
        "AWS Bedrock key": ("ABSK" + "QmVkcm9ja0FQSUtleS", STANDARD, 108),
        "Azure client secret": (drawn(WORD, 3) + "8Q" + "~", WORD, 34),
        "Azure OpenAI key": (drawn(WORD, 52) + "JQQJ" + "99", WORD, 26),
        "Alibaba key id": ("LTAI", WORD, 20),
        "age key": ("AGE-" + "SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
        "HubSpot token": ("pat" + "-na1-", HEX + "-", 36),
        "Buildkite token": ("bkua" + "_", HEX, 40),
        "CircleCI token": ("CCIPAT" + "_" + drawn(WORD, 22) + "_", HEX, 40),
        "SonarQube token": ("squ" + "_", HEX, 40),
        "JFrog key": ("AKCp", WORD, 69),
        "EasyPost key": ("EZAK", WORD, 54),
        "Duffel token": ("duffel" + "_live_", URL_SAFE, 43),
        "Flutterwave key": ("FLWSECK" + "-", HEX, 32),
        "Readme key": ("rdme" + "_", LOWER, 70),
        "Shippo token": ("shippo" + "_live_", HEX, 40),
        "Infracost key": ("ico" + "-", WORD, 32),
        "OpenShift token": ("sha256" + "~", URL_SAFE, 43),
        "Snyk token": ("snyk" + "_uat.", URL_SAFE, 80),
        "Mailchimp key": (drawn(HEX, 32) + "-us", "1234567", 1),
        "Telegram bot token": ("1234567890" + ":AA", URL_SAFE, 33),
        "Discord bot token": ("MTI" + drawn(WORD, 23) + "." + drawn(WORD, 6) + ".", URL_SAFE, 38),
        "Firebase messaging key": ("AAAA" + drawn(WORD, 7) + ":APA91b", URL_SAFE, 134),
        "encrypted web token": (
            ".".join((encoded({"alg": "dir", "enc": "A256GCM"}), "", drawn(URL_SAFE, 16), drawn(URL_SAFE, 60))) + ".",
            URL_SAFE,
            22,
        ),
        "PASETO": ("v4" + ".local.", URL_SAFE, 120),
    }
    words = {kind: start + drawn(alphabet, length, kind) for kind, (start, alphabet, length) in made.items()}
    words["JSON web token"] = web_token()
    words["JSON web token without signature"] = web_token().rpartition(".")[0] + "."
    words["Langfuse key"] = "sk" + "-lf-" + uuid("langfuse")
    words["Plaid token"] = "access" + "-production-" + uuid("plaid")
    words["LaunchDarkly key"] = "sdk" + "-" + uuid("launchdarkly")
    words["OpenAI key with its mark"] = "sk" + "-" + drawn(WORD, 20, 1) + "T3Blbk" + "FJ" + drawn(WORD, 20, 2)
    return words


WORDS: Final = _words()


def _placed() -> dict[str, tuple[str, str]]:
    """Return texts with a secret that its place gives away, by kind: the text, and what must not stay of it."""
    aws = drawn(WORD, 18, "aws") + "/" + drawn(WORD, 10, "aws") + "+" + drawn(WORD, 10, "aws")
    hexadecimal, word = drawn(HEX, 64, "placed"), drawn(WORD, 32, "placed")
    short = "s3cr3t" + "Pass9"
    basic = base64.b64encode(f"me:{short}".encode()).decode()
    rows = {
        "AWS secret key": (f"AWS_SECRET_ACCESS_KEY={aws}", aws),
        "AWS secret key in an INI file": (f"aws_secret_access_key = {aws}\nregion = eu-west-1", aws),
        "AWS secret key beside its id": (f"AKIA{drawn('ABCDEFGHIJKLMN234567', 16)} {aws}", aws),
        "AWS session token": (f"aws_session_token={word}{word}", word),
        "a key of the environment": (f"export OPENAI_API_KEY={word}", word),
        "a key in YAML": (f"api_key: {word}", word),
        "a key in quotation marks": (f"api_key = '{word}'", word),
        "a key in a program": (f'client = Client(api_key="{word}")', word),
        "a key in a dict": (f"{{'apiKey': '{word}'}}", word),
        "a key in TOML": (f'secret_key = "{word}"', word),
        "a key in a header": (f"X-Api-Key: {word}", word),
        "a password": (f"password={short}", short),
        "a password in YAML": (f"db_password: {short}", short),
        "a client secret": (f"client_secret={word}", word),
        "an access token": (f"access_token={word}&token_type=x", word),
        "a refresh token": (f'"refresh_token": "{word}"', word),
        "a bearer token": (f"Authorization: Bearer {word}", word),
        "a bearer token in curl": (f"curl -H 'Authorization: Bearer {word}' https://h/", word),
        "basic authorization": (f"Authorization: Basic {basic}", basic),
        "the password of a netrc file": (f"machine api.example.com login me password {short}", short),
        "a Google key behind a word": ("thegeminikeyofthisproject" + WORDS["Google API key"], WORDS["Google API key"]),
        "basic authorization in curl": (f"curl -u me:{short} https://h/", short),
        "a cookie": (f"Cookie: theme=dark; sid={word}", word),
        "a set cookie": (f"Set-Cookie: sid={word}; Path=/", word),
        "a password in a URL": (f"https://me:{short}@example.com/x", short),
        "Postgres": (f"postgresql://app:{short}@db.internal:5432/app", short),
        "MySQL": (f"mysql://shop:{short}@127.0.0.1/shop", short),
        "MongoDB": (f"mongodb+srv://app:{short}@c0.abcde.mongodb.net/app", short),
        "Redis": (f"redis://:{short}@cache:6379/0", short),
        "AMQP": (f"amqps://app:{short}@mq.example.com/app", short),
        "JDBC": (f"jdbc:postgresql://db/app?user=app&password={short}", short),
        "Azure storage": (
            f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={drawn(STANDARD, 86)}==",
            drawn(STANDARD, 86),
        ),
        "Azure service bus": (
            f"Endpoint=sb://x/;SharedAccessKeyName=k;SharedAccessKey={drawn(STANDARD, 43)}=",
            drawn(STANDARD, 43),
        ),
        "Azure SAS": (f"https://a.blob.core.windows.net/c/b?sv=2022-11-02&se=2026&sr=b&sp=r&sig={word}%3D", word),
        "Google signed URL": (
            f"https://storage.googleapis.com/b/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature={hexadecimal}",
            hexadecimal,
        ),
        "Google signed URL, credential": (
            "https://storage.googleapis.com/b/o?X-Goog-Credential=me1%40project-2.iam&X-Goog-Date=20261124T000000Z",
            "me1%40project-2",
        ),
        "Amazon signed URL": (
            f"https://b.s3.amazonaws.com/o?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={hexadecimal}",
            hexadecimal,
        ),
        "Amazon security token": (f"https://b.s3.amazonaws.com/o?X-Amz-Security-Token={word}", word),
        "CloudFront": (f"https://d1.cloudfront.net/o?Expires=1&Signature={word}~{word}&Key-Pair-Id=K1", word),
        "an upload": (
            f"https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id={word}&upload_protocol=resumable",
            word,
        ),
        "a key in a URL": (f"https://maps.googleapis.com/maps/api/js?key={word}", word),
        "a token in a URL": (
            f"https://firebasestorage.googleapis.com/v0/b/x/o/y?alt=media&token={uuid('url')}",
            uuid("url"),
        ),
        "a token behind a hash": (f"https://example.com/cb#access_token={word}&state=1", word),
        "Slack webhook": (
            "https://hooks.slack" + f".com/services/T{drawn(UPPER, 10)}/B{drawn(UPPER, 10)}/{drawn(WORD, 24)}",
            drawn(WORD, 24),
        ),
        "Slack workflow": (
            "https://hooks.slack" + f".com/workflows/T{drawn(UPPER, 10)}/A{drawn(UPPER, 10)}/1/{drawn(WORD, 24)}",
            drawn(WORD, 24),
        ),
        "Discord webhook": (
            "https://discord" + f".com/api/webhooks/123456789012345678/{drawn(URL_SAFE, 68)}",
            drawn(URL_SAFE, 68),
        ),
        "Discord webhook, old": (
            "https://discordapp" + f".com/api/webhooks/123456789012345678/{drawn(URL_SAFE, 68)}",
            drawn(URL_SAFE, 68),
        ),
        "Teams webhook": (
            "https://x.webhook.office"
            + f".com/webhookb2/{uuid(1)}@{uuid(2)}/IncomingWebhook/{drawn(HEX, 32)}/{uuid(3)}",
            drawn(HEX, 32),
        ),
        "Teams workflow": (
            f"https://prod-1.westus.logic.azure.com/workflows/a/triggers/manual/paths/invoke?api-version=2016-06-01&sig={drawn(URL_SAFE, 43)}",
            drawn(URL_SAFE, 43),
        ),
        "Google Chat webhook": (
            f"https://chat.googleapis.com/v1/spaces/AAA/messages?key=x&token={drawn(URL_SAFE, 43)}",
            drawn(URL_SAFE, 43),
        ),
        "Zapier hook": ("https://hooks.zapier" + ".com/hooks/catch/1234567/abc12de/", "abc12de"),
        "Telegram URL": (
            "https://api.telegram.org/bot" + WORDS["Telegram bot token"] + "/getMe",
            WORDS["Telegram bot token"],
        ),
        "one-time password": (
            f"otpauth://totp/x:me?secret={drawn('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 32)}&issuer=x",
            drawn("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32),
        ),
    }
    for kind in (
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ):
        rows[kind] = (armored(kind), drawn(STANDARD, 64, f"{kind}3"))
    rsa, line = armored("RSA PRIVATE KEY"), drawn(STANDARD, 64, "RSA PRIVATE KEY3")
    rows |= {
        "SSH2 private key": (
            armored("SSH2 ENCRYPTED PRIVATE KEY", dashes="----")
            .replace("----BEGIN ", "---- BEGIN ")
            .replace("KEY----", "KEY ----"),
            drawn(STANDARD, 64, "SSH2 ENCRYPTED PRIVATE KEY3"),
        ),
        "private key, encrypted": (
            rsa.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n", 1),
            line,
        ),
        "private key, quoted": ("> " + rsa.replace("\n", "\n> "), line),
        "private key, quoted twice": (">> " + rsa.replace("\n", "\n>> "), line),
        "private key, indented": ("key: |\n    " + rsa.replace("\n", "\n    "), line),
        "private key, commented": ("# " + rsa.replace("\n", "\n# "), line),
        "private key, with tabs": ("\t" + rsa.replace("\n", "\n\t"), line),
        "private key, of Windows": (rsa.replace("\n", "\r\n"), line),
        "private key, on one line": (rsa.replace("\n", " "), line),
        "private key, escaped": (rsa.replace("\n", "\\n"), line),
        "private key, escaped twice": (rsa.replace("\n", "\\\\n"), line),
        "private key, joined": ('"' + rsa.replace("\n", '\\n" +\n "') + '"', line),
        "private key, cut": (rsa[:300], rsa[240:300].split()[-1]),
        "private key, cut in a line": (rsa[:270] + "\n", line[:10]),
        "private key, without an end": (rsa.rpartition("\n")[0], line),
        "private key, PuTTY": (
            f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 1\n{line}\nPrivate-Lines: 1\n{line}\nPrivate-MAC: {hexadecimal}",
            line,
        ),
        "two private keys": (rsa + "\n" + armored("EC PRIVATE KEY"), drawn(STANDARD, 64, "EC PRIVATE KEY2")),
    }
    return rows


PLACED: Final = _placed()

MEMBERS: Final = (
    "apiKey",
    "api_key",
    "x-api-key",
    "X-Goog-Api-Key",
    "apikey",
    "APIKey",
    "apiKeyString",
    "OPENAI_API_KEY",
    "accessKey",
    "secretAccessKey",
    "secretKey",
    "privateKey",
    "signingKey",
    "clientSecret",
    "client_secret",
    "webhookSecret",
    "accessToken",
    "access_token",
    "refreshToken",
    "refresh_token",
    "idToken",
    "authToken",
    "auth_token",
    "sessionToken",
    "X-Amz-Security-Token",
    "bearerToken",
    "csrfToken",
    "password",
    "userPassword",
    "db_password",
    "passwd",
    "passphrase",
    "authorization",
    "Authorization",
    "proxy-authorization",
    "jwt",
    "connectionString",
    "secret",
    "token",
)
"""Names of members whose value is a secret."""

HEADERS: Final = (
    "x-goog-api-key",
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-jwt",
    "x-client-cert",
    "x-forwarded-client-cert",
    "x-goog-iap-jwt-assertion",
    "x-amz-security-token",
    "x-amz-signature",
    "x-auth-token",
    "x-csrf-token",
    "x-xsrf-token",
    "x-session-id",
    "x-hub-signature-256",
    "ocp-apim-subscription-key",
    "x-access-token",
    "x-vault-token",
    "x-gitlab-token",
    "private-token",
    "x-figma-token",
    "x-shopify-access-token",
    "x-refresh-token",
    "x-hmac",
    "x-sso",
    "x-secret",
    "x-password",
    "x-credential",
)
"""Names of headers that carry a secret."""

HARMLESS: Final = (
    *(Path(__file__).parent / "harmless.txt").read_text(encoding="utf-8").splitlines(),
    armored("PRIVATE KEY", lines=0).replace("\n\n", "\n...\n"),
    armored("CERTIFICATE"),
    armored("PUBLIC KEY"),
    "a\tb\nc",
    "",
    " ",
)
"""Text in which nothing is a secret, though much of it looks like one."""
