"""Compiles sources to bytecode: `python -S -B compile_sources.py SOURCES COMPILED`, by the Python that is to run it.

SOURCES is a marshalled list of paths and contents, COMPILED becomes the marshalled bytecode by path. What cannot be compiled is left out.
Nothing is imported that a Python does not have loaded anyway: whether a text in bytecode is marked as shared depends
on the modules that hold it, too.
"""

import _imp
import marshal
import sys
from _frozen_importlib_external import MAGIC_NUMBER

UNCHECKED_HASH = b"\1\0\0\0"  # the flags of PEP 552

with open(sys.argv[1], "rb") as opened:
    sources = marshal.loads(opened.read())
compiled = {}
for path, source in sources:
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except Exception:
        continue  # a template, or of another Python
    digest = _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source)
    compiled[path] = MAGIC_NUMBER + UNCHECKED_HASH + digest + marshal.dumps(code)
with open(sys.argv[2], "wb") as opened:
    opened.write(marshal.dumps(compiled, 2))
