from importlib import import_module
from pkgutil import iter_modules
from typing import ClassVar, Generic, Protocol, TypeVar


class Plugin(Protocol):
    kind: ClassVar[str]


P = TypeVar("P", bound=Plugin)


class Registry(dict[str, P], Generic[P]):
    """
    The plugins of one package, by their `kind`.

    A plugin is one module in the package that holds one subclass of `base` with a `kind`.
    Dropping the file in is all it takes; two plugins of one kind are an error.
    """

    def __init__(self, package: str, base: type[P]):
        super().__init__()
        self.package, self.base = package, base

    def load(self) -> "Registry[P]":
        """Import every module of the package and keep one instance of each plugin. Repeating changes nothing."""
        for module in iter_modules(import_module(self.package).__path__, f"{self.package}."):
            import_module(module.name)
        for plugin in _leaves(self.base):
            kind = plugin.__dict__.get("kind")
            if kind and self.setdefault(kind, plugin()).__class__ is not plugin:
                raise ValueError(f"two plugins of kind {kind!r} in {self.package}")
        return self

    def __missing__(self, kind: str) -> P:
        if not self:
            self.load()
            if kind in self:
                return self[kind]
        raise KeyError(kind)


def _leaves(base: type[P]) -> list[type[P]]:
    found: list[type[P]] = []
    for plugin in base.__subclasses__():
        found += [plugin, *_leaves(plugin)]
    return found
