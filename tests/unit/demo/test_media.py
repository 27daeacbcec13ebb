"""Images, audio and moderations of the demo server, as the real openai client sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_token_monitor.demo.media import form_fields

Client = Any
"""An openai client, whose answers are too wide unions for tests that know what they asked."""

RECORDING = ("a.wav", b"x" * 250)
IMAGE = ("a.png", b"x" * 250)


def test_an_image_costs_272_tokens(client: Client) -> None:
    usage = client.images.generate(model="gpt-image-1", prompt="A lake", n=2).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (2, 544, 546)


def test_the_input_of_an_edited_image_is_text_and_image(client: Client) -> None:
    usage = client.images.edit(model="gpt-image-1", prompt="A lake", image=IMAGE).usage
    assert usage.input_tokens_details.to_dict() == {"text_tokens": 2, "image_tokens": 3}


def test_a_streamed_image_ends_in_its_usage(client: Client) -> None:
    *first, last = client.images.generate(
        model="gpt-image-1", prompt="A lake", stream=True, partial_images=2
    )
    assert [event.type for event in first] == ["image_generation.partial_image"] * 2
    assert (last.type, last.usage.total_tokens) == ("image_generation.completed", 274)


def test_a_streamed_edit_ends_in_its_usage(client: Client) -> None:
    [last] = client.images.edit(model="gpt-image-1", prompt="A lake", image=IMAGE, stream=True)
    assert (last.type, last.usage.total_tokens) == ("image_edit.completed", 277)


def test_the_input_of_a_transcription_is_audio(client: Client) -> None:
    made = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=RECORDING)
    assert made.usage.to_dict() == {
        "type": "tokens",
        "input_tokens": 3,
        "output_tokens": 6,
        "total_tokens": 9,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 3},
    }


def test_whisper_reports_a_duration(client: Client) -> None:
    made = client.audio.transcriptions.create(model="whisper-1", file=RECORDING)
    assert made.usage.to_dict() == {"type": "duration", "seconds": 3}


def test_the_usage_of_a_transcription_is_replaced(client: Client) -> None:
    headers = {"x-demo-usage": json.dumps({"type": "duration", "seconds": 7.5})}
    made = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=RECORDING, extra_headers=headers
    )
    assert made.usage.seconds == 7.5


def test_a_transcription_can_be_text(client: Client) -> None:
    made = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=RECORDING, response_format="text"
    )
    assert made == "Demo speech is heard.\n"


def test_a_streamed_transcription_ends_in_its_usage(client: Client) -> None:
    *first, last = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=RECORDING, stream=True
    )
    assert "".join(event.delta for event in first) == last.text
    assert (last.type, last.usage.total_tokens) == ("transcript.text.done", 9)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_a_translation_has_no_usage(client: Client) -> None:
    made = client.audio.translations.create(model="whisper-1", file=RECORDING)
    assert made.to_dict() == {"text": "Demo speech is heard."}


def test_speech_is_bytes(client: Client) -> None:
    made = client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Hello")
    assert (made.response.headers["content-type"], len(made.content)) == ("audio/mpeg", 256)


def test_speech_as_events_ends_in_its_usage(client: Client) -> None:
    made = client.audio.speech.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Hello", stream_format="sse"
    )
    last = json.loads(made.text.split("data: ")[-1])
    assert last["usage"] == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}


def test_a_moderation_has_no_usage(client: Client) -> None:
    made = client.moderations.create(model="omni-moderation-latest", input=["a", "b"])
    assert ("usage" in made.to_dict(), len(made.results)) == (False, 2)


def test_a_form_has_a_boundary() -> None:
    with pytest.raises(ValueError, match="no multipart form"):
        form_fields("multipart/form-data", b"x")
