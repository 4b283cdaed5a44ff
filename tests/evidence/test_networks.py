"""Networks: parameter counts, seeds, states, and those of a user."""

import pytest
import torch

from experiments.evidence.models import build, state, with_state


@pytest.mark.parametrize(
    ("name", "shape", "classes", "parameters"),
    [
        ("mlp", (1, 14, 14), 10, 196 * 10 + 10 + 10 * 10 + 10),
        ("cnn", (1, 14, 14), 10, (9 * 8 + 8) + (9 * 8 * 12 + 12) + (12 * 10 + 10)),
        ("residual", (1, 28, 28), 10, 18_626),
        ("character-lstm", (64,), 80, 80 * 96 + 8 * 96 * 97 + 97 * 80),
    ],
)
def test_parameter_counts_and_shapes(name, shape, classes, parameters):
    model = build(name, shape, classes)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    inputs = torch.zeros(3, *shape, dtype=torch.int64 if name.endswith("lstm") else torch.float32)
    assert model(inputs).shape == ((3, *shape, classes) if name.endswith("lstm") else (3, classes))


def test_the_seed_alone_gives_the_parameters():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, again, other = (state(build("mlp", (1, 4, 4), 3, seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_state_has_the_statistics_of_batch_normalization_too():
    model, inputs = build("residual", (1, 8, 8), 3), torch.randn(16, 1, 8, 8)
    model(inputs)
    again = with_state(build("residual", (1, 8, 8), 3, seed=9), state(model).numpy())
    assert torch.equal(again(inputs), model.eval()(inputs))
    with pytest.raises(ValueError, match=r"a state of shape \(3,\)"):
        with_state(model, torch.zeros(3))


def test_a_users_network_is_made_from_a_file_or_a_module(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import torch\ndef net(num_classes):\n    return torch.nn.Linear(4, num_classes)\n")
    assert build(f"{file}:net", (4,), 7).out_features == 7
    assert isinstance(build("torch.nn:Flatten", (4,), 7), torch.nn.Flatten)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("perceptron", "must be one of mlp, cnn"),
        ("no_such_module:net", "cannot be made: ModuleNotFoundError"),
        ("missing.py:net", "cannot be made: FileNotFoundError"),
        ("torch:no_such_function", "cannot be made: AttributeError"),
        ("collections:UserDict", "makes a UserDict; it must make a torch.nn.Module"),
    ],
)
def test_what_makes_no_network_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        build(name, (4,), 2)
