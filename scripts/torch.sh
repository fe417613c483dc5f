#!/bin/sh
# Says what PyTorch brings along on Linux, and how to do without. Usage: sh scripts/torch.sh "make learn"
set -eu

[ "$(uname -s)" = Linux ] || exit 0
cat <<TEXT
On Linux the usual index has a PyTorch for graphics cards: some gigabytes more, and of no use here.
To leave them out, press Ctrl+C and type: $1 TORCH_INDEX=ADDRESS
ADDRESS is that of PyTorch's index of CPU builds; its "Get started" page shows it behind --index-url.
TEXT
