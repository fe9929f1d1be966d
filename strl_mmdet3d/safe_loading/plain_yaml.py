"""Let mmengine read YAML files as data: its own reader calls what a tag such as ``!!python/object/apply`` names."""

from __future__ import annotations

from typing import IO, Any

import yaml
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import YamlHandler

from ..errors import ConfigError

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader


class PlainYamlLoader(SafeLoader):
    """Reads plain values, and the tuples that mmengine writes. Any other tag of Python's is refused."""

    def plain_tuple(self, node: yaml.Node) -> tuple:
        """Read a tuple."""
        return tuple(self.construct_sequence(node, deep=True))


PlainYamlLoader.add_constructor('tag:yaml.org,2002:python/tuple', PlainYamlLoader.plain_tuple)


class PlainYamlHandler(YamlHandler):
    """mmengine's reader of YAML, by `PlainYamlLoader`. Writing stays as it is."""

    def load_from_fileobj(self, file: IO[str], **kwargs: Any) -> Any:
        """Read a YAML file.

        Args:
            file: An open file.
            kwargs: Passed on to ``yaml.load``.

        Returns:
            Its content.

        Raises:
            ConfigError: If it is damaged, or a tag asks for more than plain values.
        """
        try:
            return super().load_from_fileobj(file, **{'Loader': PlainYamlLoader} | kwargs)
        except Exception as error:  # PyYAML lets through what its constructors raise, of many kinds
            reason = ' '.join(str(error).split())
            raise ConfigError(
                f'a YAML file is damaged, or asks for more than plain values ({reason}): write plain values into it'
            ) from error


def refuse_unsafe_yaml() -> None:
    """Have every ``mmengine.load`` of this process, and configs in YAML, read YAML by `PlainYamlLoader`."""
    register_handler(['yaml', 'yml'])(PlainYamlHandler)
