"""Who served a call, in the conventions' names: from what a span says, or from its host."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_token_monitor.dialects import attributes as name
from otel_token_monitor.dialects.names import ALL_NAMES, Names

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPENAI_COMPATIBLE", "UNKNOWN", "ProviderHosts", "provider_at", "provider_of"]

OPENAI_COMPATIBLE: Final = "openai_compatible"
"""A server that speaks OpenAI's protocol and is not known by its address: a gateway, one's own."""

UNKNOWN: Final = "unknown"

ProviderHosts = tuple[tuple[str, str], ...]
"""Globs of `host:port`, each with the name of the provider there; the first that fits holds."""

_HOSTS: Final[ProviderHosts] = (
    ("api.openai.com:*", "openai"),
    ("*.api.openai.com:*", "openai"),
    ("*.openai.azure.com:*", "azure.ai.openai"),
    ("*.cognitiveservices.azure.com:*", "azure.ai.openai"),
    ("*.services.ai.azure.com:*", "azure.ai.inference"),
    ("*.inference.ai.azure.com:*", "azure.ai.inference"),
    ("*.models.ai.azure.com:*", "azure.ai.inference"),
    ("*openrouter.ai:*", "openrouter"),
    ("api.groq.com:*", "groq"),
    ("api.mistral.ai:*", "mistral_ai"),
    ("api.deepseek.com:*", "deepseek"),
    ("api.x.ai:*", "x_ai"),
    ("api.perplexity.ai:*", "perplexity"),
    ("api.anthropic.com:*", "anthropic"),
    ("api.cohere.*:*", "cohere"),
    ("generativelanguage.googleapis.com:*", "gcp.gemini"),
    ("*aiplatform.googleapis.com:*", "gcp.vertex_ai"),
    ("bedrock*.amazonaws.com:*", "aws.bedrock"),
    ("api.together.xyz:*", "together"),
    ("api.fireworks.ai:*", "fireworks"),
    ("api.cerebras.ai:*", "cerebras"),
    ("api.moonshot.*:*", "moonshot_ai"),
    ("*.huggingface.co:*", "huggingface"),
    # Self-hosted servers, by what their name tells, then by the port that they take unless told
    # otherwise. A wrong guess is mended with `provider_hosts`.
    ("*vllm*:*", "vllm"),
    ("*ollama*:*", "ollama"),
    ("*litellm*:*", "litellm"),
    ("localhost:8000", "vllm"),
    ("127.0.0.1:8000", "vllm"),
    ("localhost:11434", "ollama"),
    ("127.0.0.1:11434", "ollama"),
    ("localhost:4000", "litellm"),
    ("127.0.0.1:4000", "litellm"),
)

_ALIASES: Final = {
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "google_generativeai": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
    "together_ai": "together",
    "togetherai": "together",
    "watsonx": "ibm.watsonx.ai",
}


def provider_of(
    attributes: Mapping[str, object],
    configured: ProviderHosts = (),
    names: Names = ALL_NAMES,
    *,
    openai_client: bool = False,
) -> str:
    """The provider of a call.

    The host decides where it is known: some instrumentations call every server `openai` that
    speaks its protocol. `openai_client` says that a span is of OpenAI's own client.
    """
    host = _host(attributes, names)
    if host is not None:
        by_host = _by_host(host, configured)
        if by_host is not None:
            return by_host
    said = _said(attributes, names)
    if host is not None and said in {None, "openai"}:
        return OPENAI_COMPATIBLE
    if said is not None:
        return said
    return OPENAI_COMPATIBLE if openai_client else UNKNOWN


def provider_at(host: str, configured: ProviderHosts = ()) -> str:
    """The provider at a host (`host:port`) that was called with OpenAI's own client."""
    return _by_host(host.lower(), configured) or OPENAI_COMPATIBLE


@lru_cache(maxsize=256)
def _by_host(host: str, configured: ProviderHosts) -> str | None:
    for pattern, provider in (*configured, *_HOSTS):
        with_port = pattern if ":" in pattern else f"{pattern}:*"
        if fnmatchcase(host, with_port.lower()):
            return provider
    return None


def _said(attributes: Mapping[str, object], names: Names) -> str | None:
    for key in names.provider:
        value = attributes.get(key)
        if isinstance(value, str) and value.strip():
            said = value.strip().lower()
            if key == "ai.model.provider":
                # Vercel's: `openai.chat`, `azure-openai.responses`, `amazon-bedrock`, …
                said = said.partition(".")[0].removeprefix("amazon-").replace("-", "_")
            return _ALIASES.get(said, said)
    return None


def _host(attributes: Mapping[str, object], names: Names) -> str | None:
    """`host:port` of the server, in lower case."""
    address = attributes.get(name.SERVER_ADDRESS)
    if isinstance(address, str) and address:
        return _with_port(address, attributes.get(name.SERVER_PORT))
    for key in names.api_base:
        base = attributes.get(key)
        if isinstance(base, str) and base:
            return _host_of_url(base[:2048])
    return None


@lru_cache(maxsize=256)
def _host_of_url(url: str) -> str | None:
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        return _with_port(parts.hostname, parts.port) if parts.hostname else None
    except ValueError:
        return None


def _with_port(host: str, port: object) -> str:
    known = isinstance(port, int) and 0 < port < 65536  # noqa: PLR2004 - as many ports as there are
    return f"{host[:255].lower()}:{port if known else 443}"
