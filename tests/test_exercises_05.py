import torch
from answers.chapter_05 import RIGHT, num_parameters
from torch import nn

from d2lrnn.language_model import LanguageModel


def test_the_right_answers_are_those_of_torch():
    V, D, h, L = 11, 3, 5, 2
    model = LanguageModel(V, h, num_layers=L, embedding_size=D)
    assert num_parameters(V, D, h, L) == sum(p.numel() for p in model.parameters())
    layer = nn.RNN(D, h, num_layers=L, batch_first=True)
    result, state = layer(torch.zeros(4, 6, D))
    assert RIGHT["shapes"](4, 6, D, h, L) == (tuple(result.shape), tuple(state.shape))


def test_the_largest_embedding_is_the_last_that_saves():
    for V, h in [(28, 256), (10, 10), (6, 3), (1, 5)]:
        D = RIGHT["embedding"](V, h)
        assert V * D + D * h < V * h <= V * (D + 1) + (D + 1) * h
