from engagement.surveys.kinds.base import Kind
from lib.registry import Registry

KINDS = Registry("engagement.surveys.kinds", Kind)
