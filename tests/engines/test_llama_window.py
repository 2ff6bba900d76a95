"""How long a text may be: the least of what the model's entry, its engine's settings and its file say."""

from __future__ import annotations

import pytest

from vitrail import app_engines
from vitrail.app_engines import fit_window
from vitrail.domain.errors import ContextTooLong, Unavailable
from vitrail.domain.models import Model
from vitrail.engines.llama.window import read_window
from vitrail.service.refusals import check_context
from vitrail.settings import FACTS_MODEL, ModelEntry, Settings

TRAINED = 8192  # the tiny model says so


@pytest.mark.parametrize(("context_tokens", "window"), [(512, 512), (TRAINED, TRAINED), (1 << 20, TRAINED)])
def test_the_window_is_what_is_set_or_what_the_model_was_trained_on(tiny_vlm, context_tokens, window):
    """Never more than either."""
    assert read_window(tiny_vlm.gguf, context_tokens=context_tokens) == window


def test_a_file_that_is_no_model_is_refused(tmp_path):
    """In a Failure that names it."""
    (tmp_path / "x.gguf").write_bytes(b"no model")
    entry = ModelEntry(id="m", engine="llama", gguf=tmp_path / "x.gguf")
    with pytest.raises(Unavailable, match=r"x\.gguf cannot be used"):
        fit_window(entry.model(engine="llama"), entry, Settings(models=(entry,)))


@pytest.mark.parametrize(
    ("of_model", "of_engine", "least"), [(32768, 4096, 4096), (1024, 4096, 1024), (32768, 32768, TRAINED)]
)
def test_a_llama_model_offers_the_least_of_all(tiny_vlm, of_model, of_engine, least):
    """For text, and a refusal has the number; pictures may take fewer tokens than they are billed."""
    entry = ModelEntry(id="m", engine="llama", gguf=tiny_vlm.gguf, context_tokens=of_model)
    settings = Settings(models=(entry,), llama={"context_tokens": of_engine})
    model = fit_window(entry.model(engine="llama"), entry, settings)
    assert (model.context_tokens, model.prompt_tokens) == (of_model, least)
    with pytest.raises(ContextTooLong, match=rf"maximum prompt length is {least} .* contains {least}"):
        check_context(text_tokens=least, image_tokens=0, model=model)
    check_context(text_tokens=10, image_tokens=of_model - 11, model=model)


def test_facts_offers_what_text_it_takes_and_pictures_beside_it(tiny_vlm, monkeypatch):
    """The language engine sees no picture: text has its window, text and pictures together that of the model."""
    monkeypatch.setattr(app_engines, "language_weights", lambda entry, settings: ("tiny", tiny_vlm.gguf))
    settings = Settings(models=(FACTS_MODEL,), facts={"context_tokens": 2048})
    model = fit_window(FACTS_MODEL.model(engine="facts"), FACTS_MODEL, settings)
    assert (model.context_tokens, model.prompt_tokens) == (131072, 2048)
    check_context(text_tokens=2047, image_tokens=50 * 1792, model=model)
    with pytest.raises(ContextTooLong, match=r"maximum prompt length is 2048 text tokens .* contains 9000"):
        check_context(text_tokens=9000, image_tokens=0, model=model)
    with pytest.raises(ContextTooLong, match=r"131072 .*\(10 text, 131062 image\)"):
        check_context(text_tokens=10, image_tokens=131062, model=model)


def test_other_engines_offer_what_is_set():
    """Nothing is known of an upstream server's window."""
    entry = ModelEntry(id="m", engine="upstream", base_url="http://127.0.0.1:1/v1", context_tokens=4096)
    model = entry.model(engine="upstream")
    assert fit_window(model, entry, Settings(models=(entry,))) == model
    assert Model(id="m", engine="upstream", created=0, text_tokens=7).prompt_tokens == 7
