# The recipe that torchpin replaces, in the order of its own page: numpy, scipy, torch, constraints, the rest, verification.
FROM torchpin-bench/base:1
RUN pip install --no-cache-dir --upgrade pip packaging wheel
RUN pip install --no-cache-dir "numpy==1.26.4"
RUN pip install --no-cache-dir "scipy==1.12.0"
RUN pip install --no-cache-dir torch==2.5.1 torchvision==0.20.1 torchaudio==2.5.1
COPY constraints.txt requirements.txt /tmp/
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt --requirement /tmp/requirements.txt
RUN python3 -c "import torch; assert torch.__version__.startswith('2.5.1'); assert torch.version.cuda == '12.4'"
RUN python3 -c "import numpy; assert numpy.__version__.startswith('1.26')"
RUN python3 -c "import bitsandbytes; assert bitsandbytes.__version__ == '0.45.0'"
RUN python3 -c "import scipy, transformers"
COPY smoke.py /opt/zopilot/smoke.py
