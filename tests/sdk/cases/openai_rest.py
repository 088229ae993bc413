"""The rest of OpenAI's API: embeddings, models, and what is passed through unread."""

import openai
from kit import Call, Ends, case, dump, equal

FILE = bytes(range(256)) * 1024
# Bodies that are not read name the backend they are for by a model.
FOR_OPENAI = {"x-portcullis-model": "gpt-test"}


@case
def embeddings_as_the_sdk_asks_for_them(call: Call) -> None:
    ask = {"model": "embed-test", "input": ["one", "two"], "dimensions": 16}
    reply = call.same(lambda to: to.openai.embeddings.create(**ask))
    equal([len(item.embedding) for item in reply.data], [16, 16])
    floats = call.same(lambda to: to.openai.embeddings.create(**ask, encoding_format="float"))
    equal([item.embedding for item in floats.data], [item.embedding for item in reply.data])


@case
def embeddings_as_base64(call: Call) -> None:
    ask = {"model": "embed-test", "input": "one", "dimensions": 1536, "encoding_format": "base64"}
    reply = call.same(lambda to: to.openai.embeddings.create(**ask))
    assert isinstance(reply.data[0].embedding, str)


@case
def embeddings_large(call: Call) -> None:
    ask = {"model": "embed-test", "input": [f"text {n}" for n in range(64)], "dimensions": 1536}
    reply = call.same(lambda to: to.openai.embeddings.create(**ask, encoding_format="float"))
    equal(len(reply.data), 64)


@case
def models_of_all_backends_in_both_shapes(call: Call) -> None:
    wanted = {"echo", "embed-test", "fast", "gpt-test", "gpt-test-mini", "claude-test"}
    of_openai = {model.id: model for model in call.via.openai.models.list()}
    equal(set(of_openai), wanted)
    equal({model.object for model in of_openai.values()}, {"model"})
    of_anthropic = {model.id: model for model in call.via.anthropic.models.list()}
    equal(set(of_anthropic), wanted)
    equal({model.type for model in of_anthropic.values()}, {"model"})


@case
def models_retrieved_in_both_shapes(call: Call) -> None:
    for name in ("gpt-test", "claude-test", "echo"):
        equal(call.via.openai.models.retrieve(name).id, name)
        equal(call.via.anthropic.models.retrieve(name).id, name)


@case
def models_that_do_not_exist(call: Call) -> None:
    retrieve = lambda to: to.openai.models.retrieve("gpt-none")
    error = call.refused(retrieve, openai.NotFoundError, "model_not_found")
    equal((error.code, error.param), ("model_not_found", "model"))


@case
def models_of_one_provider(call: Call) -> None:
    def listed(to: Ends) -> list:
        return dump([list(to.openai.models.list()), list(to.anthropic.models.list())])

    equal(listed(call.plain), listed(call.direct))


@case
def file_uploaded(call: Call) -> None:
    def upload(to: Ends) -> object:
        return to.openai.files.create(file=("data.bin", FILE), purpose="user_data", extra_headers=FOR_OPENAI)

    reply = call.same(upload)
    equal((reply.bytes, reply.filename, reply.checksum), (len(FILE), "data.bin", checksum(FILE)))


@case
def audio_transcribed(call: Call) -> None:
    def transcribe(to: Ends) -> object:
        ask = {"model": "gpt-test", "file": ("speech.wav", FILE), "extra_headers": FOR_OPENAI}
        return to.openai.audio.transcriptions.create(**ask)

    equal(call.same(transcribe).checksum, checksum(FILE))


@case
def binary_downloaded(call: Call) -> None:
    fetch = lambda to: to.openai.files.content("file-100000", extra_headers=FOR_OPENAI).read()
    equal(call.same(fetch), (bytes(range(256)) * 391)[:100000])


def checksum(data: bytes) -> str:
    """FNV-1a with 64 bits, as the upstreams show it."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"fnv1a64:{value:016x}"
