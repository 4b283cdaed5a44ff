"""What `help` shows: signatures that can be read."""

import importlib
import inspect
import pkgutil

import pytest

LONGEST = 150  # characters of a parameter with its type and default, or of what is returned; torch's own have as many
# Commands' parameters carry their help; kernels are numba's; lessons are called by no one.
LEFT_OUT = {"__main__", "cli", "commands", "kernels", "lessons", "teach"}


def functions(package):
    """Every public function, class and method that a package defines, by its name."""
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    for module in (importlib.import_module(name) for name in names if not {*name.split(".")} & LEFT_OUT):
        for name, thing in inspect.getmembers(module, public):
            if thing.__module__ == module.__name__:
                yield f"{module.__name__}.{name}", thing
                own = vars(thing).items() if inspect.isclass(thing) else ()
                yield from (
                    (f"{module.__name__}.{name}.{method}", function) for method, function in own if public(function)
                )


def public(thing):
    return (inspect.isfunction(thing) or inspect.isclass(thing)) and not thing.__name__.startswith("_")


def long_ones(function):
    """The parts of a signature that are too long."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # of an exception's class
        return []
    parts = [*map(str, signature.parameters.values()), inspect.formatannotation(signature.return_annotation)]
    return [part for part in parts if len(part) > LONGEST]


@pytest.mark.parametrize("name", ["theory", "diffusion", "experiments"])
def test_no_parameter_of_a_public_function_has_a_type_that_fills_lines(name):
    too_long = {
        where: found for where, thing in functions(importlib.import_module(name)) if (found := long_ones(thing))
    }
    assert too_long == {}
