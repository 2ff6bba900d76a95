"""Write a tiny random InternVL in Hugging Face format, for a real vLLM to serve: `make_checkpoint.py DIR [tiny|small]`.

Runs in the environment of `make test-vllm` (torch, transformers). Every byte is a token of its own, the picture encoder
cuts 448 px tiles as the real model does (six at most, and the overview), and two small layers of each kind compute
noise: counts, structure, streaming and errors are real, the words are not. The same seed writes the same weights.
`small` is as large as lets an answer of 32 tokens take some tenths of a second of two cores, for the bench.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SEED = 20261125
TILE_PX = 448
MAX_TILES = 6
TOKENS_OF_A_TILE = 256
CONTEXT_TOKENS = 8192

# Of the picture encoder and of the language model: width, inner width, layers, heads.
SIZES = {"tiny": ((32, 64, 1, 2), (64, 128, 2, 2)), "small": ((128, 256, 2, 2), (640, 1792, 10, 10))}

TURN_BEGINS, TURN_ENDS = "<|im_start|>", "<|im_end|>"
PICTURE_TOKENS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
# Tools and results stand in the conversation as JSON: noise does not care how, the server must only take them.
CHAT_TEMPLATE = """\
{%- if tools %}<|im_start|>system
{{ tools | tojson }}<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}
{%- elif message.content %}
{%- for part in message.content -%}
{%- if part.type == 'image' %}<IMG_CONTEXT>
{% elif part.type == 'text' %}{{ part.text }}{% endif -%}
{%- endfor -%}
{%- endif -%}
{%- if message.tool_calls %}{{ message.tool_calls | tojson }}{% endif -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif -%}
"""


def main() -> None:
    """Write tokenizer, processor and weights into the folder."""
    folder, size = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "tiny"
    torch.manual_seed(SEED)
    tokenizer = make_tokenizer()
    transformers.InternVLProcessor(
        image_processor=transformers.GotOcr2ImageProcessor(
            size={"height": TILE_PX, "width": TILE_PX}, crop_to_patches=True, min_patches=1, max_patches=MAX_TILES
        ),
        tokenizer=tokenizer,
        video_processor=transformers.InternVLVideoProcessor(),
        image_seq_length=TOKENS_OF_A_TILE,
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
    model = transformers.InternVLForConditionalGeneration(make_config(tokenizer, size))
    model.to(torch.bfloat16).save_pretrained(folder)


def make_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Return a tokenizer of single bytes and the model's control tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_alone = Tokenizer(models.BPE(vocab={sign: number for number, sign in enumerate(alphabet)}, merges=[]))
    bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytes_alone.decoder = decoders.ByteLevel()
    control = [TURN_BEGINS, TURN_ENDS, *PICTURE_TOKENS.values()]
    bytes_alone.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bytes_alone,
        eos_token=TURN_ENDS,
        pad_token=TURN_ENDS,
        additional_special_tokens=control,
        extra_special_tokens=PICTURE_TOKENS,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_config(tokenizer: transformers.PreTrainedTokenizerFast, size: str) -> transformers.InternVLConfig:
    """Return the shape of the model: InternVL's, at its smallest or a bit larger."""
    vision, text = SIZES[size]
    return transformers.InternVLConfig(
        vision_config={
            "hidden_size": vision[0],
            "intermediate_size": vision[1],
            "num_hidden_layers": vision[2],
            "num_attention_heads": vision[3],
            "image_size": [TILE_PX, TILE_PX],
            "patch_size": [14, 14],
            "use_absolute_position_embeddings": True,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": text[0],
            "intermediate_size": text[1],
            "num_hidden_layers": text[2],
            "num_attention_heads": text[3],
            "num_key_value_heads": 2,
            "max_position_embeddings": CONTEXT_TOKENS,
            "eos_token_id": tokenizer.convert_tokens_to_ids(TURN_ENDS),
        },
        image_token_id=tokenizer.convert_tokens_to_ids(PICTURE_TOKENS["context_image_token"]),
        image_seq_length=TOKENS_OF_A_TILE,
    )


if __name__ == "__main__":
    main()
