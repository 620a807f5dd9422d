# The recipe that torchpin replaces, in the order of its own page: numpy, scipy, torch, constraints, the rest, verification.
FROM torchpin-bench/base:1
RUN pip install --no-cache-dir --upgrade pip packaging wheel
COPY constraints.txt requirements.txt /tmp/
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt numpy
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt scipy
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt torch torchvision torchaudio
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt --requirement /tmp/requirements.txt
RUN python3 -c "import torch; assert torch.__version__.startswith('2.5.1'); assert torch.version.cuda == '12.4'"
RUN python3 -c "import numpy; assert numpy.__version__.startswith('1.26')"
RUN python3 -c "import bitsandbytes; assert bitsandbytes.__version__ == '0.45.0'"
RUN python3 -c "import scipy, transformers"
COPY smoke.py /opt/zopilot/smoke.py
