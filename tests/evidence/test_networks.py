"""Networks: parameter counts, seeds, states, and those of a user."""

import numpy as np
import pytest
import torch
from data_files import write_cifar

from experiments.evidence.models import MODELS, build, state, with_state
from experiments.evidence.training import Recipe, train


@pytest.mark.parametrize(
    ("name", "shape", "classes", "parameters"),
    [
        ("mlp", (1, 14, 14), 10, 196 * 10 + 10 + 10 * 10 + 10),
        ("cnn", (1, 14, 14), 10, (9 * 8 + 8) + (9 * 8 * 12 + 12) + (12 * 10 + 10)),
        ("residual", (1, 28, 28), 10, 18_626),
        ("resnet18", (3, 32, 32), 10, 11_173_962),
        ("resnet34", (3, 32, 32), 10, 21_282_122),
        ("resnet50", (3, 32, 32), 10, 23_520_842),
        ("vgg16", (3, 32, 32), 10, 14_728_266),
        ("lstm", (35,), 10_000, 14_452_496),
        ("character-lstm", (64,), 80, 80 * 96 + 8 * 96 * 97 + 97 * 80),
    ],
)
def test_parameter_counts_are_those_of_the_literature(name, shape, classes, parameters):
    with torch.device("meta"):
        model = MODELS[name](shape, classes)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    inputs = torch.zeros(3, *shape, dtype=torch.int64 if "lstm" in name else torch.float32, device="meta")
    assert model(inputs).shape == ((3, *shape, classes) if "lstm" in name else (3, classes))


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "vgg16"])
def test_large_networks_make_a_step(name, tmp_path):
    run = train(Recipe(data=str(write_cifar(tmp_path)), samples=8, tested=8, batch_size=8, epochs=1, model=name))
    assert run.fault == ""
    assert np.isfinite(run.train_loss)


@pytest.mark.long
def test_the_papers_lstm_makes_a_step(tmp_path):
    (tmp_path / "text").write_text("it is a truth universally acknowledged\n" * 100)
    recipe = Recipe(
        data=str(tmp_path / "text"), window=10, unit="word", model="lstm", batch_size=8, epochs=1, clip=0.25
    )
    assert train(recipe).fault == ""


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
