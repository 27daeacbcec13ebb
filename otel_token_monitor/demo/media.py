"""What the demo server answers to images, audio and moderations.

As in :mod:`.replies`, all but ids and timestamps follows from the request, whose files count by
their size: a token for each hundred bytes begun.
"""

from __future__ import annotations

import base64
import json
import time
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

from otel_token_monitor.demo.replies import new_id, pieces, response_model, tokens, with_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.demo.replies import Json, UsageMaker

__all__ = [
    "form_fields",
    "image_edit_stream",
    "image_stream",
    "images",
    "moderation",
    "speech",
    "speech_stream",
    "transcription",
    "transcription_stream",
    "translation",
]

IMAGE_TOKENS = 272
"""What an image costs, whatever its size."""
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n demo").decode()
SPOKEN = "Demo speech is heard."
"""What every recording says."""
SPEECH = b"\xff\xf3\x44\xc4" * 64
"""A spoken answer: bytes that are neither JSON nor UTF-8."""
_BYTES_A_TOKEN = 100


def form_fields(content_type: str, body: bytes) -> Json:
    """The fields of a multipart form; ``bytes`` has the size of its files together.

    Raises ValueError if it is none.
    """
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    if not form.is_multipart():
        raise ValueError("the request's body is no multipart form")
    fields: Json = {"bytes": 0}
    for part in form.walk():
        if part.is_multipart():
            continue
        content: Any = part.get_payload(decode=True)
        if part.get_filename() is not None:
            fields["bytes"] += len(content)
        else:
            name = str(part.get_param("name", header="content-disposition"))
            fields[name] = content.decode()
    fields["stream"] = fields.get("stream") == "true"
    return fields


def _file_tokens(request: Json) -> int:
    return -(-int(request.get("bytes", 0)) // _BYTES_A_TOKEN)


def _parted(text: int, other: int, output: int, *, kind: str) -> Json:
    """Usage whose input is of text and of something else: images or audio."""
    return {
        "input_tokens": text + other,
        "output_tokens": output,
        "total_tokens": text + other + output,
        # Plural as in Responses for images, singular for audio: so it is.
        f"input_token{'s' if kind == 'image' else ''}_details": {
            "text_tokens": text,
            f"{kind}_tokens": other,
        },
    }


# --- images ---------------------------------------------------------------------------------


def images(request: Json, _response_id: str | None, usage: UsageMaker) -> Json:
    """The body of generated or edited images, ``n`` of them; OpenAI gives it no id."""
    count = int(request.get("n") or 1)
    prompt = tokens(str(request.get("prompt", "")))
    body = {
        "created": int(time.time()),
        **_image_form(request),
        "data": [{"b64_json": PIXEL} for _ in range(count)],
    }
    computed = _parted(prompt, _file_tokens(request), count * IMAGE_TOKENS, kind="image")
    return with_usage(body, usage(computed))


def _image_form(request: Json) -> Json:
    return {
        "background": "opaque",
        "output_format": request.get("output_format") or "png",
        "quality": request.get("quality") or "low",
        "size": request.get("size") or "1024x1024",
    }


def image_stream(request: Json, body: Json) -> Iterator[str]:
    """The events that stream a generated image, after ``partial_images`` of it."""
    return _image_events("image_generation", request, body)


def image_edit_stream(request: Json, body: Json) -> Iterator[str]:
    """The events that stream an edited image."""
    return _image_events("image_edit", request, body)


def _image_events(kind: str, request: Json, body: Json) -> Iterator[str]:
    frame = {"b64_json": PIXEL, "created_at": body["created"], **_image_form(request)}
    for index in range(int(request.get("partial_images") or 0)):
        yield _event({"type": f"{kind}.partial_image", **frame, "partial_image_index": index})
    yield _event(with_usage({"type": f"{kind}.completed", **frame}, body.get("usage")))


def _event(data: Json) -> str:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"


# --- audio ----------------------------------------------------------------------------------


def transcription(request: Json, _response_id: str | None, usage: UsageMaker) -> Json | str:
    """The body of a transcription; text if the request wants other than JSON.

    The usage of ``whisper-1`` is a duration, a second for each token that others would count.
    """
    if request.get("response_format", "json") not in {"json", "verbose_json", "diarized_json"}:
        return SPOKEN + "\n"
    heard = _file_tokens(request)
    if request.get("model") == "whisper-1":
        computed: Json = {"type": "duration", "seconds": heard}
    else:
        prompt = tokens(request.get("prompt", ""))
        counts = _parted(prompt, heard, tokens(SPOKEN), kind="audio")
        computed = {"type": "tokens", **counts}
    return with_usage({"text": SPOKEN}, usage(computed))


def transcription_stream(_request: Json, body: Json) -> Iterator[str]:
    """The events that stream a transcription."""
    for piece in pieces(body["text"]):
        yield _event({"type": "transcript.text.delta", "delta": piece})
    yield _event({"type": "transcript.text.done", **body})
    yield "data: [DONE]\n\n"


def translation(request: Json, _response_id: str | None, _usage: UsageMaker) -> Json | str:
    """The body of a translation, which never has usage."""
    return transcription(request, None, lambda _computed: None)


def speech(request: Json, _response_id: str | None, usage: UsageMaker) -> Json | bytes:
    """What is spoken: bytes without usage; what is to be streamed as events, with it."""
    if request.get("stream_format") != "sse":
        return SPEECH
    counts = tokens(str(request.get("input", ""))), _file_tokens({"bytes": len(SPEECH)})
    made = {"input_tokens": counts[0], "output_tokens": counts[1], "total_tokens": sum(counts)}
    return with_usage({"audio": base64.b64encode(SPEECH).decode()}, usage(made))


def speech_stream(_request: Json, body: Json) -> Iterator[str]:
    """The events that stream speech."""
    yield _event({"type": "speech.audio.delta", "audio": body["audio"]})
    yield _event(with_usage({"type": "speech.audio.done"}, body.get("usage")))


# --- moderations ----------------------------------------------------------------------------


def moderation(request: Json, response_id: str | None, _usage: UsageMaker) -> Json:
    """The body of a moderation, which never has usage."""
    given = request.get("input", "")
    result: Json = {
        "flagged": False,
        "categories": {"violence": False},
        "category_scores": {"violence": 0.001},
        "category_applied_input_types": {"violence": ["text"]},
    }
    return {
        "id": response_id or new_id("modr-"),
        "model": response_model(request),
        "results": [result for _ in (given if isinstance(given, list) else [given])],
    }
