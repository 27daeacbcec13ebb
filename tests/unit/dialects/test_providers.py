"""Who served a call."""

from __future__ import annotations

import pytest

from otel_token_monitor.dialects.providers import provider_of


def at(address: str, port: object = None, **more: object) -> dict[str, object]:
    return {"server.address": address, "server.port": port, **more}


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("API.OpenAI.com", "openai"),
        ("mine.openai.azure.com", "azure.ai.openai"),
        ("mine.cognitiveservices.azure.com", "azure.ai.openai"),
        ("mine.services.ai.azure.com", "azure.ai.inference"),
        ("mine.inference.ai.azure.com", "azure.ai.inference"),
        ("mine.models.ai.azure.com", "azure.ai.inference"),
        ("openrouter.ai", "openrouter"),
        ("eu.openrouter.ai", "openrouter"),
        ("api.groq.com", "groq"),
        ("api.mistral.ai", "mistral_ai"),
        ("api.deepseek.com", "deepseek"),
        ("api.x.ai", "x_ai"),
        ("api.perplexity.ai", "perplexity"),
        ("api.anthropic.com", "anthropic"),
        ("api.cohere.com", "cohere"),
        ("api.cohere.ai", "cohere"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("europe-west1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "aws.bedrock"),
        ("api.together.xyz", "together"),
        ("api.fireworks.ai", "fireworks"),
        ("api.cerebras.ai", "cerebras"),
        ("api.moonshot.cn", "moonshot_ai"),
        ("router.huggingface.co", "huggingface"),
        ("my-vllm.internal", "vllm"),
        ("ollama", "ollama"),
        ("litellm-proxy", "litellm"),
    ],
)
def test_a_known_host_tells_the_provider(host: str, provider: str) -> None:
    # Some instrumentations say `openai` whatever the host.
    assert provider_of(at(host, 443, **{"gen_ai.provider.name": "openai"})) == provider


@pytest.mark.parametrize(
    ("host", "port", "provider"),
    [
        ("localhost", 8000, "vllm"),
        ("127.0.0.1", 8000, "vllm"),
        ("localhost", 11434, "ollama"),
        ("localhost", 4000, "litellm"),
        ("localhost", 8001, "openai_compatible"),
    ],
)
def test_a_server_of_ones_own_is_told_by_its_usual_port(
    host: str, port: int, provider: str
) -> None:
    assert provider_of(at(host, port)) == provider


@pytest.mark.parametrize("name", ["gen_ai.openai.api_base", "llm.openai.api_base"])
@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.groq.com/openai/v1/", "groq"),
        ("http://localhost:11434/v1", "ollama"),
        ("api.groq.com", "groq"),
        ("https://gateway.corp/v1", "openai_compatible"),
    ],
)
def test_traceloop_tells_the_host_in_the_base_address(name: str, url: str, provider: str) -> None:
    assert provider_of({name: url, "gen_ai.system": "openai"}) == provider


@pytest.mark.parametrize("url", ["http://[", "http://host:99999999/", "//", "http://a:b:c"])
def test_a_base_address_that_cannot_be_read_is_ignored(url: str) -> None:
    attributes: dict[str, object] = {"gen_ai.openai.api_base": url, "gen_ai.system": "groq"}
    assert provider_of(attributes) == "groq"


@pytest.mark.parametrize(
    "name", ["gen_ai.provider.name", "gen_ai.system", "llm.provider", "ai.model.provider"]
)
def test_every_name_of_the_provider_is_read(name: str) -> None:
    assert provider_of({name: "anthropic"}) == "anthropic"


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ("Azure", "azure.ai.openai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("az.ai.inference", "azure.ai.inference"),
        ("AWS", "aws.bedrock"),
        ("bedrock", "aws.bedrock"),
        ("google", "gcp.gemini"),
        ("gemini", "gcp.gemini"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("mistralai", "mistral_ai"),
        ("xai", "x_ai"),
        ("together_ai", "together"),
        (" OpenAI ", "openai"),
        ("something-new", "something-new"),
    ],
)
def test_a_provider_has_one_name_however_it_is_written(said: str, provider: str) -> None:
    assert provider_of({"gen_ai.system": said}) == provider


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ("openai.chat", "openai"),
        ("azure-openai.responses", "azure.ai.openai"),
        ("amazon-bedrock", "aws.bedrock"),
        ("anthropic.messages", "anthropic"),
    ],
)
def test_vercels_provider_names_its_interface_too(said: str, provider: str) -> None:
    assert provider_of({"ai.model.provider": said}) == provider


def test_a_configured_host_goes_before_the_known_ones() -> None:
    assert provider_of(at("api.openai.com"), (("api.openai.com", "gateway"),)) == "gateway"


def test_a_configured_pattern_may_name_the_port() -> None:
    configured = (("*.corp:8443", "gateway"),)
    assert [provider_of(at("llm.corp", port), configured) for port in (8443, 443)] == [
        "gateway",
        "openai_compatible",
    ]


def test_of_several_configured_patterns_the_first_that_fits_holds() -> None:
    assert provider_of(at("a.corp"), (("*.corp", "one"), ("a.corp", "two"))) == "one"


def test_another_provider_behind_an_unknown_host_is_believed() -> None:
    assert provider_of(at("gateway.corp", **{"gen_ai.system": "anthropic"})) == "anthropic"


def test_openais_client_without_a_host_speaks_to_something_compatible() -> None:
    assert provider_of({}, openai_client=True) == "openai_compatible"


def test_without_any_hint_the_provider_is_unknown() -> None:
    assert provider_of({}) == "unknown"


@pytest.mark.parametrize("port", [None, "8000", True, -1, 10**5000, 8000.0], ids=type)
def test_a_port_that_is_none_does_not_hide_the_host(port: object) -> None:
    assert provider_of(at("api.groq.com", port)) == "groq"


@pytest.mark.parametrize("value", ["", "  ", 7, None, ["openai"]])
def test_a_name_that_says_nothing_counts_as_absent(value: object) -> None:
    assert provider_of({"gen_ai.provider.name": value, "gen_ai.system": "groq"}) == "groq"
