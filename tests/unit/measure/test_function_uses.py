"""What functions use of modules that nobody imports names from, and who fills such a module."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from torchpin.measure import package
from torchpin.measure.function_uses import function_uses
from torchpin.measure.package import Distribution


def uses(text: str) -> list[tuple[str, str, str]]:
    return [(function, used.module, used.name) for function, used in function_uses(ast.parse(dedent(text)))]


def distribution(files: dict[str, str]) -> Distribution:
    contents = {path: dedent(text).encode() for path, text in files.items()}
    return Distribution(files={path: path for path in files}, read=contents.get)


def test_annotations_and_code_of_functions_and_methods_are_read() -> None:
    text = """
        import torchaudio
        import torchaudio as ta
        import torch
        def load(path) -> torchaudio.AudioMetaData:
            return torch.tensor(torchaudio.info(path))
        class Audio:
            async def open(self):
                with lock:
                    return ta.load(self.path)
        torchaudio.functional
    """
    assert uses(text) == [
        ("load", "torchaudio", "info"),
        ("load", "torchaudio", "AudioMetaData"),
        ("open", "torchaudio", "load"),
    ]


@pytest.mark.parametrize(
    "code",
    [
        "if hasattr(torchaudio, 'info'): torchaudio.info(path)",
        "x = torchaudio.info(path) if torchaudio.__version__ < '2.9' else None",
        "try: torchaudio.info(path)\n    except AttributeError: pass",
        "try: torchaudio.info(path)\n    except: pass",
        "torch.info(path)",
    ],
)
def test_what_is_guarded_or_of_other_modules_is_left_out(code: str) -> None:
    assert uses(f"import torchaudio, torch\ndef load(path):\n    {code}\n") == []


def test_a_module_that_may_be_missing_is_left_out() -> None:
    text = """
        try:
            import torchaudio
        except ImportError:
            torchaudio = None
        def load(path):
            return torchaudio.info(path)
    """
    assert uses(text) == []


def test_needs_of_functions_name_the_function_and_imports_come_first() -> None:
    files = {
        "df/__init__.py": "from df.io import load",
        "df/io.py": """
            import torchaudio
            from torchaudio import save
            def load(path):
                torchaudio.save(path)
                return torchaudio.info(path)
        """,
    }
    rows = package.needs(distribution(files), ["df"], {"torchaudio": "torchaudio"})
    assert [(row.imported.name, row.entry, row.file) for row in rows] == [
        ("", "df", "df/io.py"),
        ("save", "df", "df/io.py"),
        ("info", "df.io.load()", "df/io.py"),
    ]


def test_names_that_another_module_gives_are_not_shown() -> None:
    files = {
        "torchaudio/__init__.py": "from . import backend",
        "torchaudio/backend.py": "import torchaudio\ndef fill():\n    setattr(torchaudio, 'load', load)",
    }
    assert package.has_name(distribution(files), "torchaudio", "load") is None
    assert package.has_name(distribution(files), "torchaudio.backend", "load") is False
    files["torchaudio/backend.py"] = "setattr(other, 'load', load)"
    assert package.has_name(distribution(files), "torchaudio", "load") is False
