"""Optional dependencies: what a command needs beyond the plain installation."""

from importlib.util import find_spec


def need(extra: str, *modules: str) -> None:
    """Refuse to go on without a module, and name the extra that has it."""
    for module in modules:
        if find_spec(module) is None:
            raise ValueError(f"{module} is not installed: pip install 'diffusion-lab[{extra}]'")
